//! What a power cut could leave of a journal, image by image.

use std::collections::HashSet;

use batpak_core::storage::{Chance, MemoryStorage, PendingChange, PendingWrite, Survival};

/// Every image worth a test of what `storage` holds now, each with a description for the failure message; then `random`
/// pseudo-random ones, the same for the same `seed`.
///
/// With *n* changes pending: none and all of them; each alone lost, and each alone kept; each prefix; every write that touches
/// several blocks torn in several ways, with the others kept and with the later ones lost; every write's length without its
/// bytes. Images that would be the same by the choices made come once. They are made one at a time, all of this moment.
///
/// # Panics
///
/// If `storage` does not record: every image would look right.
pub fn crash_images(
    storage: &MemoryStorage,
    random: usize,
    seed: u64,
) -> impl Iterator<Item = (String, MemoryStorage)> + use<> {
    assert!(storage.is_recording(), "crash images need MemoryStorage::recording()");
    let moment = storage.process_kill_image();
    plans(&moment.pending(), random, seed).into_iter().map(move |(description, plan)| {
        let image = moment.crash_image(|pending| plan[pending.index].clone());
        (description, image)
    })
}

type Plan = Vec<Survival>;

fn plans(pending: &[PendingWrite], random: usize, seed: u64) -> Vec<(String, Plan)> {
    let count = pending.len();
    let mut plans = vec![
        ("nothing unsynced survives".to_owned(), vec![Survival::Lost; count]),
        ("everything survives".to_owned(), vec![Survival::Kept; count]),
    ];
    for (index, change) in pending.iter().enumerate() {
        let named = describe(change);
        let around = |before: &Survival, this: Survival, after: &Survival| {
            let mut plan = vec![before.clone(); index];
            plan.push(this);
            plan.resize(count, after.clone());
            plan
        };
        plans.push((format!("all but {named}"), around(&Survival::Kept, Survival::Lost, &Survival::Kept)));
        plans.push((format!("only {named}"), around(&Survival::Lost, Survival::Kept, &Survival::Lost)));
        plans.push((format!("all through {named}"), around(&Survival::Kept, Survival::Kept, &Survival::Lost)));
        for (how, partly) in partial(change) {
            let last = around(&Survival::Kept, partly.clone(), &Survival::Lost);
            plans.push((format!("all through {named}, of which {how}"), last));
            plans.push((format!("all, but of {named} {how}"), around(&Survival::Kept, partly, &Survival::Kept)));
        }
    }
    let mut chance = Chance::new(seed);
    for number in 0..random {
        let plan = pending.iter().map(|change| chance.survival(change)).collect();
        plans.push((format!("random image {number} of seed {seed}: {plan:?}"), plan));
    }
    let mut known = HashSet::new();
    plans.retain(|(_, plan)| known.insert(plan.clone()));
    plans
}

/// The ways in which a part of a write survives.
fn partial(change: &PendingWrite) -> Vec<(String, Survival)> {
    let mut ways = Vec::new();
    if matches!(change.change, PendingChange::Write { .. }) {
        ways.push(("only the length".to_owned(), Survival::LengthOnly));
    }
    for block_bytes in Chance::BLOCK_BYTES {
        let blocks = change.blocks(block_bytes);
        if blocks < 2 {
            continue;
        }
        let patterns: [(&str, &dyn Fn(u64) -> bool); 5] = [
            ("only the first block", &|block| block == 0),
            ("only the last block", &|block| block == blocks - 1),
            ("all but the first block", &|block| block != 0),
            ("all but the last block", &|block| block != blocks - 1),
            ("every other block", &|block| block % 2 == 1),
        ];
        for (how, pattern) in patterns {
            let kept = (0..blocks).map(pattern).collect();
            ways.push((format!("{how} of {block_bytes} bytes"), Survival::Torn { block_bytes, kept }));
        }
    }
    ways
}

fn describe(pending: &PendingWrite) -> String {
    let PendingWrite { index, name, change } = pending;
    match change {
        PendingChange::Create => format!("{index} (create {name})"),
        PendingChange::Remove => format!("{index} (remove {name})"),
        PendingChange::Write { offset, length } => format!("{index} (write {length} bytes at {offset} of {name})"),
        PendingChange::Truncate { length } => format!("{index} (truncate {name} to {length})"),
    }
}
