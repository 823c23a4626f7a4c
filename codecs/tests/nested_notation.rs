//! What a dialect file may say of parts, and where it is told what it may not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use veksel_codecs::{Dialect, FieldNumber};

/// Every problem of a notation, and where it is.
#[test]
fn problems_of_the_notation_have_their_place() {
    let head = "name = \"x\"\n[fields]\n48 = { name = \"a\", format = \"LLL ans..999\" }\n\
                55 = { name = \"b\", format = \"LLL b..255\" }\n3 = { name = \"c\", format = \"n6\" }\n";
    for (nested, line, column, message) in [
        ("[nested.1]\nform = \"tagged\"", 6, 9, "does not begin with a field"),
        ("[nested.4]\nform = \"tagged\"", 6, 9, "is not defined"),
        ("[nested.\"48.1\"]\nform = \"tagged\"", 6, 9, "is not defined"),
        ("[nested.\"48.1.1.1.1\"]\nform = \"tagged\"", 6, 9, "3 deep"),
        ("[nested.48]\nform = \"tags\"", 7, 8, "is none of"),
        ("[nested.48]\nform = \"tagged\"", 7, 8, "needs a `layout`"),
        ("[nested.48]\nform = \"tagged\"\nlayout = \"TTLL\"", 8, 10, "a layout is"),
        ("[nested.48]\nform = \"tagged\"\nlayout = \"TTTTT LL\"", 8, 10, "at most four"),
        ("[nested.48]\nform = \"tagged\"\nlayout = \"TT LL\"\nrepeat = 2", 9, 10, "says nothing"),
        (
            "[nested.48]\nform = \"tagged\"\nlayout = \"TT LL\"\ncounts_tag = true",
            9,
            14,
            "in front of it",
        ),
        ("[nested.48]\nform = \"tagged\"\nlayout = \"TT LL\"\ntags = \"bcd\"", 9, 8, "class `b`"),
        (
            "[nested.48]\nform = \"tagged\"\nlayout = \"TT LL\"\n[nested.48.parts]\n1 = { name = \"n\", format = \"n1\" }",
            10,
            1,
            "cannot be the name",
        ),
        (
            "[nested.48]\nform = \"tagged\"\nlayout = \"TT LL\"\n[nested.48.parts]\n01 = { name = \"n\", format = \"LL n..9\" }",
            10,
            29,
            "leave the `L` out",
        ),
        ("[nested.48]\nform = \"ber-tlv\"", 7, 8, "class `b`"),
        ("[nested.48]\nform = \"bitmapped\"", 6, 9, "needs `parts`"),
        (
            "[nested.48]\nform = \"bitmapped\"\nbits = 65\n[nested.48.parts]\n2 = { name = \"n\", format = \"n1\" }",
            8,
            8,
            "16, 64 or 128",
        ),
        (
            "[nested.48]\nform = \"bitmapped\"\nbitmap = \"binary\"\n[nested.48.parts]\n2 = { name = \"n\", format = \"n1\" }",
            8,
            10,
            "class `b`",
        ),
        (
            "[nested.48]\nform = \"bitmapped\"\n[nested.48.parts]\n65 = { name = \"n\", format = \"n1\" }",
            9,
            1,
            "cannot be the name",
        ),
        (
            "[nested.48]\nform = \"bitmapped\"\nchained = true\n[nested.48.parts]\n65 = { name = \"n\", format = \"n1\" }",
            10,
            1,
            "cannot be the name",
        ),
        (
            "[nested.48]\nform = \"bitmapped\"\n[nested.48.parts]\n2 = { name = \"n\", format = \"n..4\" }",
            9,
            28,
            "needs a length",
        ),
        (
            "[nested.3]\nform = \"positional\"\n[nested.3.parts]\n1 = { name = \"n\", format = \"n1\" }\n3 = { name = \"n\", format = \"n1\" }",
            10,
            1,
            "part 2 is missing",
        ),
        (
            "[nested.3]\nform = \"positional\"\n[nested.3.parts]\n1 = { name = \"n\", format = \"n..3\" }\n2 = { name = \"n\", format = \"n1\" }",
            9,
            28,
            "only the last",
        ),
        (
            "[nested.3]\nform = \"positional\"\n[nested.3.parts]\n1 = { name = \"n\", format = \"b1\" }",
            9,
            28,
            "bytes need",
        ),
        (
            "[nested.3]\nform = \"positional\"\n[nested.3.parts]\n1 = { name = \"n\", format = \"q1\" }",
            9,
            28,
            "a format is",
        ),
        (
            "[nested.3]\nform = \"positional\"\nrepeat = 0\n[nested.3.parts]\n1 = { name = \"n\", format = \"n1\" }",
            8,
            10,
            "1 to 999",
        ),
        (
            "[nested.3]\nform = \"positional\"\nrepeat = 2\n[nested.3.parts]\n1 = { name = \"n\", format = \"n7\" }",
            8,
            10,
            "does not fit",
        ),
        (
            "[nested.3]\nform = \"positional\"\nrepeat = 2\n[nested.3.parts]\n1 = { name = \"n\", format = \"LL n..7\" }",
            10,
            28,
            "fixed length",
        ),
        (
            "[nested.55]\nform = \"ber-tlv\"\n[nested.55.parts]\n9F = { name = \"n\", format = \"b1\" }",
            9,
            1,
            "cannot be the name",
        ),
        (
            "[nested.55]\nform = \"ber-tlv\"\n[nested.55.parts]\n9F26 = { name = \"n\", format = \"b1\" }\n9f26 = { name = \"m\", format = \"b2\" }",
            10,
            1,
            "is there already",
        ),
        ("[nested.55]\nform = \"ber-tlv\"\nform2 = 1", 8, 1, "unknown field"),
        (
            "[nested.3]\nform = \"positional\"\n[nested.3.parts]\n1 = { name = \"n\", format = \"L n..10\" }",
            9,
            28,
            "its length can say 9 at most, 10 is needed",
        ),
        (
            "[nested.55]\nform = \"positional\"\nlength = \"hex\"\n[nested.55.parts]\n1 = { name = \"n\", format = \"L b..16\" }",
            10,
            28,
            "its length can say 15 at most, 16 is needed",
        ),
    ] {
        let error = Dialect::parse(&format!("{head}{nested}\n")).unwrap_err();
        let problem = &error.0[0];
        assert_eq!((problem.line, problem.column), (line, column), "{nested}\n{error}");
        assert!(problem.message.contains(message), "{nested}\n{error}");
        assert_eq!(error.0.len(), 1, "{nested}\n{error}");
    }
}

#[test]
fn a_dialect_that_extends_adds_parts_and_cannot_break_them() {
    let dialect = Dialect::parse(
        "name = \"x\"\nextends = \"cbs-ascii-bin\"\n[nested.43]\nform = \"positional\"\n\
         [nested.43.parts]\n1 = { name = \"all\", format = \"ans40\" }\n",
    );
    assert!(dialect.unwrap().nested(FieldNumber::new(43).unwrap()).is_some());
    let error = Dialect::parse(
        "name = \"x\"\nextends = \"cbs-ascii-bin\"\n[fields]\n\
         55 = { name = \"chip\", format = \"LLL ans..255\" }\n",
    )
    .unwrap_err();
    assert_eq!((error.0[0].line, error.0[0].column), (4, 1), "{error}");
    assert!(error.to_string().contains("need a field of class `b`"), "{error}");
}

/// In a field of characters everything is characters, whatever those of the field are written in.
#[test]
fn a_field_of_characters_takes_no_other_encoding_inside() {
    let bitmap = "form = 'bitmapped'";
    for (form, key, words) in [
        ("form = 'positional'", "digits", &["bcd", "bcd-right-f", "ebcdic"][..]),
        ("form = 'positional'", "length", &["bcd", "binary", "hex", "ebcdic"]),
        (bitmap, "bitmap", &["binary", "ebcdic-hex"]),
        ("form = 'tagged'\nlayout = 'TT LL'", "tags", &["bcd", "binary"]),
    ] {
        for text in ["ebcdic", "ascii"] {
            for word in words {
                let dialect = format!(
                    "name = 'x'\n[encoding]\ntext = '{text}'\n[fields]\n\
                     48 = {{ name = 'a', format = 'LLL ans..99' }}\n[nested.48]\n\
                     {key} = '{word}'\n{form}\n[nested.48.parts]\n\
                     11 = {{ name = 'n', format = 'LL n..9' }}\n"
                );
                let Err(error) = Dialect::parse(&dialect) else { panic!("{dialect}") };
                let column = key.len() + 4;
                let found = error.0.iter().any(|problem| {
                    (problem.line, problem.column) == (7, column)
                        && problem.message.contains("class `b`")
                });
                assert!(found, "{dialect}\n{error}");
            }
        }
    }
}

/// Keys of fields that parts do not have, and words that tags do not have.
#[test]
fn what_is_not_possible_inside_a_field_has_its_place() {
    for (key, part, line, column) in [
        ("tags = 'ebcdic'", "", 6, 8),
        ("layout = 'TT LL'", ", text = 'ebcdic'", 8, 39),
        ("layout = 'TT LL'", ", track = 'bcd'", 8, 39),
        ("layout = 'TT LL'", ", count = 'bytes'", 8, 39),
        ("layout = 'TT LL'", ", fill = 'right-zero'", 8, 39),
        ("text = 'ebcdic'", "", 6, 1),
        ("inclusive = true", "", 6, 1),
    ] {
        let layout = if key.starts_with("layout") { "" } else { "layout = 'TT LL'\n" };
        let dialect = format!(
            "name = 'x'\n[fields]\n48 = {{ name = 'a', format = 'LLL b..99' }}\n[nested.48]\n\
             form = 'tagged'\n{key}\n{layout}[nested.48.parts]\n\
             AA = {{ name = 'n', format = 'ans..9'{part} }}\n"
        );
        let Err(error) = Dialect::parse(&dialect) else { panic!("{dialect}") };
        assert_eq!((error.0[0].line, error.0[0].column), (line, column), "{dialect}\n{error}");
    }
}

#[test]
fn what_a_table_needs_and_what_it_cannot_have_is_said() {
    for (field, keys, expected) in [
        ("LLL ans..99", "", "`table` needs `rows`"),
        ("LLL ans..99", "rows = '~~'", "a mark is one character"),
        ("LLL ans..99", "rows = 'x'", "no letter and no digit"),
        ("LLL ans..99", "rows = '~'\ncells = ' '", "no letter and no digit"),
        ("LLL ans..99", "rows = '~'\ncells = '~'", "must differ"),
        ("LLL ans..99", "rows = '~'", "this form needs `parts`"),
        ("LLL ans..99", "rows = '~'\ncells = '|'\nrepeat = 0", "rows are 1 to 999"),
        ("LLL ans..99", "rows = '~'\ncells = '|'\nlayout = 'TT LL'", "`layout` says nothing"),
        ("LLL b..99", "rows = '~'\ncells = '|'", "needs a field or part of characters"),
    ] {
        let text = format!(
            "name = 'x'\n[fields]\n48 = {{ name = 'a', format = '{field}' }}\n[nested.48]\n\
             form = 'table'\n{keys}\n"
        );
        let Err(error) = Dialect::parse(&text) else { panic!("{text}") };
        assert!(error.to_string().contains(expected), "{text}\n{error}");
    }
    let text = "name = 'x'\n[fields]\n48 = { name = 'a', format = 'LLL ans..99' }\n[nested.48]\n\
                form = 'tagged'\nlayout = 'TT LL'\nrows = '~'\n";
    assert!(Dialect::parse(text).unwrap_err().to_string().contains("`rows` says nothing"));
}
