//! What a demo says: the banner, the line that is renewed every second, and the end.

use super::agreement::Agreement;
use super::outside::{ACCOUNT, API_KEY, BANK};
use crate::output::{Output, Tone, show_micros};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;
use veksel_codecs::ResponseCode;
use veksel_simulator::bank::Summary;
use veksel_simulator::sandbox::Place;
use veksel_simulator::terminals::{Kind, KindStats, Traffic};

/// Where everything is.
pub(crate) struct Banner<'b> {
    pub(crate) channels: &'b str,
    pub(crate) bank: &'b str,
    pub(crate) admin: &'b str,
    pub(crate) http: &'b str,
    pub(crate) folder: &'b str,
    /// Third parties that are played.
    pub(crate) sandboxes: &'b [Place],
    /// Whether the folder outlives the demo.
    pub(crate) is_kept: bool,
    /// Whether a person sees the banner.
    pub(crate) is_seen: bool,
}

/// Where `veksel send` sends if nobody says otherwise.
const USUAL: &str = "127.0.0.1:8583";

/// The text a demo begins with.
pub(crate) fn banner(banner: &Banner<'_>) -> String {
    let Banner { channels, bank, admin, http, folder, sandboxes, is_kept, is_seen } = banner;
    let sandboxes = self::sandboxes(sandboxes);
    let version = env!("CARGO_PKG_VERSION");
    let data = if *is_kept { "data stays" } else { "data is removed" };
    let stop = if *is_seen { format!("(Ctrl+C stops; {data})") } else { format!("({data})") };
    let persistence = match is_kept {
        true => format!("SQLite in {folder}"),
        false => format!("temporary SQLite in {folder} (use --retain DIR to keep it)"),
    };
    let to = if *channels == USUAL { String::new() } else { format!(" --to {channels}") };
    format!(
        "veksel {version}  demo bank \"Demo Bank plc\"              {stop}\n  \
         ISO 8583 (1987 ASCII, 2-byte length)   {channels}\n  \
         Bank behind the switch (CBS-ISO/1)     {bank}\n  \
         Metrics, /live and /ready              http://{admin}/metrics\n  \
         Accounts, redirects, webhooks          http://{http}/api\n  \
         HTTP API and its description           http://{http}/api/docs (X-API-Key: {API_KEY})\n  \
         Console for people                     http://{http}/console\n  \
         Persistence: {persistence}\n{sandboxes}  \
         Linked: {ACCOUNT} at the sandbox bank {BANK}; its customer may pay\n  \
         Accounts: 10000000001 current 45230.00 NOK; 10000000002 savings 1250.00 NOK, 150 held;\n\
         \u{20}           10000000003 blocked (62); 10000000004 closed (45); 10000000005 empty\n  \
         Cards: 4111 1111 1111 1111 approves; amount ...51 declines (51), ...91 host down (91), \
         ...68 late\n\
         Try:  veksel send balance --account 10000000002{to}\n      \
         veksel send transfer --from 10000000001 --into 10000000002 --amount 12.50{to}\n      \
         veksel send balance --account {ACCOUNT}{to}\n      \
         veksel send transfer --from {ACCOUNT} --into NO9110000000002 --amount 150{to}\n      \
         then open http://{http}/approve/LINK, where LINK is what it answered\n      \
         sqlite3 {folder}/bank.db 'select * from v_account limit 5'\n"
    )
}

/// Where the third parties are that are played, a line for each.
pub(crate) fn sandboxes(places: &[Place]) -> String {
    let mut text = String::new();
    for Place { name, address, is_tls, .. } in places {
        let scheme = if *is_tls { "https" } else { "http" };
        let _ = writeln!(text, "  Sandbox {name:<12} {scheme}://{address}");
    }
    text
}

/// The traffic of the last second and the codes of all.
pub(crate) fn status_line(elapsed: Duration, traffic: &Traffic) -> String {
    let last = &traffic.last_second;
    let (p50, p99) = (show_micros(last.p50_us), show_micros(last.p99_us));
    let mut line =
        format!("{:>4} s {:>6} tps  p50 {p50:>8}  p99 {p99:>8} ", elapsed.as_secs(), last.tps);
    for (code, count) in &traffic.by_code {
        let _ = write!(line, "  {code}: {count}");
    }
    let missing = traffic.unanswered.saturating_add(traffic.wrong);
    if missing > 0 {
        let _ = write!(line, "  unanswered: {missing}");
    }
    line
}

/// What a demo came to.
pub(crate) struct Report {
    pub(crate) traffic: Traffic,
    pub(crate) summary: Summary,
    pub(crate) agreement: Agreement,
}

impl Report {
    /// Whether everything that must hold does.
    pub(crate) fn is_well(&self) -> bool {
        self.traffic.is_answered_once() && self.agreement.holds() && self.summary.conserved
    }

    /// The figures, the checks, and as the last line the ledger.
    pub(crate) fn text(&self, output: Output) -> String {
        let mut text = traffic_text(&self.traffic, output);
        let Agreement { approved, open, only_in_journal, only_in_ledger } = self.agreement;
        let mut check = |what: &str, holds: bool, detail: &str| {
            let word =
                if holds { output.paint(Tone::Good, "yes") } else { output.paint(Tone::Bad, "no") };
            let _ = writeln!(text, "{what}: {word}, {detail}");
        };
        let answers = answers(&self.traffic);
        check("every request answered once", self.traffic.is_answered_once(), &answers);
        let mut books = format!("{approved} approved payments");
        for (count, what) in [
            (open, "with an unknown outcome"),
            (only_in_journal, "approved that the ledger lacks"),
            (only_in_ledger, "in the ledger that the journal lacks"),
        ] {
            if count > 0 {
                let _ = write!(books, ", {count} {what}");
            }
        }
        check("journal agrees with ledger", self.agreement.holds(), &books);
        let _ = writeln!(text, "{}", self.summary);
        text
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let Agreement { approved, open, only_in_journal, only_in_ledger } = self.agreement;
        json!({
            "ok": self.is_well(),
            "answered_once": self.traffic.is_answered_once(),
            "traffic": traffic_json(&self.traffic),
            "agreement": {
                "holds": self.agreement.holds(),
                "approved": approved,
                "open": open,
                "only_in_journal": only_in_journal,
                "only_in_ledger": only_in_ledger,
            },
            "ledger": ledger_json(&self.summary),
        })
    }
}

/// How many were answered, and how the others ended.
fn answers(traffic: &Traffic) -> String {
    let mut text = format!("{} of {}", traffic.answered, traffic.sent);
    for (count, what) in [
        (traffic.unanswered, "unanswered"),
        (traffic.duplicated, "answered twice"),
        (traffic.late, "answered late"),
        (traffic.wrong, "answered wrongly"),
        (traffic.unknown, "answers to nothing"),
        (traffic.skipped, "not sent in time"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// The figures of terminals.
pub(crate) fn traffic_text(traffic: &Traffic, output: Output) -> String {
    let row = |(kind, stats): (&Kind, &KindStats)| {
        vec![
            kind.name().to_owned(),
            stats.sent.to_string(),
            stats.answered.to_string(),
            stats.approved.to_string(),
            show_micros(stats.p50_us),
            show_micros(stats.p99_us),
            show_micros(stats.max_us),
        ]
    };
    let rows = traffic.by_kind.iter().map(row).collect();
    let header = ["kind", "sent", "answered", "approved", "p50", "p99", "max"];
    let mut text = output.table(&header, rows);
    let meaning = |code: &str| ResponseCode::parse(code).and_then(ResponseCode::meaning);
    let row = |(code, count): (&String, &u64)| {
        vec![code.clone(), meaning(code).unwrap_or_default().to_owned(), count.to_string()]
    };
    let rows = traffic.by_code.iter().map(row).collect();
    text.push_str(&output.table(&["code", "meaning", "answers"], rows));
    text
}

pub(crate) fn traffic_json(traffic: &Traffic) -> Value {
    let kinds = traffic.by_kind.iter().map(|(kind, stats)| {
        let stats = json!({
            "sent": stats.sent,
            "answered": stats.answered,
            "approved": stats.approved,
            "p50_us": stats.p50_us,
            "p99_us": stats.p99_us,
            "max_us": stats.max_us,
        });
        (kind.name().to_owned(), stats)
    });
    let kinds: Map<String, Value> = kinds.collect();
    json!({
        "sent": traffic.sent,
        "answered": traffic.answered,
        "unanswered": traffic.unanswered,
        "duplicated": traffic.duplicated,
        "late": traffic.late,
        "wrong": traffic.wrong,
        "unknown": traffic.unknown,
        "skipped": traffic.skipped,
        "by_code": traffic.by_code,
        "by_kind": kinds,
    })
}

pub(crate) fn ledger_json(summary: &Summary) -> Value {
    json!({
        "conserved": summary.conserved,
        "problems": summary.problems,
        "transfers": summary.transfers,
        "sum_minor": summary.sum_minor.to_string(),
        "requests": summary.requests,
        "answers": summary.answers,
    })
}
