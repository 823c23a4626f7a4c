//! The codec beside the lower bound: four messages and a mixed stream in three wire forms.
//!
//! First the ratios, measured in turns; then criterion, whose figures compare one state of the
//! tree with another. `cargo bench -p benches --bench codec -- ratios` stops after the first.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use benches::lower_bound::{Places, Scan};
use benches::messages::{Form, Sample, four, mixed};
use benches::rounds::{Compared, compare};
use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;
use veksel_codecs::{Codec, Message};

/// Shapes in the mixed stream.
const SHAPES: usize = 1_024;

/// Bytes that every message of the stream fits in.
const ROOM: usize = 4_096;

/// A stream of messages in one wire form, and what is needed to read and write it.
struct Case<const HEX: bool, const PACKED: bool> {
    codec: Codec,
    scan: Scan<HEX, PACKED>,
    samples: Vec<Sample>,
    messages: Vec<Message>,
    frames: Vec<Vec<u8>>,
}

impl<const HEX: bool, const PACKED: bool> Case<HEX, PACKED> {
    fn new(form: Form, samples: Vec<Sample>) -> Self {
        let codec = form.codec();
        let frames = samples.iter().map(|sample| sample.encode(&codec)).collect();
        let messages = samples.iter().map(Sample::message).collect();
        Self { codec, scan: Scan::default(), samples, messages, frames }
    }

    fn decode_bound(&self) -> impl FnMut() {
        let mut places = Places::default();
        let mut turn = (0..self.frames.len()).cycle();
        move || {
            let frame = self.frames.get(turn.next().unwrap_or(0)).map(Vec::as_slice);
            let _ = black_box(self.scan.decode(black_box(frame.unwrap_or_default()), &mut places));
            black_box(&places);
        }
    }

    fn decode(&self) -> impl FnMut() {
        let mut message = Message::new();
        let mut turn = (0..self.frames.len()).cycle();
        move || {
            let frame = self.frames.get(turn.next().unwrap_or(0)).map(Vec::as_slice);
            let frame = black_box(frame.unwrap_or_default());
            let _ = black_box(self.codec.decode_into(frame, &mut message));
            black_box(&message);
        }
    }

    fn encode_bound(&self) -> impl FnMut() {
        let mut out = vec![0; ROOM];
        let mut turn = (0..self.samples.len()).cycle();
        move || {
            if let Some(sample) = black_box(self.samples.get(turn.next().unwrap_or(0))) {
                let _ = black_box(self.scan.encode(sample.mti, &sample.fields, &mut out));
            }
            black_box(&out);
        }
    }

    fn encode(&self) -> impl FnMut() {
        let mut out = BytesMut::new();
        let mut turn = (0..self.messages.len()).cycle();
        move || {
            out.clear();
            if let Some(message) = black_box(self.messages.get(turn.next().unwrap_or(0))) {
                let _ = black_box(self.codec.encode(message, &mut out));
            }
            black_box(&out);
        }
    }

    /// Both directions work on every message, so that no error path is measured.
    fn check(&self) {
        let (mut places, mut read, mut bound, mut ours) =
            (Places::default(), Message::new(), vec![0; ROOM], BytesMut::new());
        for ((sample, message), frame) in self.samples.iter().zip(&self.messages).zip(&self.frames)
        {
            ours.clear();
            assert_eq!(self.scan.decode(frame, &mut places), Some(()));
            assert_eq!(self.codec.decode_into(frame, &mut read), Ok(()));
            let written = self.scan.encode(sample.mti, &sample.fields, &mut bound);
            assert_eq!(written, Some(frame.len()));
            assert_eq!(self.codec.encode(message, &mut ours), Ok(()));
            assert!(bound.starts_with(frame) && ours == *frame, "the two write different bytes");
        }
    }

    fn ratios(&self, name: &str, form: Form) {
        self.check();
        for (direction, compared) in [
            ("decode", compare(self.decode_bound(), self.decode())),
            ("encode", compare(self.encode_bound(), self.encode())),
        ] {
            let Compared { first, second, ratio, quiet } = compared;
            let form = form.word();
            println!(
                "{direction:9}  {name:7}  {form:4}  {first:7.1}  {second:7.1}  {ratio:5.2}  {quiet:5.2}"
            );
        }
    }

    fn bench(&self, criterion: &mut Criterion, name: &str, form: Form) {
        let mut group = criterion.benchmark_group(format!("{name}/{}", form.word()));
        group.throughput(Throughput::Elements(1));
        let (mut decode, mut encode) = (self.decode(), self.encode());
        group.bench_function("decode", |bencher| bencher.iter(&mut decode));
        group.bench_function("encode", |bencher| bencher.iter(&mut encode));
        group.finish();
    }

    fn run(form: Form, criterion: Option<&mut Criterion>) {
        let mixed = ("mixed", mixed(SHAPES));
        let streams = four().map(|(name, sample)| (name, vec![sample]));
        let cases: Vec<_> = streams
            .into_iter()
            .chain([mixed])
            .map(|(name, samples)| (name, Self::new(form, samples)))
            .collect();
        match criterion {
            None => cases.iter().for_each(|(name, case)| case.ratios(name, form)),
            Some(criterion) => {
                cases.iter().for_each(|(name, case)| case.bench(criterion, name, form));
            }
        }
    }
}

fn every_form(mut criterion: Option<&mut Criterion>) {
    Case::<true, false>::run(Form::AsciiHex, criterion.as_deref_mut());
    Case::<false, false>::run(Form::AsciiBinary, criterion.as_deref_mut());
    Case::<false, true>::run(Form::Packed, criterion);
}

fn main() {
    println!(
        "ns per message, medians; ratio = codec / lower bound: median, and fastest by fastest"
    );
    println!("direction  message  form    bound    codec  ratio  quiet");
    every_form(None);
    if std::env::args().any(|argument| argument == "ratios") {
        return;
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20)
        .configure_from_args();
    every_form(Some(&mut criterion));
    criterion.final_summary();
}
