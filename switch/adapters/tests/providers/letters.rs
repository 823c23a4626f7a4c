//! Letters, to a mail server that takes nothing without TLS.

use super::{LOOPBACK, providers, within};
use std::path::Path;
use std::sync::Arc;
use veksel_adapters::providers::{Email, Provides, Sent, Within};
use veksel_core::enquiry::{Failed, Failure};
use veksel_simulator::sandbox::ca::{Authority, Clients};
use veksel_simulator::sandbox::mail::{MailConfig, Mailbox};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};

struct Post {
    mailbox: Mailbox,
    running: RunningSandboxes,
    folder: tempfile::TempDir,
}

fn post(login: Option<(&str, &str)>) -> Post {
    let folder = tempfile::tempdir().unwrap();
    let (authority, _) = Authority::in_folder(folder.path()).unwrap();
    let tls = || authority.server(&["localhost", "127.0.0.1"], Clients::Optional).unwrap();
    let clock = Clock::default();
    let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
    let mailbox = Mailbox::new(MailConfig { login }, clock.clone());
    let mount = |name: &str, sandbox: Arc<dyn veksel_simulator::sandbox::Sandbox>, tls| Mount {
        name: name.to_owned(),
        listen: LOOPBACK,
        tls,
        sandbox,
    };
    let mounts = vec![
        mount("smtp", Arc::new(mailbox.server(Some(tls()))), None),
        mount("smtps", Arc::new(mailbox.server(None)), Some(tls())),
        mount("clear", Arc::new(mailbox.server(None)), None),
    ];
    Post { running: start(mounts, clock).unwrap(), mailbox, folder }
}

impl Post {
    fn section(&self, port: &str, security: &str, more: &str) -> String {
        let port = self.running.address(port).unwrap().port();
        let ca: &Path = &self.folder.path().join("ca.pem");
        format!(
            "[email]\nhost = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\n\
             from = \"bank@veksel.example\"\nallow_private = true\n\
             trust = \"{}\"\n{more}",
            ca.display()
        )
    }
}

fn letter(to: &str) -> Email {
    Email {
        to: to.into(),
        subject: "Kontoutskrift for æ, ø og å".into(),
        text: "Hei!\n.\nEn linje med et punktum alene.\n".into(),
        key: "k-1".into(),
    }
}

async fn sent(section: &str, to: &str) -> Result<Sent, Failure> {
    let (all, _events) = providers(section);
    all.email(within(), letter(to)).await
}

#[tokio::test]
async fn a_letter_arrives_by_starttls_and_by_tls_from_the_first_byte() {
    let _watch = super::watching();
    let post = post(None);
    for (port, security) in [("smtp", "starttls"), ("smtps", "implicit")] {
        let section = post.section(port, security, "");
        let sent = sent(&section, "kari@example.org").await.unwrap();
        assert_eq!(sent.id, "<k-1@veksel.example>");
    }
    let letters = post.mailbox.letters();
    assert_eq!(letters.len(), 2);
    for letter in letters {
        assert_eq!((letter.from.as_str(), letter.to.len()), ("bank@veksel.example", 1));
        assert_eq!(letter.to[0], "kari@example.org");
        assert_eq!(letter.header("message-id"), "<k-1@veksel.example>");
        // Written so that old servers pass it on.
        assert!(letter.header("subject").contains("=?utf-8?"), "{}", letter.header("subject"));
        let lines: Vec<&str> = letter.body().lines().collect();
        assert_eq!(lines[..3], ["Hei!", ".", "En linje med et punktum alene."]);
    }
}

#[tokio::test]
async fn nothing_is_sent_in_clear_or_to_a_stranger() {
    let _watch = super::watching();
    let post = post(None);
    // A server that does not offer TLS is not told anything.
    let refused = sent(&post.section("clear", "starttls", ""), "kari@example.org").await;
    assert_eq!(refused.unwrap_err().why, Failed::Unavailable);
    let stranger = post.section("smtp", "starttls", "");
    let mine = stranger.lines().filter(|line| !line.starts_with("trust")).collect::<Vec<_>>();
    let refused = sent(&mine.join("\n"), "kari@example.org").await.unwrap_err();
    assert_eq!(refused.why, Failed::Unavailable);
    // Whoever is told not to look does not see it.
    let blind = format!("{}\ntls = \"relaxed\"\n", mine.join("\n"));
    assert!(sent(&blind, "kari@example.org").await.is_ok());
    let far = stranger.replace("allow_private = true", "allow_private = false");
    assert_eq!(sent(&far, "kari@example.org").await.unwrap_err().code, "address");
    assert_eq!(post.mailbox.letters().len(), 1);
}

#[tokio::test]
async fn every_refusal_of_the_server_has_its_meaning() {
    let _watch = super::watching();
    let post = post(Some(("bank", "password_of_mail")));
    let login = |password: &str| {
        post.section(
            "smtp",
            "starttls",
            &format!("user = \"bank\"\npassword_env = \"{password}\"\n"),
        )
    };
    assert!(sent(&login("password_of_mail"), "kari@example.org").await.is_ok());
    for (section, to, why, code) in [
        (login("other"), "kari@example.org", Failed::Credentials, "smtp_535"),
        (post.section("smtp", "starttls", ""), "kari@example.org", Failed::Credentials, "smtp_530"),
        (login("password_of_mail"), "nobody@example.org", Failed::NotFound, "smtp_550"),
        (login("password_of_mail"), "full@example.org", Failed::Limited, "smtp_452"),
        (login("password_of_mail"), "later@example.org", Failed::Unavailable, "smtp_451"),
        (login("password_of_mail"), "no address", Failed::Format, "to"),
    ] {
        let failure = sent(&section, to).await.unwrap_err();
        assert_eq!((failure.why, failure.code.as_str()), (why, code), "{to}");
    }
    let (all, mut events) = providers(&login("password_of_mail"));
    let mut wrong = letter("kari@example.org");
    wrong.subject = "a\nBcc: everybody@example.org".into();
    assert_eq!(all.email(within(), wrong).await.unwrap_err().code, "subject");
    let no_time = Within { ms: 0, ..within() };
    let late = all.email(no_time, letter("kari@example.org")).await.unwrap_err();
    assert_eq!(late.why, Failed::Late);
    let event = events.recv().await.unwrap();
    assert_eq!((event.provider.as_str(), event.outcome), ("email", "timeout"));
    assert_eq!(post.mailbox.letters().len(), 1);
}
