//! What a power cut leaves of files in memory, and the enumeration of all that it could leave.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use batpak_core::Error;
use batpak_core::storage::{Chance, MemoryStorage, Mode, PendingChange, Storage, Survival, read_all, write_whole};
use batpak_tests::crash_images::crash_images;

use super::storage::{content, failure, put};

/// A recording storage with a durable file `a` of these bytes.
pub(super) fn recorded(bytes: &[u8]) -> MemoryStorage {
    let storage = MemoryStorage::recording();
    write_whole(&storage, "a", bytes).unwrap();
    storage
}

pub(super) fn lost(storage: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    storage.crash_image(|_| Survival::Lost).export()
}

pub(super) fn kept(storage: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    storage.crash_image(|_| Survival::Kept).export()
}

pub(super) fn files(pairs: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    pairs.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

#[test]
fn a_power_cut_leaves_what_was_synced() {
    let storage = recorded(b"abc");
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(b"XYZ!", 0).unwrap();
    assert_eq!(lost(&storage), files(&[("a", b"abc")]));
    assert_eq!(kept(&storage), files(&[("a", b"XYZ!")]));
    file.sync().unwrap();
    assert_eq!(storage.pending(), []);
    assert_eq!(lost(&storage), files(&[("a", b"XYZ!")]));
    file.truncate(1).unwrap();
    assert_eq!(lost(&storage), files(&[("a", b"XYZ!")]));
    assert_eq!(kept(&storage), files(&[("a", b"X")]));
}

#[test]
fn a_name_is_durable_after_its_own_directory_is_synced() {
    let storage = MemoryStorage::recording();
    storage.create_directory("d").unwrap();
    let file = storage.open("d/a", Mode::Create).unwrap();
    file.write_at(b"abc", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(lost(&storage), files(&[]), "syncing a file does not make its name durable");
    storage.sync_directory("").unwrap();
    assert_eq!(lost(&storage), files(&[]), "nor does syncing another directory");
    storage.sync_directory("d").unwrap();
    assert_eq!(lost(&storage), files(&[("d/a", b"abc")]));
    storage.remove("d/a").unwrap();
    assert_eq!(lost(&storage), files(&[("d/a", b"abc")]), "a removal can be undone");
    assert_eq!(kept(&storage), files(&[]));
    storage.sync_directory("d").unwrap();
    assert_eq!(lost(&storage), files(&[]));
    assert_eq!(storage.crash_image(|_| Survival::Lost).list("").unwrap(), ["d"], "directories are durable when made");
}

#[test]
fn a_removed_file_that_comes_back_is_a_whole_file_again() {
    let storage = recorded(b"abc");
    let file = storage.open("a", Mode::Write).unwrap();
    storage.remove("a").unwrap();
    put(&storage, "a", b"second");
    assert_eq!(failure(file.sync()).kind, ErrorKind::NotFound);
    let image = storage.crash_image(|_| Survival::Lost);
    let old = image.open("a", Mode::Write).unwrap();
    assert_eq!(read_all(&*old).unwrap(), b"abc");
    old.sync().unwrap();
    let image = storage.crash_image(|pending| match pending.change {
        PendingChange::Write { .. } => Survival::Lost,
        _ => Survival::Kept,
    });
    assert_eq!(image.export(), files(&[("a", b"")]), "the name of the second one, without its bytes");
}

#[test]
fn a_rename_makes_names_durable_but_not_content() {
    let storage = recorded(b"old");
    put(&storage, "a.tmp", b"never synced");
    storage.rename("a.tmp", "a").unwrap();
    assert_eq!(lost(&storage), files(&[("a", b"")]));
    storage.create_directory("d").unwrap();
    storage.rename("a", "d/a").unwrap();
    assert_eq!(lost(&storage), files(&[("d/a", b"")]), "also when it leaves the directory");
    put(&storage, "b", b"");
    storage.rename("b", "d/b").unwrap();
    assert_eq!(storage.pending().len(), 1, "only the bytes are pending: the creation went into the rename");
    assert_eq!(storage.pending()[0].name, "d/a", "under the name that the file has now");
    assert_eq!(kept(&storage), files(&[("d/a", b"never synced"), ("d/b", b"")]), "the old name cannot come back");
}

#[test]
fn any_subset_of_writes_survives_and_the_length_follows() {
    let storage = recorded(b"ab");
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(b"1", 2).unwrap();
    file.truncate(1).unwrap();
    file.write_at(b"2", 4).unwrap();
    let images: [(&[usize], &[u8]); 8] = [
        (&[], b"ab"),
        (&[0], b"ab1"),
        (&[1], b"a"),
        (&[2], b"ab\0\x002"),
        (&[0, 1], b"a"),
        (&[0, 2], b"ab1\x002"),
        (&[1, 2], b"a\0\0\x002"),
        (&[0, 1, 2], b"a\0\0\x002"),
    ];
    for (chosen, expected) in images {
        let image = storage.crash_image(
            |pending| {
                if chosen.contains(&pending.index) { Survival::Kept } else { Survival::Lost }
            },
        );
        assert_eq!(image.export(), files(&[("a", expected)]), "{chosen:?}");
    }
    let image = storage.crash_image(|_| Survival::LengthOnly);
    assert_eq!(image.export(), files(&[("a", b"ab\0\0\0")]), "lengths without bytes, and no truncate");
}

#[test]
fn a_torn_write_is_cut_at_blocks_of_the_file() {
    let storage = recorded(&[b'.'; 600]);
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(&[b'x'; 1500], 500).unwrap();
    let [pending] = <[_; 1]>::try_from(storage.pending()).unwrap();
    assert_eq!(pending.change, PendingChange::Write { offset: 500, length: 1500 });
    assert_eq!((pending.blocks(512), pending.blocks(4096), pending.blocks(0)), (4, 1, 0));
    let torn = |kept: &[bool]| {
        let image = storage.crash_image(|_| Survival::Torn { block_bytes: 512, kept: kept.to_vec() });
        // The runs of equal bytes, as (byte, count).
        let bytes = content(&image, "a");
        bytes.chunk_by(|a, b| a == b).map(|run| (char::from(run[0]), run.len())).collect::<Vec<_>>()
    };
    assert_eq!(torn(&[true]), [('.', 500), ('x', 12), ('.', 88)]);
    assert_eq!(torn(&[false, true]), [('.', 512), ('x', 512)]);
    assert_eq!(torn(&[false, false, false, true, true]), [('.', 600), ('\0', 936), ('x', 464)]);
    assert_eq!(torn(&[true; 4]), [('.', 500), ('x', 1500)]);
    assert_eq!(torn(&[]), [('.', 600)]);
}

#[test]
fn a_killed_process_loses_nothing_but_its_lock() {
    let storage = recorded(b"abc");
    let lock = storage.lock().unwrap();
    put(&storage, "b", b"unsynced");
    let image = storage.process_kill_image();
    assert_eq!(image.export(), storage.export());
    assert_eq!(image.pending(), storage.pending(), "a power cut can still take what the kill did not");
    let relocked = image.lock().unwrap();
    image.open("a", Mode::Write).unwrap().write_at(b"X", 0).unwrap();
    assert_eq!(content(&storage, "a"), b"abc", "the image shares nothing");
    assert!(storage.lock().is_err());
    drop((lock, relocked));
}

#[test]
fn a_crash_image_is_durable_and_records_on() {
    let storage = recorded(b"abc");
    let _lock = storage.lock().unwrap();
    put(&storage, "b", b"unsynced");
    let image = storage.crash_image(|_| Survival::Kept);
    assert_eq!(image.pending(), []);
    image.lock().unwrap();
    assert_eq!(lost(&image), image.export());
    image.open("b", Mode::Write).unwrap().write_at(b"X", 0).unwrap();
    assert_eq!(image.pending().len(), 1);
}

#[test]
fn without_recording_everything_counts_as_durable() {
    let storage = MemoryStorage::new();
    put(&storage, "a", b"abc");
    assert_eq!((storage.is_recording(), storage.pending()), (false, vec![]));
    assert_eq!(lost(&storage), storage.export());
}

#[test]
fn import_is_the_reverse_of_export() {
    let storage = MemoryStorage::new();
    storage.create_directory("d/e").unwrap();
    put(&storage, "d/e/a", b"abc");
    put(&storage, "b", b"");
    let copy = MemoryStorage::import(storage.export());
    assert_eq!(copy.export(), files(&[("b", b""), ("d/e/a", b"abc")]));
    assert_eq!(copy.list("d").unwrap(), ["e"]);
    copy.open("d/e/a", Mode::Write).unwrap().truncate(0).unwrap();
    assert_eq!(content(&storage, "d/e/a"), b"abc");
}

#[test]
fn an_import_may_record_from_then_on() {
    let given = files(&[("b", b""), ("d/e/a", b"abc")]);
    let storage = MemoryStorage::import_recording(given.clone()).unwrap();
    assert_eq!((storage.is_recording(), storage.pending(), lost(&storage)), (true, vec![], given.clone()));
    storage.open("d/e/a", Mode::Write).unwrap().truncate(1).unwrap();
    put(&storage, "d/c", b"new");
    assert_eq!(storage.pending().len(), 3);
    assert_eq!(lost(&storage), given);
    assert_eq!(kept(&storage), storage.export());
    let sizes: Vec<(String, u64)> = storage.sizes().into_iter().collect();
    assert_eq!(sizes, [("b".to_owned(), 0), ("d/c".to_owned(), 3), ("d/e/a".to_owned(), 1)]);
}

#[test]
fn names_that_no_directory_could_hold_are_refused() {
    for name in ["", "/a", "a/", "a//b", ".", "..", "../a", "a/./b", "a\0b", "a\\b"] {
        let refused = MemoryStorage::import_recording(files(&[(name, b"abc")]));
        assert!(matches!(refused, Err(Error::InvalidInput { .. })), "{name:?}");
    }
    let refused = MemoryStorage::import_recording(files(&[("a", b""), ("a/b", b"")]));
    assert!(matches!(refused, Err(Error::InvalidInput { .. })), "a file that is a directory");
}

#[test]
fn chance_is_the_same_for_the_same_seed_and_gives_every_kind_of_survival() {
    let storage = recorded(b"abc");
    let file = storage.open("a", Mode::Write).unwrap();
    for offset in 0..20 {
        file.write_at(&[b'x'; 600], offset * 600).unwrap();
    }
    let draw = |seed| {
        let mut chance = Chance::new(seed);
        storage.pending().iter().map(|pending| chance.survival(pending)).collect::<Vec<_>>()
    };
    assert_eq!(draw(0), draw(0));
    let all: Vec<Survival> = (0..20).flat_map(draw).collect();
    for kind in [Survival::Kept, Survival::Lost, Survival::LengthOnly] {
        assert!(all.contains(&kind), "{kind:?}");
    }
    for block in Chance::BLOCK_BYTES {
        let torn =
            |survival: &Survival| matches!(survival, Survival::Torn { block_bytes, .. } if *block_bytes == block);
        assert!(all.iter().any(torn), "{block}");
    }
    assert_ne!(draw(1), draw(2));
}

#[test]
fn a_clone_is_the_same_storage() {
    let storage = MemoryStorage::new();
    let _lock = storage.lock().unwrap();
    put(&storage.clone(), "a", b"abc");
    assert_eq!(content(&storage, "a"), b"abc");
    assert!(storage.clone().lock().is_err());
}

#[test]
fn a_write_that_no_memory_holds_is_refused_and_changes_nothing() {
    let storage = recorded(b"abc");
    let file = storage.open("a", Mode::Write).unwrap();
    assert_eq!(failure(file.write_at(b"x", u64::MAX)).kind, ErrorKind::FileTooLarge);
    assert_eq!(failure(file.write_at(b"x", u64::MAX / 2)).kind, ErrorKind::StorageFull);
    assert_eq!(failure(file.truncate(u64::MAX / 2)).kind, ErrorKind::StorageFull);
    assert_eq!((read_all(&*file).unwrap(), storage.pending()), (b"abc".to_vec(), vec![]));
}

#[test]
fn the_enumeration_holds_every_image_that_matters() {
    let storage = recorded(b"abc");
    let file = storage.open("a", Mode::Write).unwrap();
    let long = vec![b'x'; 9000];
    for (bytes, offset) in [(&b"1"[..], 3), (b"2", 4), (&long, 5)] {
        file.write_at(bytes, offset).unwrap();
    }
    let images = crash_images(&storage, 50, 7);
    file.sync().unwrap();
    let images: Vec<(String, MemoryStorage)> = images.collect();
    let described: BTreeSet<&String> = images.iter().map(|(description, _)| description).collect();
    assert_eq!(described.len(), images.len(), "descriptions tell images apart");
    let contents: BTreeSet<Vec<u8>> = images.iter().map(|(_, image)| content(image, "a")).collect();
    let tail = |start: &[u8]| [start, &long].concat();
    let expected = [
        b"abc".to_vec(),
        b"abc1".to_vec(),
        b"abc\x002".to_vec(),
        b"abc12".to_vec(),
        tail(b"abc\0\0"),
        tail(b"abc1\0"),
        tail(b"abc\x002"),
        tail(b"abc12"),
        [b"abc12", &long[..4096 - 5]].concat(),
        [b"abc12", &long[..512 - 5]].concat(),
        [&b"abc12"[..], &[0; 4096 - 5], &long[4096 - 5..]].concat(),
        [&b"abc12"[..], &[0; 9000]].concat(),
    ];
    for bytes in expected {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned();
        assert!(contents.contains(&bytes), "no image of {} bytes that begins {start:?}", bytes.len());
    }
    assert_eq!(contents.iter().next().map(Vec::as_slice), Some(&b"abc"[..]), "no image loses what was synced");
}

#[test]
fn the_enumeration_is_the_same_for_the_same_seed() {
    let storage = recorded(b"abc");
    let file = storage.open("a", Mode::Write).unwrap();
    for offset in 0..20 {
        file.write_at(&[b'x'; 600], offset * 600).unwrap();
    }
    let run = |seed| crash_images(&storage, 30, seed).map(|(d, image)| (d, image.export())).collect::<Vec<_>>();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
#[should_panic(expected = "recording")]
fn the_enumeration_refuses_a_storage_without_history() {
    drop(crash_images(&MemoryStorage::new(), 0, 0));
}

#[test]
fn storages_work_from_many_threads() {
    let storage = MemoryStorage::recording();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let storage = &storage;
            scope.spawn(move || {
                let first = storage.open(&format!("{writer}.a"), Mode::Create).unwrap();
                let second = storage.open(&format!("{writer}.b"), Mode::Create).unwrap();
                storage.sync_directory("").unwrap();
                for number in 0..200_u64 {
                    // The second file is written only after the first is durable.
                    first.write_at(&[1], number).unwrap();
                    first.sync().unwrap();
                    second.write_at(&[1], number).unwrap();
                    second.sync().unwrap();
                }
            });
        }
        for _ in 0..200 {
            let image = lost(&storage);
            for writer in 0..4 {
                let length = |name: &str| image.get(&format!("{writer}.{name}")).map_or(0, Vec::len);
                assert!(length("a") >= length("b"), "an image of two moments");
            }
        }
    });
}
