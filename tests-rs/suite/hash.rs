//! Hashing many inputs together gives what hashing each by itself gives.

use batpak_core::hash::{Hash, Input, event_hash, hash_all, payload_commitment};
use proptest::prelude::*;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + length * 7) as u8).collect()
}

fn opening(salt: [u8; 16], private: &[u8]) -> Vec<u8> {
    let mut opening = salt.to_vec();
    batpak_core::wire::put_bytes(&mut opening, private);
    opening
}

fn together(mut inputs: Vec<Input<'_>>) -> Vec<Hash> {
    hash_all(&mut inputs);
    inputs.iter().map(|input| input.hash).collect()
}

#[test]
fn headers_of_every_length_around_blocks_and_chunks() {
    let headers: Vec<_> = (0..1100).chain([2047, 2048, 5000]).map(bytes).collect();
    let alone: Vec<_> = headers.iter().map(|header| event_hash(header)).collect();
    assert_eq!(together(headers.iter().map(|header| Input::event(header)).collect()), alone);
}

#[test]
fn any_number_of_inputs_from_none_to_more_than_there_are_lanes() {
    for count in 0..40 {
        let headers: Vec<_> = (0..count).map(|number| bytes(number * 29 % 301)).collect();
        let alone: Vec<_> = headers.iter().map(|header| event_hash(header)).collect();
        assert_eq!(together(headers.iter().map(|header| Input::event(header)).collect()), alone, "{count}");
    }
}

#[test]
fn payloads_behind_private_metadata_of_every_length() {
    let payload = bytes(300);
    let cases: Vec<_> = (0..300).map(|length| (bytes(length), payload.get(..length).unwrap_or_default())).collect();
    let salt = [9; 16];
    let openings: Vec<_> = cases.iter().map(|(private, _)| opening(salt, private)).collect();
    let inputs = openings.iter().zip(&cases).map(|(opening, (_, payload))| Input::payload(opening, payload)).collect();
    let alone: Vec<_> = cases.iter().map(|(private, payload)| payload_commitment(&salt, private, payload)).collect();
    assert_eq!(together(inputs), alone);
}

proptest! {
    #[test]
    fn contexts_and_lengths_may_be_mixed(cases in prop::collection::vec((any::<bool>(), 0..1500usize, 0..200usize), 0..60)) {
        let salt = [3; 16];
        let cases: Vec<_> = cases.into_iter().map(|(event, length, private)| (event, bytes(length), bytes(private))).collect();
        let openings: Vec<_> = cases.iter().map(|(_, _, private)| opening(salt, private)).collect();
        let inputs = openings.iter().zip(&cases).map(|(opening, (event, bytes, _))| match event {
            true => Input::event(bytes),
            false => Input::payload(opening, bytes),
        });
        let alone: Vec<_> = cases
            .iter()
            .map(|(event, bytes, private)| match event {
                true => event_hash(bytes),
                false => payload_commitment(&salt, private, bytes),
            })
            .collect();
        prop_assert_eq!(together(inputs.collect()), alone);
    }
}
