//! Chance, from a seed: the only source of anything random in a history.

/// The generator known as `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True so many times in a million.
    pub fn often(&mut self, in_a_million: u64) -> bool {
        self.below(1_000_000) < in_a_million
    }

    pub fn pick<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[usize::try_from(self.below(things.len() as u64)).unwrap()]
    }
}

/// What may go wrong in a history, and how often: in a million, per opportunity. Each history
/// draws its own, and each kind is often absent, so that the others show what they do alone.
#[derive(Clone, Debug)]
pub struct Faults {
    /// A host connection breaks when a message is written to it.
    pub cut_host: u64,
    /// A message to or from a host is lost although its connection lives.
    pub drop: u64,
    /// A message is late by up to 40 s.
    pub delay: u64,
    /// The bank sends an answer twice.
    pub answer_twice: u64,
    /// The bank answers with another amount, another terminal or another trace number.
    pub answer_wrong: u64,
    /// The bank executes and does not answer.
    pub answer_never: u64,
    /// The bank executes and answers after the deadline.
    pub answer_late: u64,
    /// The bank says 91 or 96, having done nothing.
    pub host_fault: u64,
    /// The bank crashes when it has executed, and comes back.
    pub bank_crash: u64,
    /// The bank is down for long from a random moment on.
    pub bank_down: u64,
    /// The switch crashes, at each of the instants around an append and a send.
    pub switch_crash: u64,
    /// A commit takes up to 3 s.
    pub slow_disk: u64,
    /// Records survive a crash though their commit was never reported.
    pub lucky_disk: u64,
    /// The clock on the wall jumps by up to an hour.
    pub clock_jump: u64,
    /// A connection refuses a message before its first byte.
    pub refuse: u64,
    /// A channel's connection breaks.
    pub cut_channel: u64,
    /// A channel sends its request twice, on two connections.
    pub send_twice: u64,
    /// A channel that hears nothing repeats, and one that still hears nothing takes it back.
    pub repeat: u64,
    /// A channel that hears nothing leaves it at that.
    pub give_up: u64,
    /// A channel takes back what was approved.
    pub take_back: u64,
    /// A channel's reversal overtakes its request.
    pub overtake: u64,
    /// A channel numbers two different payments alike.
    pub clash: u64,
    /// Whether the bank forgets nothing and takes reversals in any order, or neither.
    pub legacy: bool,
}

impl Faults {
    pub fn draw(chance: &mut Chance) -> Self {
        let mut fault = |most: u64| if chance.often(450_000) { chance.below(most) } else { 0 };
        Self {
            cut_host: fault(60_000),
            drop: fault(100_000),
            delay: fault(150_000),
            answer_twice: fault(150_000),
            answer_wrong: fault(120_000),
            answer_never: fault(150_000),
            answer_late: fault(150_000),
            host_fault: fault(150_000),
            bank_crash: fault(30_000),
            bank_down: fault(1_000_000),
            switch_crash: fault(12_000),
            slow_disk: fault(80_000),
            lucky_disk: fault(1_000_000),
            clock_jump: fault(50_000),
            refuse: fault(80_000),
            cut_channel: fault(60_000),
            send_twice: fault(200_000),
            repeat: fault(1_000_000),
            give_up: fault(600_000),
            take_back: fault(150_000),
            overtake: fault(80_000),
            clash: fault(60_000),
            legacy: chance.often(400_000),
        }
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        let legacy = self.legacy;
        *self = Self { legacy, ..NONE };
    }
}

const NONE: Faults = Faults {
    cut_host: 0,
    drop: 0,
    delay: 0,
    answer_twice: 0,
    answer_wrong: 0,
    answer_never: 0,
    answer_late: 0,
    host_fault: 0,
    bank_crash: 0,
    bank_down: 0,
    switch_crash: 0,
    slow_disk: 0,
    lucky_disk: 0,
    clock_jump: 0,
    refuse: 0,
    cut_channel: 0,
    send_twice: 0,
    repeat: 0,
    give_up: 0,
    take_back: 0,
    overtake: 0,
    clash: 0,
    legacy: false,
};
