//! A storage that fails on cue.

use std::io::ErrorKind;
use std::sync::Arc;

use batpak_core::storage::{DiskStorage, Effect, Fault, FaultyStorage, MemoryStorage, Mode, Storage};

use super::crash_images::{files, lost, recorded};
use super::storage::{content, failure, refused};

fn faulty(faults: &[Fault]) -> (MemoryStorage, FaultyStorage) {
    let inner = recorded(b"abc");
    let storage = FaultyStorage::new(Arc::new(inner.clone()), faults.iter().copied());
    (inner, storage)
}

#[test]
fn every_verb_is_one_call() {
    let (_, storage) = faulty(&[]);
    let mut expected = 0;
    let mut counted = |what: &str, calls: u64| {
        expected += calls;
        assert_eq!(storage.calls(), expected, "{what}");
    };
    storage.list("").unwrap();
    counted("list", 1);
    storage.create_directory("d").unwrap();
    counted("create_directory", 1);
    storage.sync_directory("d").unwrap();
    counted("sync_directory", 1);
    let file = storage.open("b", Mode::Create).unwrap();
    counted("open", 1);
    file.write_at(b"x", 0).unwrap();
    counted("write_at", 1);
    file.read_at(&mut [0], 0).unwrap();
    counted("read_at", 1);
    file.truncate(0).unwrap();
    counted("truncate", 1);
    file.sync().unwrap();
    counted("sync", 1);
    file.length().unwrap();
    storage.describe("b");
    counted("length and describe", 0);
    storage.rename("b", "d/b").unwrap();
    counted("rename", 1);
    storage.remove("d/b").unwrap();
    counted("remove", 1);
    drop(storage.lock().unwrap());
    counted("lock", 1);
    assert_eq!(storage.hit(), None);
}

#[test]
fn a_fault_hits_its_call_alone() {
    let (inner, storage) = faulty(&[Fault::once(3, Effect::Fails)]);
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(b"1", 0).unwrap();
    refused(file.write_at(b"2", 1), "write", storage.describe("a"), ErrorKind::Other, Fault::EIO);
    file.write_at(b"3", 2).unwrap();
    assert_eq!(content(&inner, "a"), b"1b3");
    assert_eq!((storage.calls(), storage.hit().as_deref()), (4, Some("3: write a")));
}

#[test]
fn a_fault_for_ever_hits_all_later_calls() {
    let fault = Fault::forever(2, Effect::Fails).with_errno(Fault::ENOSPC);
    let (inner, storage) = faulty(&[fault]);
    let file = storage.open("a", Mode::Write).unwrap();
    for _ in 0..2 {
        refused(file.truncate(0), "truncate", storage.describe("a"), ErrorKind::StorageFull, 28);
        refused(storage.list(""), "list", storage.describe(""), ErrorKind::StorageFull, 28);
    }
    assert_eq!(storage.hit().as_deref(), Some("2: truncate a"), "the first one");
    storage.heal();
    file.truncate(1).unwrap();
    assert_eq!(content(&inner, "a"), b"a");
}

#[test]
fn what_fails_after_has_happened() {
    let (inner, storage) = faulty(&[Fault::forever(1, Effect::FailsAfter)]);
    assert_eq!(failure(storage.open("b", Mode::Create)).errno, Some(Fault::EIO));
    assert_eq!(inner.list("").unwrap(), ["a", "b"]);
    assert_eq!(failure(storage.rename("a", "c")).errno, Some(Fault::EIO));
    assert_eq!(failure(storage.remove("b")).errno, Some(Fault::EIO));
    assert_eq!(inner.list("").unwrap(), ["c"]);
    assert_eq!(failure(storage.create_directory("d")).errno, Some(Fault::EIO));
    assert_eq!(inner.list("").unwrap(), ["c", "d"]);
    assert_eq!(failure(storage.lock()).errno, Some(Fault::EIO));
    storage.heal();
    let file = storage.open("c", Mode::Write).unwrap();
    storage.arm(Fault::forever(storage.calls() + 1, Effect::FailsAfter));
    assert_eq!(failure(file.write_at(b"xyz!", 0)).errno, Some(Fault::EIO));
    assert_eq!(inner.pending().len(), 2, "the removal and the write; the rename made the creation durable");
    assert_eq!(failure(file.sync()).errno, Some(Fault::EIO));
    assert_eq!(lost(&inner)["c"], b"xyz!");
    assert_eq!(failure(file.truncate(1)).errno, Some(Fault::EIO));
    assert_eq!(content(&inner, "c"), b"x");
    drop(inner.lock().expect("a lock that could not be reported is given back"));
}

#[test]
fn a_failed_sync_leaves_the_writes_at_risk() {
    let (inner, storage) = faulty(&[Fault::once(3, Effect::Fails)]);
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(b"XYZ", 0).unwrap();
    assert_eq!(failure(file.sync()).operation, "sync");
    assert_eq!((content(&inner, "a"), lost(&inner)), (b"XYZ".to_vec(), files(&[("a", b"abc")])));
}

#[test]
fn a_short_write_writes_that_much() {
    for (limit, expected) in [(0, &b"abc"[..]), (2, b"12c"), (4, b"1234"), (9, b"1234")] {
        let (inner, storage) = faulty(&[Fault::once(2, Effect::ShortWrite(limit))]);
        let file = storage.open("a", Mode::Write).unwrap();
        assert_eq!(failure(file.write_at(b"1234", 0)).operation, "write");
        assert_eq!(content(&inner, "a"), expected, "limit {limit}");
    }
    let (inner, storage) = faulty(&[Fault::once(1, Effect::ShortWrite(1))]);
    assert_eq!(failure(storage.remove("a")).errno, Some(Fault::EIO));
    assert_eq!(inner.list("").unwrap(), ["a"], "any other call fails");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let inner = recorded(b"abc");
    let storage = FaultyStorage::full_after(Arc::new(inner.clone()), 5);
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(b"123", 0).unwrap();
    file.write_at(b"", 0).unwrap();
    refused(file.write_at(b"4567", 3), "write", storage.describe("a"), ErrorKind::StorageFull, 28);
    assert_eq!(content(&inner, "a"), b"12345");
    refused(file.write_at(b"6", 5), "write", storage.describe("a"), ErrorKind::StorageFull, 28);
    file.write_at(b"", 0).unwrap();
    file.sync().unwrap();
    assert_eq!((storage.calls(), storage.hit().as_deref()), (7, Some("4: write a")));
    storage.heal();
    file.write_at(b"6", 5).unwrap();
    assert_eq!(content(&inner, "a"), b"123456");
    let exact = FaultyStorage::full_after(Arc::new(inner.clone()), 3);
    exact.open("a", Mode::Write).unwrap().write_at(b"abc", 0).unwrap();
    assert_eq!(exact.hit(), None, "what fits exactly fits");
}

#[test]
fn faults_hit_the_disk_too() {
    let directory = tempfile::tempdir().unwrap();
    let disk = DiskStorage::new(directory.path());
    let storage = FaultyStorage::new(Arc::new(disk.clone()), [Fault::once(2, Effect::ShortWrite(2))]);
    let file = storage.open("a", Mode::Create).unwrap();
    let path = disk.describe("a");
    refused(file.write_at(b"1234", 0), "write", path, ErrorKind::Other, Fault::EIO);
    assert_eq!(content(&disk, "a"), b"12");
}
