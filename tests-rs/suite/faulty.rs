//! A storage that fails on cue.

use std::io::ErrorKind;
use std::sync::Arc;

use batpak_core::glob;
use batpak_core::storage::{
    DiskStorage, Effect, Fault, Faults, FaultyStorage, MemoryStorage, Mode, OPERATIONS, Storage,
};

use super::crash_images::{files, lost, recorded};
use super::storage::{content, failure, refused};

fn faulty(faults: &[Fault]) -> (MemoryStorage, FaultyStorage) {
    let inner = recorded(b"abc");
    let storage = FaultyStorage::new(Arc::new(inner.clone()), faults.iter().cloned());
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
fn every_call_is_remembered() {
    let faults = Faults::new([Fault::once(1, Effect::Fails).of("read")]);
    let storage = FaultyStorage::scripted(Arc::new(recorded(b"abc")), faults.clone());
    storage.list("").unwrap();
    storage.create_directory("d").unwrap();
    let file = storage.open("d/b", Mode::Create).unwrap();
    file.write_at(b"xy", 0).unwrap();
    file.sync().unwrap();
    storage.sync_directory("d").unwrap();
    file.read_at(&mut [0], 0).unwrap_err();
    file.truncate(0).unwrap();
    storage.rename("d/b", "c").unwrap();
    storage.map("c").unwrap();
    storage.remove("c").unwrap();
    storage.open("a", Mode::Read).unwrap();
    drop(storage.lock().unwrap());
    let told: Vec<String> = faults.history().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "1: list",
            "2: create directory d",
            "3: create d/b",
            "4: write d/b",
            "5: sync d/b",
            "6: sync d",
            "7: read d/b",
            "8: truncate d/b",
            "9: rename d/b",
            "10: map c",
            "11: remove c",
            "12: open a",
            "13: lock LOCK"
        ]
    );
    let history = faults.history();
    assert!(history.iter().all(|call| call.bytes == if call.operation == "write" { 2 } else { 0 }));
    let failed: Vec<u64> = history.iter().filter(|call| call.failed).map(|call| call.number).collect();
    assert_eq!(failed, [7]);
    let operations: std::collections::BTreeSet<&str> = history.iter().map(|call| call.operation).collect();
    assert_eq!(operations.into_iter().collect::<Vec<_>>(), OPERATIONS, "all of them, and no other");
}

#[test]
fn a_fault_about_a_verb_and_names_counts_those_calls_alone() {
    let fault = Fault::once(2, Effect::Fails).of("write").on("*.log");
    let (_, storage) = faulty(&[fault]);
    let [log, other] = ["d.log", "d.idx"].map(|name| storage.open(name, Mode::Create).unwrap());
    log.write_at(b"1", 0).unwrap();
    log.sync().unwrap();
    other.write_at(b"1", 0).unwrap();
    other.write_at(b"2", 0).unwrap();
    refused(log.write_at(b"2", 0), "write", storage.describe("d.log"), ErrorKind::Other, Fault::EIO);
    log.write_at(b"3", 0).unwrap();
    assert_eq!(storage.hit().as_deref(), Some("7: write d.log"));
}

#[test]
fn a_fault_counts_from_the_beginning_or_from_now() {
    let faults = Faults::default();
    let storage = FaultyStorage::scripted(Arc::new(recorded(b"abc")), faults.clone());
    let file = storage.open("a", Mode::Write).unwrap();
    file.sync().unwrap();
    faults.arm(Fault::once(2, Effect::Fails).of("sync"));
    faults.arm_from_now(Fault::forever(2, Effect::Fails).of("sync").with_errno(Fault::ENOSPC));
    assert_eq!(failure(file.sync()).errno, Some(Fault::EIO), "the second one ever");
    assert_eq!(failure(file.sync()).errno, Some(Fault::ENOSPC), "the second one since");
    assert_eq!(failure(file.sync()).errno, Some(Fault::ENOSPC));
    faults.heal();
    file.sync().unwrap();
    assert_eq!((faults.calls(), storage.calls()), (6, 6));
}

#[test]
fn an_open_file_is_known_by_the_name_that_it_has_now() {
    let faults = Faults::new([Fault::once(2, Effect::FailsAfter).of("rename"), Fault::once(1, Effect::Fails).on("c")]);
    let storage = FaultyStorage::scripted(Arc::new(recorded(b"abc")), faults.clone());
    let file = storage.open("b.tmp", Mode::Create).unwrap();
    storage.rename("b.tmp", "b").unwrap();
    file.sync().unwrap();
    storage.rename("b", "c").unwrap_err();
    file.sync().unwrap_err();
    storage.rename("a", "b").unwrap();
    file.sync().unwrap();
    let told: Vec<String> = faults.history().iter().map(ToString::to_string).collect();
    let expected =
        ["1: create b.tmp", "2: rename b.tmp", "3: sync b", "4: rename b", "5: sync c", "6: rename a", "7: sync c"];
    assert_eq!(told, expected);
}

#[test]
fn storages_may_follow_one_script() {
    let faults = Faults::new([Fault::once(2, Effect::Fails)]);
    let (first, second) = (recorded(b"abc"), recorded(b"abc"));
    FaultyStorage::scripted(Arc::new(first), faults.clone()).list("").unwrap();
    FaultyStorage::scripted(Arc::new(second), faults.clone()).list("").unwrap_err();
    assert_eq!(faults.hit().as_deref(), Some("2: list"));
}

#[test]
fn numbers_have_their_kinds() {
    let kinds = [
        (Fault::EIO, ErrorKind::Other),
        (Fault::EACCES, ErrorKind::PermissionDenied),
        (Fault::ENOSPC, ErrorKind::StorageFull),
        (Fault::EROFS, ErrorKind::ReadOnlyFilesystem),
        (Fault::EDQUOT, ErrorKind::QuotaExceeded),
    ];
    for (errno, kind) in kinds {
        let (_, storage) = faulty(&[Fault::once(1, Effect::Fails).with_errno(errno)]);
        refused(storage.list(""), "list", storage.describe(""), kind, errno);
        #[cfg(target_os = "linux")]
        if kind != ErrorKind::Other {
            assert_eq!(std::io::Error::from_raw_os_error(errno).kind(), kind, "as the operating system has it");
        }
    }
}

#[test]
fn a_glob_matches_a_whole_name() {
    for (pattern, name) in [("", ""), ("*", ""), ("*", "a/b"), ("a*b*c", "aXbXbc"), ("?b", "ab"), ("*.log", "d/0.log")]
    {
        assert!(glob::matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
    }
    for (pattern, name) in [("", "a"), ("?", ""), ("a", "ab"), ("a*b", "abc"), ("*.log", "d/0.log.tmp"), ("??", "a")] {
        assert!(!glob::matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
    }
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
