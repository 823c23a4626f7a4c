//! One connection to the mail server: commands in their order, TLS, log-in, letters.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;
use tracing::debug;

use super::MailServer;
use crate::sandbox::Stream;

type Connection = BufReader<Box<dyn Stream>>;

/// What came of a command.
enum Next {
    Answer(&'static str),
    StartTls,
    Data,
    Quit,
}

/// What is known of a caller.
#[derive(Default)]
struct Caller {
    is_tls: bool,
    has_greeted: bool,
    is_known: bool,
    from: Option<String>,
    to: Vec<String>,
}

/// Speaks with a caller until one of both has enough.
pub(super) async fn serve(server: &MailServer, stream: Box<dyn Stream>, is_tls: bool) {
    let talk = converse(server, stream, is_tls);
    match timeout(SESSION_MAX, talk).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a connection to the mail server ended"),
        Err(_) => debug!("a caller of the mail server took too long"),
    }
}

async fn converse(
    server: &MailServer,
    stream: Box<dyn Stream>,
    is_tls: bool,
) -> std::io::Result<()> {
    let mut caller = Caller { is_tls, ..Caller::default() };
    let mut connection = BufReader::new(stream);
    say(&mut connection, "220 mail.veksel.example ESMTP a sandbox").await?;
    loop {
        let Some(line) = read_line(&mut connection).await? else { return Ok(()) };
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let verb = verb.to_ascii_uppercase();
        if verb == "EHLO" {
            caller =
                Caller { is_tls: caller.is_tls, is_known: caller.is_known, ..Caller::default() };
            caller.has_greeted = true;
            let mut text = "250-mail.veksel.example\r\n250-SIZE 1048576\r\n250-8BITMIME".to_owned();
            if server.starttls.is_some() && !caller.is_tls {
                text.push_str("\r\n250-STARTTLS");
            } else if server.mailbox.0.config.login.is_some() {
                text.push_str("\r\n250-AUTH PLAIN");
            }
            text.push_str("\r\n250 PIPELINING");
            say(&mut connection, &text).await?;
            continue;
        }
        match caller.command(server, &verb, rest) {
            Next::Answer(text) => say(&mut connection, text).await?,
            Next::Quit => return say(&mut connection, "221 2.0.0 bye").await,
            Next::StartTls => {
                let Some(acceptor) = &server.starttls else { continue };
                say(&mut connection, "220 2.0.0 go ahead").await?;
                // What was sent in clear behind the command is not taken for what comes after it.
                if !connection.buffer().is_empty() {
                    return Ok(());
                }
                let stream = acceptor.accept(connection.into_inner()).await?;
                let stream: Box<dyn Stream> = Box::new(stream);
                connection = BufReader::new(stream);
                caller = Caller { is_tls: true, ..Caller::default() };
            }
            Next::Data => {
                say(&mut connection, "354 end with a dot").await?;
                let answer = match read_letter(&mut connection).await? {
                    None => "552 5.3.4 too large",
                    Some(text) if !is_letter(&text) => {
                        "554 5.6.0 From, To, Date, Subject or Message-ID is missing"
                    }
                    Some(text) => {
                        let from = caller.from.take().unwrap_or_default();
                        server.mailbox.keep(from, std::mem::take(&mut caller.to), text);
                        "250 2.0.0 taken"
                    }
                };
                (caller.from, caller.to) = (None, Vec::new());
                say(&mut connection, answer).await?;
            }
        }
    }
}

impl Caller {
    fn command(&mut self, server: &MailServer, verb: &str, rest: &str) -> Next {
        let login = server.mailbox.0.config.login.as_ref();
        let is_ready = self.has_greeted;
        Next::Answer(match verb {
            "HELO" => {
                self.has_greeted = true;
                "250 mail.veksel.example"
            }
            "NOOP" => "250 2.0.0 ok",
            "QUIT" => return Next::Quit,
            "RSET" => {
                (self.from, self.to) = (None, Vec::new());
                "250 2.0.0 ok"
            }
            "STARTTLS" if server.starttls.is_none() || self.is_tls => "503 5.5.1 not now",
            "STARTTLS" => return Next::StartTls,
            "AUTH" | "MAIL" | "RCPT" | "DATA" if !is_ready => "503 5.5.1 say EHLO first",
            "AUTH" | "MAIL" | "RCPT" | "DATA" if !self.is_tls => "530 5.7.0 say STARTTLS first",
            "AUTH" => match (login, rest.split_once(' ')) {
                (Some(login), Some((kind, proof))) if kind.eq_ignore_ascii_case("PLAIN") => {
                    self.is_known = is_login(login, proof);
                    match self.is_known {
                        true => "235 2.7.0 welcome",
                        false => "535 5.7.8 name or password is wrong",
                    }
                }
                _ => "504 5.5.4 only AUTH PLAIN with what proves it",
            },
            "MAIL" | "RCPT" | "DATA" if login.is_some() && !self.is_known => {
                "530 5.7.0 log in first"
            }
            "MAIL" => match address(rest, "FROM:") {
                Some(from) => {
                    (self.from, self.to) = (Some(from), Vec::new());
                    "250 2.1.0 ok"
                }
                None => "501 5.1.7 no such address",
            },
            "RCPT" if self.from.is_none() => "503 5.5.1 MAIL first",
            "RCPT" if self.to.len() >= RECIPIENTS_MAX => "452 4.5.3 too many",
            "RCPT" => match address(rest, "TO:") {
                None => "501 5.1.3 no such address",
                Some(to) if to.starts_with("nobody") => "550 5.1.1 nobody of that name",
                Some(to) if to.starts_with("full") => "452 4.2.2 the box is full",
                Some(to) if to.starts_with("later") => "451 4.7.1 come again later",
                Some(to) => {
                    self.to.push(to);
                    "250 2.1.5 ok"
                }
            },
            "DATA" if self.to.is_empty() => "503 5.5.1 RCPT first",
            "DATA" => return Next::Data,
            _ => "500 5.5.2 no such command",
        })
    }
}

/// `FROM:<a@b> SIZE=…`.
fn address(rest: &str, before: &str) -> Option<String> {
    let (word, rest) = rest.split_at_checked(before.len())?;
    let (address, _) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    let (name, domain) = address.rsplit_once('@')?;
    let fits = word.eq_ignore_ascii_case(before) && !name.is_empty() && !domain.is_empty();
    fits.then(|| address.to_owned())
}

fn is_login((name, password): &(String, String), proof: &str) -> bool {
    let wanted = format!("\0{name}\0{password}");
    STANDARD.decode(proof).is_ok_and(|said| said == wanted.as_bytes())
}

/// Whether a letter has what every letter has.
fn is_letter(text: &str) -> bool {
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    ["from:", "to:", "date:", "subject:", "message-id:"]
        .iter()
        .all(|name| head.split("\r\n").any(|line| line.to_ascii_lowercase().starts_with(name)))
}

async fn say(connection: &mut Connection, text: &str) -> std::io::Result<()> {
    connection.write_all(format!("{text}\r\n").as_bytes()).await?;
    connection.flush().await
}

/// A line without its end; `None` at the end of the connection, or for one that is far too long.
async fn read_line(connection: &mut Connection) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    connection.take(LINE_MAX).read_until(b'\n', &mut line).await?;
    let text = line.strip_suffix(b"\r\n");
    Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
}

/// A letter up to its dot; `None` for one that is too large.
async fn read_letter(connection: &mut Connection) -> std::io::Result<Option<String>> {
    let mut letter = String::new();
    let mut is_too_large = false;
    loop {
        let Some(line) = read_line(connection).await? else {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        if line == "." {
            return Ok((!is_too_large).then_some(letter));
        }
        if letter.len() > LETTER_MAX {
            is_too_large = true;
            continue;
        }
        letter.push_str(line.strip_prefix('.').unwrap_or(&line));
        letter.push_str("\r\n");
    }
}

/// Of a line with its end (RFC 5321 has 1000, and some senders more).
const LINE_MAX: u64 = 4_096;
const LETTER_MAX: usize = 1 << 20;
const RECIPIENTS_MAX: usize = 100;
const SESSION_MAX: Duration = Duration::from_secs(120);
