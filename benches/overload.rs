//! Overload: what the switch is like for those who behave while others do not. Three tables, each
//! with both figures from one run:
//!
//! 1. a crowd of idle, dripping and never reading connections: memory, and the p99 of a
//!    well-behaved channel alone and with the crowd (guarantees G9, G11);
//! 2. a participant at ten times its rate: its neighbour's p99 alone and with it (G11);
//! 3. three times what the bank can carry: goodput before, during and after (G12).
//!
//! Load, switch and bank are processes of their own on one machine. Times are compressed: what
//! the guarantees say of ten or five minutes lasts `VEKSEL_BENCH_MS` (20 s by default) here.
//! About 150 s; ends by itself.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use benches::Failure;
use benches::part::{self, Part};
use benches::stage::{Program, verdict};
use benches::stream::Phase;
use std::time::{Duration, Instant};

/// Idle, dripping and never reading connections: 10,200 of the 20,000 descriptors there are.
const CROWD: [usize; 3] = [8_000, 2_000, 200];
/// Connections and requests a second of the channel that behaves.
const MODEST: (usize, u64) = (16, 500);
/// What the greedy participant may send, and how many times that it does.
const GREEDY: (u64, u64) = (500, 10);
/// What the bank takes for a request, and how many it has at a time.
const BANK: (u64, u64) = (20, 64);

fn main() -> Result<(), Failure> {
    if part::play()? {
        return Ok(());
    }
    let ms: u64 = match std::env::var("VEKSEL_BENCH_MS") {
        Ok(text) => text.parse().map_err(|_| format!("VEKSEL_BENCH_MS={text}"))?,
        Err(_) => 20_000,
    };
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    println!("phases of {ms} ms; open loop, latency from the time a request was due\n");
    crowd(ms, &folder.join("crowd"))?;
    greedy("balance", ms, &folder.join("greedy-inquiries"))?;
    greedy("transfer", ms, &folder.join("greedy-transfers"))?;
    beyond("balance", ms, &folder.join("beyond-inquiries"))?;
    beyond("transfer", ms, &folder.join("beyond-transfers"))
}

/// A switch with a second participant and these settings.
fn switch(bank: &Program, folder: &std::path::Path, more: &[&str]) -> Result<Program, Failure> {
    std::fs::create_dir(folder)?;
    let folder = folder.to_str().ok_or("a folder with an odd name")?;
    let mut arguments = vec![bank.address.as_str(), folder, "sqlite", "false"];
    arguments.extend(more);
    Program::start("switch", "switch", &arguments)
}

fn stream(
    address: &str,
    connections: usize,
    kind: &str,
    run: u64,
    schedule: &str,
) -> Result<Part, Failure> {
    let arguments = [
        address.to_owned(),
        connections.to_string(),
        kind.to_owned(),
        run.to_string(),
        schedule.to_owned(),
    ];
    Part::start("stream", &arguments)
}

fn phase(stream: &Part, ms: u64) -> Result<Phase, Failure> {
    let wait = Duration::from_millis(ms) + Duration::from_secs(60);
    Phase::parse(&stream.line_within("phase", wait)?)
}

fn as_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// How much more the second is than the first, in percent.
fn more(alone: Duration, with: Duration) -> f64 {
    (with.as_secs_f64() / alone.as_secs_f64() - 1.0) * 100.0
}

fn crowd(ms: u64, folder: &std::path::Path) -> Result<(), Failure> {
    let bank = Program::start("bank", "host", &[])?;
    let switch = switch(&bank, folder, &["listener.channels.connections_max=12000"])?;
    let run = |run| -> Result<Phase, Failure> {
        let schedule = format!("{}x{ms}", MODEST.1);
        phase(&stream(&switch.address, MODEST.0, "balance", run, &schedule)?, ms)
    };
    run(1)?;
    let before = switch.memory()?;
    let alone = run(2)?;
    let [idle, dripping, unread] = CROWD;
    let arguments: Vec<String> =
        [switch.address.clone()].into_iter().chain(CROWD.iter().map(usize::to_string)).collect();
    let crowd = Part::start("crowd", &arguments)?;
    crowd.line("ready")?;
    let begun = Instant::now();
    let schedule = format!("{}x{ms}", MODEST.1);
    let modest = stream(&switch.address, MODEST.0, "balance", 3, &schedule)?;
    let mut most = 0;
    while begun.elapsed() < Duration::from_millis(ms) {
        most = most.max(switch.memory()?);
        std::thread::sleep(Duration::from_millis(100));
    }
    let with = phase(&modest, ms)?;
    let connections = (idle + dripping + unread + MODEST.0) as u64;
    // 16 KiB a plain connection, and the outbound bytes that a peer that does not read may hold.
    let allowed = before + connections * 16 * 1_024 + unread as u64 * 256 * 1_024;
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    println!("{idle} idle, {dripping} dripping, {unread} never reading; {} a second", MODEST.1);
    println!(
        "  memory      before {:>8.1} MiB   most {:>8.1} MiB   formula {:>8.1} MiB   {}",
        mib(before),
        mib(most),
        mib(allowed),
        verdict(most <= allowed)
    );
    told("channel", &alone, &with);
    Ok(())
}

fn told(who: &str, alone: &Phase, with: &Phase) {
    let change = more(alone.p99, with.p99);
    println!(
        "  {who:<11} p99 alone {:>7.2} ms   p99 with {:>7.2} ms   {change:>+6.0} %   {}",
        as_ms(alone.p99),
        as_ms(with.p99),
        verdict(change <= 20.0)
    );
    println!(
        "  {:<11} good {} of {} alone, {} of {} with\n",
        "", alone.good, alone.due, with.good, with.due
    );
}

fn greedy(kind: &str, ms: u64, folder: &std::path::Path) -> Result<(), Failure> {
    let bank = Program::start("bank", "host", &[])?;
    let switch = switch(&bank, folder, &[&format!("greedy={}", GREEDY.0)])?;
    let second = switch.admin.split(' ').nth(1).ok_or("no second listener")?;
    let schedule = format!("{}x{ms}", MODEST.1);
    let run = |run| phase(&stream(&switch.address, MODEST.0, kind, run, &schedule)?, ms);
    run(1)?;
    let alone = run(2)?;
    let rate = GREEDY.0 * GREEDY.1;
    let aggressor = stream(second, MODEST.0, kind, 4, &format!("{rate}x{}", ms + 1_000))?;
    std::thread::sleep(Duration::from_millis(500));
    let with = run(3)?;
    let aggressor = phase(&aggressor, ms)?;
    println!("a participant at {} times its {} {kind}s a second", GREEDY.1, GREEDY.0);
    println!(
        "  aggressor   {} due, {} good, {} answered 91, {} not answered",
        aggressor.due,
        aggressor.good,
        aggressor.shed,
        aggressor.due - aggressor.good - aggressor.shed
    );
    told("neighbour", &alone, &with);
    Ok(())
}

fn beyond(kind: &str, ms: u64, folder: &std::path::Path) -> Result<(), Failure> {
    let bank = Program::start("bank", "slow-host", &[&BANK.0.to_string()])?;
    let window = format!("group.cbs.window_max={}", BANK.1);
    let switch = switch(&bank, folder, &[&window])?;
    let capacity = BANK.1 * 1_000 / BANK.0;
    let (calm, wild) = (capacity * 8 / 10, capacity * 3);
    let half = ms / 2;
    let schedule = format!("{calm}x{half},{wild}x{ms},{calm}x{ms}");
    let stream = stream(&switch.address, 64, kind, 1, &schedule)?;
    let before = phase(&stream, 3 * ms)?;
    let [during, after] = [phase(&stream, ms)?, phase(&stream, ms)?];
    let base = before.goodput(Duration::from_millis(half));
    let carried = during.goodput(Duration::from_millis(ms));
    let back = after.seconds.iter().position(|good| *good as f64 >= 0.95 * base);
    println!("{kind}s at 80 %, 300 % and 80 % of the {capacity} a second that the bank carries");
    println!(
        "  goodput     before {base:>7.0} /s   during {carried:>7.0} /s = {:>3.0} % of that   {}",
        carried * 100.0 / capacity as f64,
        verdict(carried >= 0.8 * capacity as f64)
    );
    let later = after.seconds.iter().skip(1).take(usize::try_from(ms / 1_000)? - 1);
    let (count, sum) = later.fold((0u64, 0u64), |(count, sum), good| (count + 1, sum + good));
    println!(
        "  after       {:>7.0} /s from the second second on; back to 95 % in second {}   {}",
        sum as f64 / count.max(1) as f64,
        back.map_or("never".to_owned(), |second| (second + 1).to_string()),
        verdict(back.is_some_and(|second| second < 30))
    );
    println!(
        "  p99 of good {:>7.1} ms before, {:>7.1} ms during, {:>7.1} ms after; shed {} of {}\n",
        as_ms(before.p99),
        as_ms(during.p99),
        as_ms(after.p99),
        during.shed,
        during.due
    );
    Ok(())
}
