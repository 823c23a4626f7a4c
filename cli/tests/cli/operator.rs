//! Commands that tell a running switch something: who decides, and that nobody answers.

use crate::ran::run_as_nobody;

#[test]
fn who_decides_is_known_without_a_shell() {
    // Nobody listens on port 1; that is found only after the name was.
    let admin = ["--admin", "127.0.0.1:1"];
    for command in [
        &["reload"][..],
        &["breakers", "disable", "cbs", "--reason", "new disks"],
        &["reversals", "retry", "42", "--reason", "the bank is back"],
    ] {
        let ran = run_as_nobody(&[command, &admin].concat());
        assert_eq!(ran.code, 1, "{command:?}: {}", ran.err);
        assert!(ran.err.contains("nobody answers on 127.0.0.1:1"), "{}", ran.err);
        assert!(ran.err.contains("`admin.listen` is reached with --admin"), "{}", ran.err);
        let ran = run_as_nobody(&[command, &admin, &["--operator", " "]].concat());
        assert_eq!(ran.code, 2, "{command:?}: {}", ran.err);
        assert!(ran.err.contains("--operator must say something"), "{}", ran.err);
    }
}
