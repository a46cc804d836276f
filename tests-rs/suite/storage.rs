//! What every storage must do: one list for all of them.

use std::io::ErrorKind;

use batpak_core::Error;
use batpak_core::error::StorageFailure;
use batpak_core::storage::{Mode, Storage, missing_is_none, read_all, remove_if_there, write_whole};

/// Makes one test per storage out of each function, so that a failure names both.
macro_rules! over_every_storage {
    ($($name:ident),+ $(,)?) => {
        mod disk { $(#[test] fn $name() {
            let directory = tempfile::tempdir().unwrap();
            super::$name(&batpak_core::storage::DiskStorage::new(directory.path()));
        })+ }
        mod memory { $(#[test] fn $name() { super::$name(&batpak_core::storage::MemoryStorage::new()); })+ }
        mod recording { $(#[test] fn $name() { super::$name(&batpak_core::storage::MemoryStorage::recording()); })+ }
        mod faulty { $(#[test] fn $name() {
            let inner = std::sync::Arc::new(batpak_core::storage::MemoryStorage::new());
            super::$name(&batpak_core::storage::FaultyStorage::new(inner, []));
        })+ }
    };
}

over_every_storage!(
    modes_say_whether_the_file_is_new,
    a_read_handle_refuses_to_write,
    a_read_stops_at_the_end,
    a_write_past_the_end_fills_with_zeros,
    an_empty_write_changes_nothing,
    writes_overwrite_in_place,
    handles_of_one_file_share_it,
    truncate_cuts_and_grows,
    list_is_sorted_and_flat,
    rename_replaces,
    an_open_file_follows_its_rename,
    write_whole_replaces_and_leaves_no_temporary,
    missing_files_are_not_found,
    a_file_is_not_a_directory,
    create_directory_makes_what_leads_to_it,
    the_lock_is_taken_once,
    a_deleted_file_stays_readable_and_refuses_to_sync,
    a_replaced_file_refuses_to_sync,
    a_name_can_be_used_again,
);

pub(super) fn put(storage: &dyn Storage, name: &str, bytes: &[u8]) {
    storage.open(name, Mode::Create).unwrap().write_at(bytes, 0).unwrap();
}

pub(super) fn content(storage: &dyn Storage, name: &str) -> Vec<u8> {
    read_all(&*storage.open(name, Mode::Read).unwrap()).unwrap()
}

pub(super) fn failure<T: std::fmt::Debug>(result: Result<T, Error>) -> StorageFailure {
    match result.unwrap_err() {
        Error::Storage(failure) => failure,
        other => panic!("not a storage failure: {other:?}"),
    }
}

/// `operation`, path, kind and number, which every storage must agree on.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(
    result: Result<T, Error>,
    operation: &str,
    path: String,
    kind: ErrorKind,
    errno: i32,
) {
    let failure = failure(result);
    assert_eq!(
        (failure.operation, failure.path, failure.kind, failure.errno),
        (operation, path, kind, Some(errno)),
        "{}",
        failure.message
    );
}

fn modes_say_whether_the_file_is_new(storage: &dyn Storage) {
    put(storage, "a", b"abc");
    let path = storage.describe("a");
    refused(storage.open("a", Mode::Create), "create", path, ErrorKind::AlreadyExists, 17);
    assert_eq!(content(storage, "a"), b"abc", "a refused creation leaves the file alone");
    let file = storage.open("a", Mode::Write).unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"abc", "opening for writing keeps the content, and reads it");
    storage.create_directory("d").unwrap();
    refused(storage.open("d", Mode::Create), "create", storage.describe("d"), ErrorKind::AlreadyExists, 17);
    refused(storage.open("d", Mode::Write), "open", storage.describe("d"), ErrorKind::IsADirectory, 21);
}

fn a_read_handle_refuses_to_write(storage: &dyn Storage) {
    put(storage, "a", b"abc");
    let file = storage.open("a", Mode::Read).unwrap();
    assert_eq!(failure(file.write_at(b"x", 0)).errno, Some(9));
    assert_eq!(failure(file.truncate(0)).errno, Some(22));
    assert_eq!(read_all(&*file).unwrap(), b"abc");
    file.sync().unwrap();
}

fn a_read_stops_at_the_end(storage: &dyn Storage) {
    put(storage, "a", b"abcdef");
    let file = storage.open("a", Mode::Read).unwrap();
    let mut buffer = [b'-'; 4];
    assert_eq!(file.read_at(&mut buffer, 1).unwrap(), 4);
    assert_eq!(&buffer, b"bcde");
    assert_eq!(file.read_at(&mut buffer, 4).unwrap(), 2);
    assert_eq!(&buffer, b"efde", "what was not read is not touched");
    assert_eq!(file.read_at(&mut buffer, 6).unwrap(), 0);
    assert_eq!(file.read_at(&mut buffer, 1 << 40).unwrap(), 0);
    assert_eq!(file.read_at(&mut [], 0).unwrap(), 0);
}

fn a_write_past_the_end_fills_with_zeros(storage: &dyn Storage) {
    put(storage, "a", b"ab");
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(b"z", 5).unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"ab\0\0\0z");
    assert_eq!(file.length().unwrap(), 6);
}

fn an_empty_write_changes_nothing(storage: &dyn Storage) {
    put(storage, "a", b"ab");
    storage.open("a", Mode::Write).unwrap().write_at(b"", 10).unwrap();
    assert_eq!(content(storage, "a"), b"ab");
}

fn writes_overwrite_in_place(storage: &dyn Storage) {
    put(storage, "a", b"abcdef");
    let file = storage.open("a", Mode::Write).unwrap();
    file.write_at(b"XY", 2).unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"abXYef");
    file.write_at(b"123", 5).unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"abXYe123");
    file.sync().unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"abXYe123");
}

fn handles_of_one_file_share_it(storage: &dyn Storage) {
    let writer = storage.open("a", Mode::Create).unwrap();
    let reader = storage.open("a", Mode::Read).unwrap();
    writer.write_at(b"seen", 0).unwrap();
    assert_eq!(read_all(&*reader).unwrap(), b"seen");
}

fn truncate_cuts_and_grows(storage: &dyn Storage) {
    put(storage, "a", b"abcdef");
    let file = storage.open("a", Mode::Write).unwrap();
    file.truncate(2).unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"ab");
    file.truncate(4).unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"ab\0\0", "what was cut does not come back");
    file.truncate(0).unwrap();
    assert_eq!(file.length().unwrap(), 0);
}

fn list_is_sorted_and_flat(storage: &dyn Storage) {
    storage.create_directory("d/e").unwrap();
    for name in ["b", "a", "d/2", "d/1", "d/e/deep", "c"] {
        put(storage, name, b"");
    }
    assert_eq!(storage.list("").unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(storage.list("d").unwrap(), ["1", "2", "e"]);
    storage.remove("d/1").unwrap();
    assert_eq!(storage.list("d").unwrap(), ["2", "e"]);
    refused(storage.list("x"), "list", storage.describe("x"), ErrorKind::NotFound, 2);
}

fn rename_replaces(storage: &dyn Storage) {
    storage.create_directory("d").unwrap();
    put(storage, "a", b"new");
    put(storage, "d/b", b"old");
    storage.rename("a", "d/b").unwrap();
    assert_eq!(content(storage, "d/b"), b"new");
    assert_eq!(storage.list("").unwrap(), ["d"]);
    storage.rename("d/b", "d/b").unwrap();
    assert_eq!(content(storage, "d/b"), b"new");
}

fn an_open_file_follows_its_rename(storage: &dyn Storage) {
    let file = storage.open("a", Mode::Create).unwrap();
    storage.rename("a", "b").unwrap();
    file.write_at(b"later", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(content(storage, "b"), b"later");
}

fn write_whole_replaces_and_leaves_no_temporary(storage: &dyn Storage) {
    put(storage, "a.tmp", b"left by a crash, and longer than what follows");
    write_whole(storage, "a", b"one").unwrap();
    let file = write_whole(storage, "a", b"two").unwrap();
    assert_eq!(content(storage, "a"), b"two");
    assert_eq!(storage.list("").unwrap(), ["a"]);
    file.write_at(b"!", 3).unwrap();
    file.sync().unwrap();
    assert_eq!(content(storage, "a"), b"two!", "the file that it returns is the one in place");
}

fn missing_files_are_not_found(storage: &dyn Storage) {
    for name in ["x", "no/x"] {
        let path = storage.describe(name);
        for mode in [Mode::Read, Mode::Write] {
            refused(storage.open(name, mode), "open", path.clone(), ErrorKind::NotFound, 2);
        }
        refused(storage.remove(name), "remove", path.clone(), ErrorKind::NotFound, 2);
        refused(storage.rename(name, "y"), "rename", path, ErrorKind::NotFound, 2);
        remove_if_there(storage, name).unwrap();
        assert!(missing_is_none(storage.open(name, Mode::Read)).unwrap().is_none());
    }
    refused(storage.open("no/x", Mode::Create), "create", storage.describe("no/x"), ErrorKind::NotFound, 2);
    put(storage, "a", b"");
    refused(storage.rename("a", "no/a"), "rename", storage.describe("a"), ErrorKind::NotFound, 2);
    refused(storage.sync_directory("no"), "open", storage.describe("no"), ErrorKind::NotFound, 2);
    assert_eq!(storage.list("").unwrap(), ["a"], "a refused rename leaves the file where it was");
}

fn a_file_is_not_a_directory(storage: &dyn Storage) {
    put(storage, "a", b"");
    for name in ["a/b", "a/b/c"] {
        refused(storage.open(name, Mode::Create), "create", storage.describe(name), ErrorKind::NotADirectory, 20);
    }
    refused(storage.list("a"), "list", storage.describe("a"), ErrorKind::NotADirectory, 20);
    let path = storage.describe("a");
    refused(storage.create_directory("a"), "create directory", path, ErrorKind::AlreadyExists, 17);
    storage.create_directory("d").unwrap();
    refused(storage.remove("d"), "remove", storage.describe("d"), ErrorKind::IsADirectory, 21);
}

fn create_directory_makes_what_leads_to_it(storage: &dyn Storage) {
    storage.create_directory("").unwrap();
    storage.create_directory("d/e/f").unwrap();
    put(storage, "d/e/f/a", b"kept");
    storage.create_directory("d/e/f").unwrap();
    storage.create_directory("d").unwrap();
    assert_eq!(content(storage, "d/e/f/a"), b"kept");
    assert_eq!((storage.list("").unwrap(), storage.list("d").unwrap()), (vec!["d".to_owned()], vec!["e".to_owned()]));
    storage.sync_directory("").unwrap();
    storage.sync_directory("d/e/f").unwrap();
}

fn the_lock_is_taken_once(storage: &dyn Storage) {
    let pid = std::process::id();
    for _ in 0..2 {
        let lock = storage.lock().unwrap();
        let again = storage.lock().unwrap_err();
        assert_eq!(again, Error::Locked { path: storage.describe(""), pid: Some(pid) });
        assert_eq!(storage.list("").unwrap(), ["LOCK"]);
        assert_eq!(content(storage, "LOCK"), format!("{pid}\n").into_bytes());
        drop(lock);
    }
}

fn a_deleted_file_stays_readable_and_refuses_to_sync(storage: &dyn Storage) {
    let file = storage.open("a", Mode::Create).unwrap();
    file.write_at(b"abc", 0).unwrap();
    storage.remove("a").unwrap();
    assert_eq!(read_all(&*file).unwrap(), b"abc");
    file.write_at(b"d", 3).unwrap();
    let failure = failure(file.sync());
    assert_eq!((failure.operation, failure.kind, failure.errno), ("sync", ErrorKind::NotFound, None));
    assert_eq!(failure.path, storage.describe("a"));
}

fn a_replaced_file_refuses_to_sync(storage: &dyn Storage) {
    let old = storage.open("a", Mode::Create).unwrap();
    let new = storage.open("b", Mode::Create).unwrap();
    storage.rename("b", "a").unwrap();
    assert_eq!(failure(old.sync()).kind, ErrorKind::NotFound);
    new.sync().unwrap();
}

fn a_name_can_be_used_again(storage: &dyn Storage) {
    let old = storage.open("a", Mode::Create).unwrap();
    storage.remove("a").unwrap();
    put(storage, "a", b"new");
    old.write_at(b"old", 0).unwrap();
    assert_eq!(content(storage, "a"), b"new");
}
