//! The golden vectors in `tests-rs/vectors`: what this format's bytes are, for every reader there will ever be.
//!
//! [`generate`] makes all the files anew. Salts, nonces and ids are random, so they were generated once and committed; a change of the format
//! makes new ones with `cargo run -p batpak-tests --example vectors`, and says so in the CHANGELOG. The files are plain: binary journals,
//! and JSON in which all byte strings are lower-case hex.
//!
//! - `journal-v1/unsigned/`, `journal-v1/signed/`: journals at rest, without `LOCK`; `journal-v1/expected.json` is what they hold;
//! - `values.json`: values in the tagged JSON of FORMAT.md section 14 with their bytes, and bytes that are refused;
//! - `receipts.json`: receipts with their bytes, the key to check them with, and the outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use batpak_core::catalog::Cache;
use batpak_core::frontier::Frontier;
use batpak_core::hash::hex;
use batpak_core::header::{Encoding, Promise};
use batpak_core::key::SigningKey;
use batpak_core::proposal::{Causation, Expect, NewEvent};
use batpak_core::read::Event;
use batpak_core::receipt::Receipt;
use batpak_core::signer::Signer;
use batpak_core::storage::{MemoryStorage, Mode, Storage};
use batpak_core::value::{Date, DateTime, Duration, Time, Value};
use batpak_core::verify::receipt::alone;
use batpak_core::{Config, Kind, Store, heads};
use serde_json::{Value as Json, json};

use crate::clock::TestClock;
use crate::journal::{at, config, content, events, files, is_log, verify_closed};
use crate::reframe::take_apart;

/// The seed of the key that signs the signed journal.
pub const SEED: [u8; 32] = [0x42; 32];

/// All files by name.
///
/// # Panics
///
/// If the core does not work.
#[must_use]
pub fn generate() -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let (mut journals, mut receipts) = (serde_json::Map::new(), Vec::new());
    for (name, signer) in [("unsigned", None), ("signed", Some(Signer::from(SigningKey::from_seed(&SEED))))] {
        let key = signer.as_ref().map(|key| key.public().clone());
        let (storage, given) = journal(&Config {
            signer,
            name: format!("golden.{name}"),
            index_metadata: Some(vec!["actor".to_owned()]),
            ..config()
        });
        let expected = describe(&storage);
        journals.insert(name.to_owned(), expected);
        for (file, bytes) in files(&storage) {
            all.insert(format!("journal-v1/{name}/{file}"), bytes);
        }
        for receipt in given {
            let outcome = alone(&receipt, key.as_ref(), None).expect("verify").outcome;
            receipts.push(json!({
                "bytes": hex(&receipt.encode()),
                "json": receipt_json(&receipt),
                "public_key": key.as_ref().map(|key| hex(&key.to_bytes())),
                "outcome": outcome,
            }));
        }
    }
    journals.insert("seed".to_owned(), json!(hex(&SEED)));
    let values: Vec<Json> =
        values().iter().map(|value| json!({"json": tagged(value), "bytes": hex(&encode(value))})).collect();
    let values = json!({"values": values, "refused": REFUSED});
    for (name, json) in [
        ("journal-v1/expected.json", Json::Object(journals)),
        ("values.json", values),
        ("receipts.json", json!(receipts)),
    ] {
        let text = serde_json::to_string_pretty(&json).expect("plain data");
        all.insert(name.to_owned(), format!("{text}\n").into_bytes());
    }
    all
}

/// A journal with a bit of everything: singles and a batch, causes, metadata, private metadata, a recovered tail, two segments.
fn journal(config: &Config) -> (MemoryStorage, Vec<Receipt>) {
    let storage = MemoryStorage::new();
    let clock = TestClock::new();
    let open = |storage: &MemoryStorage| {
        Store::open_with(Arc::new(storage.clone()), Arc::clone(&clock) as _, config.clone()).expect("open")
    };
    let store = open(&storage);
    let metadata = BTreeMap::from([("actor".to_owned(), "7".to_owned()), ("trace".to_owned(), "é".to_owned())]);
    let private = encode(&Value::map([("name", Value::Text("Alice".to_owned()))]));
    let payload = encode(&Value::map([("x", Value::Int(10)), ("y", Value::Float(-0.5))]));
    let (alice, bob) = (at("player:alice", "room:dungeon"), at("player:bob", "room:日本"));
    let plain = BTreeMap::new();
    let single = NewEvent {
        coordinate: &alice,
        kind: Kind::from_code(0xF001),
        payload_version: 1,
        encoding: Encoding::Value,
        payload: &payload,
        correlation_id: Some([0xC0; 16]),
        causation: Some(Causation::Id([0xCA; 16])),
        key: None,
        expect: Expect::Any,
        metadata: &metadata,
        private: &private,
    };
    let raw = NewEvent {
        coordinate: &bob,
        kind: Kind::from_code(0x1FFF),
        payload_version: 0,
        encoding: Encoding::Raw,
        payload: b"",
        correlation_id: None,
        causation: None,
        key: None,
        expect: Expect::Any,
        metadata: &plain,
        private: &[],
    };
    let long = NewEvent { payload: &[0xAB; 3000], ..raw };
    let mut receipts = Vec::new();
    let mut write = |store: &Store, promise: Promise, batch: &[NewEvent<'_>]| {
        let mut proposal = store.propose(Some(promise)).expect("open");
        for event in batch {
            proposal.push(event, store.entropy()).expect("push");
        }
        let frame = store.append(&proposal).expect("append").written().expect("its key is new");
        receipts.extend((0..frame.len()).filter_map(|index| frame.receipt(index)));
    };
    write(&store, Promise::Interval, &[single]);
    let caused = NewEvent { causation: Some(Causation::Item(0)), key: Some(b"order 7"), ..raw };
    write(&store, Promise::Manual, &[raw, single, caused]);
    store.wait_durable(5, None).expect("sync");
    clock.shift(-1_000_000);
    write(&store, Promise::Always, &[raw]);
    store.wait_durable(6, None).expect("sync");
    write(&store, Promise::Manual, &[single, raw]);
    // A power cut takes a part of the last frame.
    let image = storage.process_kill_image();
    let segment = "segments/00000000000000000000.log";
    let end = content(&image, segment).iter().rposition(|byte| *byte != 0).expect("frames");
    let file = image.open(segment, Mode::Write).expect("open");
    file.truncate(end as u64 - 40).expect("truncate");
    let store = open(&image);
    clock.shift(5_000_000);
    write(&store, Promise::Interval, &[long]);
    write(&store, Promise::Interval, &[single, long]);
    store.close().expect("close");
    // The two that were lost prove nothing that is still there.
    receipts.drain(5..7);
    (image, receipts)
}

/// Everything that a reader should find in a journal.
///
/// # Panics
///
/// If it cannot be read.
#[must_use]
pub fn describe(storage: &MemoryStorage) -> Json {
    let read_only = Config { read_only: true, ..config() };
    let store = Store::open_with(Arc::new(storage.clone()), TestClock::new(), read_only).expect("open");
    let events = events(&store, true).expect("read");
    let heads = heads::read(storage, &store.journal_id()).expect("read").expect("it is there");
    let frontier = Frontier::decode(&content(storage, "frontier")).expect("a frontier");
    let verdict = verify_closed(storage).expect("verify");
    let segments = storage.list("segments").expect("list");
    let recovered = storage.list("recovered").expect("list");
    json!({
        "journal_id": hex(&store.journal_id()),
        "name": store.name(),
        "events": events.iter().map(event_json).collect::<Vec<_>>(),
        "segments": segments.iter().filter(|name| is_log(name)).map(|name| segment_json(storage, name)).collect::<Vec<_>>(),
        "heads": heads.heads.iter().map(|(offset, head)| json!({
            "offset": offset,
            "reason": head.reason as u8,
            "size": head.tree.size(),
            "last_event_hash": hex(&head.last_event_hash),
            "root": hex(&head.tree.root()),
            "segment_first_sequence": head.segment_first_sequence,
            "segment_length": head.segment_length,
            "peaks": head.tree.peaks().iter().map(|peak| hex(peak)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "caches": heads.caches.iter().map(cache_json).collect::<Vec<_>>(),
        "frontier": {
            "incarnation": frontier.incarnation,
            "synced_through": frontier.synced_through,
            "segment_first_sequence": frontier.segment_first_sequence,
            "segment_offset": frontier.segment_offset,
        },
        "recovered": recovered,
        "verdict": { "outcome": verdict.outcome, "axes": verdict.axes, "events": verdict.events },
    })
}

fn cache_json(cache: &Cache) -> Json {
    match cache {
        Cache::Index(index) => json!({
            "index": {
                "first": index.span.first,
                "count": index.span.count,
                "end": index.span.end,
                "bytes": index.made.bytes,
                "digest": hex(&index.made.digest),
                "keys": index.keys,
                "steering": index.steering,
                "opened": index.opened,
            }
        }),
        Cache::Run(run) => json!({
            "run": {
                "first": run.first,
                "end": run.end,
                "bytes": run.made.bytes,
                "digest": hex(&run.made.digest),
            }
        }),
    }
}

fn event_json(event: &Event) -> Json {
    let stamp = &event.stamp;
    let metadata: BTreeMap<String, String> = event.metadata().expect("metadata").into_iter().collect();
    json!({
        "header": hex(event.header()),
        "event_hash": hex(&event.event_hash),
        "journal_id": hex(&event.journal_id),
        "entity": event.entity(),
        "scope": event.scope(),
        "kind": event.kind.code(),
        "payload_version": event.payload_version,
        "encoding": event.encoding as u8,
        "correlation_id": event.correlation_id.map(|id| hex(&id)),
        "causation_id": event.causation_id.map(|id| hex(&id)),
        "metadata": metadata,
        "payload_commitment": hex(&event.payload_commitment),
        "promise": event.promise as u8,
        "sequence": stamp.sequence,
        "event_id": hex(&stamp.event_id),
        "clock": stamp.clock,
        "hlc": [stamp.hlc.wall_us, u64::from(stamp.hlc.counter)],
        "skew_us": stamp.skew_us,
        "prev_sequence": stamp.previous.map(|(sequence, _)| sequence),
        "prev_hash": hex(&stamp.previous.map_or([0; 32], |(_, hash)| hash)),
        "salt": hex(&event.salt),
        "private": hex(event.private()),
        "payload": hex(event.payload()),
    })
}

fn segment_json(storage: &MemoryStorage, name: &str) -> Json {
    let bytes = content(storage, &format!("segments/{name}"));
    let first = batpak_core::segment::first_sequence_of(name).expect("a segment's name");
    let (header, frames) = take_apart(&bytes, first);
    json!({
        "name": name,
        "nonce": hex(&header.nonce),
        "length": bytes.len(),
        "frames": frames.iter().map(|frame| json!({
            "offset": frame.offset,
            "count": frame.records.len(),
            "synced_through": frame.synced_through,
            "key_id": frame.signature.map(|signature| hex(&signature.key_id)),
            "signature": frame.signature.map(|signature| hex(&signature.signature)),
        })).collect::<Vec<_>>(),
    })
}

/// The JSON form of FORMAT.md section 11.
///
/// # Panics
///
/// If the receipt holds no header.
#[must_use]
pub fn receipt_json(receipt: &Receipt) -> Json {
    let fields = receipt.fields().expect("a header");
    json!({
        "batpak_receipt": 1,
        "journal_id": uuid_text(&fields.journal_id),
        "event_id": uuid_text(&fields.stamp.event_id),
        "sequence": fields.stamp.sequence,
        "clock": fields.stamp.clock,
        "hlc": [fields.stamp.hlc.wall_us, u64::from(fields.stamp.hlc.counter)],
        "event_hash": hex(&receipt.event_hash()),
        "key_id": receipt.signature.map(|signature| hex(&signature.key_id)),
        "signature": receipt.signature.map(|signature| hex(&signature.signature)),
        "first_sequence": receipt.first_sequence,
        "count": receipt.count,
        "path": receipt.path.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
        "header": hex(&receipt.header),
    })
}

/// The bytes of a value.
///
/// # Panics
///
/// If it has none.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out).expect("a value");
    out
}

/// One value of each kind, and those at the edges.
fn values() -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    let big = |negative, magnitude: &[u8]| Value::BigInt { negative, magnitude: magnitude.to_vec() };
    let decimal =
        |negative, exponent, magnitude: &[u8]| Value::Decimal { negative, exponent, magnitude: magnitude.to_vec() };
    let date = |year, month, day| Date::new(year, month, day).expect("a date");
    let time = |hour, minute, second, microsecond| Time::new(hour, minute, second, microsecond).expect("a time");
    let at = |date, time, offset_us| Value::DateTime(DateTime::new(date, time, offset_us).expect("a moment"));
    let duration = |days, seconds, us| Value::Duration(Duration::new(days, seconds, us).expect("a duration"));
    let mut values = vec![Value::Null, Value::Bool(false), Value::Bool(true)];
    let ints = [0, 1, -1, 63, 64, -64, -65, 1 << 53, (1 << 53) - 1, -(1 << 53), 1 - (1 << 53), i64::MAX, i64::MIN];
    values.extend(ints.map(Value::Int));
    values.extend([
        big(false, &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        big(true, &[0x80, 0, 0, 0, 0, 0, 0, 1]),
        big(false, &[0xFF; 20]),
    ]);
    let floats = [0.0, -0.0, 1.5, -2.25, 1e300, 5e-324, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    values.extend(floats.map(Value::Float));
    values.extend(["", "a", "é", "日本🦇", "\u{0}\n\"\\", &"long ".repeat(40)].map(text));
    values.extend([Value::Bytes(vec![]), Value::Bytes(vec![0, 0xFF]), Value::Bytes(vec![7; 200])]);
    values.extend([Value::List(vec![]), Value::List(vec![Value::Null, Value::List(vec![Value::Int(1)])])]);
    values.push(Value::map::<&str>([]));
    values.push(Value::map([
        ("b", Value::Int(1)),
        ("a", Value::Int(2)),
        ("é", Value::Null),
        ("z", Value::Null),
        ("", Value::Null),
    ]));
    values.push(Value::map([("$int", text("1")), ("a", Value::Map(BTreeMap::new()))]));
    values.push(Value::map([("$", Value::Bytes(vec![1]))]));
    values.extend([Value::Date(date(1, 1, 1)), Value::Date(date(2024, 2, 29)), Value::Date(date(9999, 12, 31))]);
    values.extend([
        Value::Time(time(0, 0, 0, 0)),
        Value::Time(time(3, 4, 5, 6)),
        Value::Time(time(23, 59, 59, 999_999)),
    ]);
    values.push(at(date(2026, 1, 2), time(3, 4, 5, 6), 3_600_000_000));
    values.push(at(date(2026, 1, 2), time(3, 4, 5, 0), 0));
    values.push(at(date(1969, 12, 31), time(23, 0, 0, 0), -5_400_000_000));
    values.push(at(date(2026, 6, 1), time(0, 0, 0, 1), -86_399_999_999));
    values.extend([
        duration(0, 0, 0),
        duration(-1, 86_399, 999_999),
        duration(999_999_999, 86_399, 999_999),
        duration(-999_999_999, 0, 0),
    ]);
    values.extend([
        decimal(false, -2, &[100]),
        decimal(false, -1, &[10]),
        decimal(true, 0, &[]),
        decimal(true, -3, &[1, 0xE2, 0x40]),
    ]);
    values.push(Value::Uuid([0x12; 16]));
    values
}

/// Bytes that are no value: another spelling of one, or of nothing.
const REFUSED: [&str; 22] = [
    "",
    "10",
    "ff",
    "0000",
    "038000",
    "04000100",
    "0400087fffffffffffffff",
    "04000900ffffffffffffffff",
    "05010000000000f87f",
    "05000000000000f8ff",
    "0601ff",
    "0603eda080",
    "06810061",
    "080200",
    "0901",
    "0902016200016100",
    "0902016100016100",
    "0bea0f021d",
    "0c18000000",
    "0d0080a30500",
    "0e00000100",
    "0f000102",
];

/// The decimal digits of a big-endian magnitude.
fn digits(magnitude: &[u8]) -> String {
    let mut digits = vec![0_u8];
    for byte in magnitude {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = u8::try_from(carry % 10).unwrap_or_default();
            carry /= 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

fn time_text(time: Time) -> String {
    let seconds = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    if time.microsecond() == 0 { seconds } else { format!("{seconds}.{:06}", time.microsecond()) }
}

fn offset_text(offset_us: i64) -> String {
    let (sign, all) = (if offset_us < 0 { '-' } else { '+' }, offset_us.unsigned_abs());
    let seconds = all / 1_000_000;
    let mut text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if all % 60_000_000 != 0 {
        text = format!("{text}:{:02}", seconds % 60);
    }
    if all % 1_000_000 != 0 {
        text = format!("{text}.{:06}", all % 1_000_000);
    }
    text
}

/// A decimal as Python prints it, for exponents from -6 to 0.
fn decimal_text(negative: bool, exponent: i64, magnitude: &[u8]) -> String {
    let places = usize::try_from(-exponent).expect("no positive exponent");
    let mut text = digits(magnitude);
    while text.len() <= places {
        text.insert(0, '0');
    }
    if places > 0 {
        text.insert(text.len() - places, '.');
    }
    if negative { format!("-{text}") } else { text }
}

fn uuid_text(id: &[u8; 16]) -> String {
    let id = hex(id);
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}

/// The tagged JSON of FORMAT.md section 14.
#[must_use]
pub fn tagged(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(bool) => json!(bool),
        Value::Int(int) if int.unsigned_abs() < 1 << 53 => json!(int),
        Value::Int(int) => json!({"$int": int.to_string()}),
        Value::BigInt { negative, magnitude } => {
            json!({"$int": format!("{}{}", if *negative { "-" } else { "" }, digits(magnitude))})
        }
        Value::Float(float) if float.is_nan() => json!({"$float": "nan"}),
        Value::Float(float) if float.is_infinite() => json!({"$float": if *float > 0.0 { "inf" } else { "-inf" }}),
        Value::Float(float) => json!(float),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({"$bytes": hex(bytes)}),
        Value::List(values) => values.iter().map(tagged).collect(),
        Value::Map(pairs) if pairs.keys().any(|key| key.starts_with('$')) => {
            json!({"$map": pairs.iter().map(|(key, value)| json!([key, tagged(value)])).collect::<Vec<_>>()})
        }
        Value::Map(pairs) => pairs.iter().map(|(key, value)| (key.clone(), tagged(value))).collect(),
        Value::DateTime(at) => {
            let text = format!("{}T{}{}", date_text(at.date()), time_text(at.time()), offset_text(at.offset_us()));
            json!({"$datetime": text})
        }
        Value::Date(date) => json!({"$date": date_text(*date)}),
        Value::Time(time) => json!({"$time": time_text(*time)}),
        Value::Duration(duration) => {
            json!({"$duration": [i64::from(duration.days()), i64::from(duration.seconds()), i64::from(duration.microseconds())]})
        }
        Value::Decimal { negative, exponent, magnitude } => {
            json!({"$decimal": decimal_text(*negative, *exponent, magnitude)})
        }
        Value::Uuid(id) => json!({"$uuid": uuid_text(id)}),
    }
}
