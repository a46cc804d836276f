//! Writes the golden vectors anew: `cargo run -p batpak-tests --example vectors -- DIRECTORY`, a directory that does not exist yet.

use batpak_core::storage::{DiskStorage, Mode, Storage};

fn main() -> Result<(), batpak_core::Error> {
    let Some(directory) = std::env::args_os().nth(1) else {
        return Err(batpak_core::Error::InvalidInput { reason: "name the directory to write to".to_owned() });
    };
    let storage = DiskStorage::new(directory);
    for (name, bytes) in batpak_tests::golden::generate() {
        storage.create_directory(name.rsplit_once('/').map_or("", |(above, _)| above))?;
        storage.open(&name, Mode::Create)?.write_at(&bytes, 0)?;
    }
    Ok(())
}
