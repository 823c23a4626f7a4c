//! The mark of an order in texts of statements: by it a lost payment is told from every other of
//! the same amount, also from one with the same RRN ([`Order::mark`]).

use veksel_core::enquiry::Order;

/// What parts words of a statement; banks put other things than spaces between them.
fn is_gap(letter: char) -> bool {
    !letter.is_alphanumeric()
}

/// Whether a text has the order's mark in it as a whole word. Never, if it has none.
pub(crate) fn is_marked(text: &str, order: &Order) -> bool {
    !order.mark.is_empty() && text.split(is_gap).any(|word| word == order.mark)
}

/// A remittance text that a bank's maximum allows, which keeps RRN and mark whole: by them it is
/// found again. If not both fit, the mark alone.
pub(crate) fn fitted(text: &str, order: &Order, most: usize) -> String {
    let cut: String = text.chars().take(most).collect();
    let has = |text: &str, word: &str| word.is_empty() || text.split(is_gap).any(|it| it == word);
    let is_whole = |text: &str| has(text, &order.rrn) && has(text, &order.mark);
    // What is not in the text as it came cannot be kept.
    if is_whole(&cut) || !is_whole(text) {
        return cut;
    }
    let both = format!("{} {}", order.rrn, order.mark);
    let both = both.trim();
    if both.chars().count() <= most {
        return both.to_owned();
    }
    order.mark.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_core::enquiry::{BankAccount, Money};

    fn order(rrn: &str, mark: &str) -> Order {
        let debtor = BankAccount {
            iban: String::new(),
            resource: String::new(),
            consent: String::new(),
            customer: String::new(),
        };
        Order {
            key: [0; 16],
            debtor,
            creditor: String::new(),
            creditor_name: String::new(),
            amount: Money { minor: 1, currency: 578 },
            remittance: String::new(),
            rrn: rrn.to_owned(),
            mark: mark.to_owned(),
            reference: String::new(),
            state: [0; 16],
            verifier: veksel_core::enquiry::Secret::new(""),
        }
    }

    #[test]
    fn only_a_whole_word_is_the_mark() {
        let own = order("605410000123", "7F3K9QRS");
        for (text, expected) in [
            ("605410000123 7F3K9QRS TERM0001", true),
            ("7F3K9QRS", true),
            ("Til: Kiosk/605410000123/7F3K9QRS.", true),
            ("605410000123 TERM0001", false),
            ("605410000123 7F3K9QRSX", false),
            ("605410000123X7F3K9QRS", false),
            ("7f3k9qrs", false),
            ("", false),
        ] {
            assert_eq!(is_marked(text, &own), expected, "{text}");
        }
        assert!(!is_marked("605410000123  TERM0001", &order("605410000123", "")));
    }

    #[test]
    fn a_cut_text_keeps_both_or_the_mark() {
        let own = order("605410000123", "7F3K9QRS");
        let text = "605410000123 7F3K9QRS TERM0001";
        for (most, expected) in [
            (140, text),
            (25, "605410000123 7F3K9QRS TER"),
            (21, "605410000123 7F3K9QRS"),
            (20, "7F3K9QRS"),
            (8, "7F3K9QRS"),
        ] {
            assert_eq!(fitted(text, &own, most), expected, "{most}");
        }
        let behind = "Invoice of the month 605410000123 7F3K9QRS";
        assert_eq!(fitted(behind, &own, 24), "605410000123 7F3K9QRS");
        assert_eq!(fitted("7F3K9QRS TERM0001", &order("", "7F3K9QRS"), 9), "7F3K9QRS ");
        assert_eq!(fitted("no mark in it", &own, 7), "no mark");
    }
}
