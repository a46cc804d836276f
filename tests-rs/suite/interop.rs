//! Code that is not ours reads what we write, and we read what it writes: Merkle proofs (`ct-merkle`, `tlog_tiles`), signed notes (`signed_note`),
//! checkpoints and tiles (`tlog_tiles`).

use std::cell::Cell;

use base64ct::{Base64, Encoding as _};
use batpak_core::header::Promise;
use batpak_core::merkle::{is_consistent, root_from_path};
use batpak_core::proof::Checkpoint;
use batpak_core::proof::note::{Note as OurNote, parse_verifier_key, verifier_key};
use batpak_core::storage::MemoryStorage;
use batpak_core::{Config, Store};
use batpak_tests::journal::{events, key, open, signed, write};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Hash, HashReader as _, Tile, TileHashReader, TileReader};

/// A journal of several segments, with the hashes of its events.
fn journal(count: usize) -> (Store, Vec<[u8; 32]>) {
    let store = open(&MemoryStorage::new(), Config { segment_bytes: 30_000, ..signed() }).expect("open");
    for number in 0..count {
        write(&store, Promise::Manual, "a", &[&number.to_le_bytes()]).expect("append");
    }
    let hashes = events(&store, true).expect("read").iter().map(|event| event.event_hash).collect();
    (store, hashes)
}

fn tree_of(hashes: &[[u8; 32]]) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    hashes.iter().for_each(|hash| tree.push(hash.to_vec()));
    tree
}

fn split(proof: &[u8]) -> Vec<[u8; 32]> {
    proof.chunks_exact(32).map(|hash| hash.try_into().unwrap()).collect()
}

#[test]
fn merkle_proofs_of_ct_merkle_and_ours_are_each_others() {
    let (store, hashes) = journal(400);
    let theirs = tree_of(&hashes);
    let (size, root) = store.root(None).expect("root");
    assert_eq!((theirs.len(), theirs.root().as_bytes().as_slice()), (size, root.as_slice()));
    let their_root = RootHash::<Sha256>::new(root.into(), size);
    for index in (0..size).step_by(7) {
        let ours = store.prove(index, None).expect("prove");
        let proof = InclusionProof::<Sha256>::try_from_bytes(ours.path.concat()).expect("whole hashes");
        their_root.verify_inclusion(&ours.event_hash, index, &proof).expect("they accept ours");
        let at = usize::try_from(index).unwrap();
        let path = split(theirs.prove_inclusion(at).as_bytes());
        assert_eq!(root_from_path(&hashes[at], index, size, &path), Some(root), "we accept theirs");
    }
    for old in (1..=size).step_by(13) {
        let ours = store.prove_consistency(old, None).expect("prove");
        let old_root = RootHash::<Sha256>::new(ours.old_root.into(), old);
        let proof = ConsistencyProof::<Sha256>::try_from_bytes(ours.path.concat()).expect("whole hashes");
        their_root.verify_consistency(&old_root, &proof).expect("they accept ours");
        let path = split(theirs.prove_consistency(usize::try_from(size - old).unwrap()).as_bytes());
        assert!(is_consistent((old, &ours.old_root), (size, &root), &path), "we accept theirs: {old}");
    }
}

#[test]
fn signed_notes_of_signed_note_and_ours_are_each_others() {
    let (store, _) = journal(5);
    let checkpoint = store.checkpoint().expect("checkpoint");
    let named = verifier_key(&checkpoint.origin, key(7).public());
    let verifier = StandardVerifier::new(&named).expect("they read our verifier key");
    let note = Note::from_bytes(checkpoint.note.encode().as_bytes()).expect("they read our note");
    let (verified, unverified) =
        note.verify(&VerifierList::new(vec![Box::new(verifier)])).expect("they accept our signature");
    assert_eq!((verified.len(), unverified.len()), (1, 0));

    let name = "their.example/log";
    let other = key(9);
    let id = batpak_core::hash::hex(&batpak_core::proof::note::key_id(name, other.public()));
    let secret = Base64::encode_string(&[&[1_u8][..], &[9; 32]].concat());
    let signer = StandardSigner::new(&format!("PRIVATE+KEY+{name}+{id}+{secret}")).expect("a key of theirs");
    let mut theirs = Note::new(b"any text\n\nwith a blank line\n", &[]).expect("a text");
    theirs.add_sigs(&[&signer]).expect("they sign");
    let text = String::from_utf8(theirs.to_bytes()).expect("text");
    let ours = OurNote::parse(&text).expect("we read their note");
    assert_eq!((ours.text.as_bytes(), ours.encode()), (theirs.text(), text));
    let (named, public) = parse_verifier_key(&verifier_key(name, other.public())).expect("a verifier key");
    assert_eq!(ours.is_signed_by(&named, &public), Some(true), "we accept their signature");
}

/// Serves the tiles of a store.
struct Tiles<'a> {
    store: &'a Store,
    size: u64,
    saved: Cell<usize>,
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let hashes = self.store.tile(u32::from(tile.level()), tile.level_index(), self.size).expect("a tile");
            let width = tile.width() as usize;
            hashes.concat()[..width * 32].to_vec()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, tiles: &[Tile], _data: &[Vec<u8>]) {
        self.saved.set(self.saved.get() + tiles.len());
    }
}

#[test]
fn tiles_and_checkpoints_are_those_of_tlog_tiles() {
    let (store, hashes) = journal(1400);
    let checkpoint = store.checkpoint().expect("checkpoint");
    let stated = tlog_tiles::Checkpoint::from_bytes(checkpoint.note.text.as_bytes()).expect("they read our checkpoint");
    assert_eq!(
        (stated.origin(), stated.size(), stated.hash().0),
        (checkpoint.origin.as_str(), checkpoint.size, checkpoint.root)
    );
    let size = checkpoint.size;
    let tiles = Tiles { store: &store, size, saved: Cell::new(0) };
    // It checks every tile against the root before it uses it.
    let reader = TileHashReader::new(size, Hash(checkpoint.root), &tiles);
    for index in [0, 1, 255, 256, 700, size - 2, size - 1] {
        let proof = tlog_tiles::prove_record(size, index, &reader).expect("they prove from our tiles");
        let ours = store.prove(index, Some(size)).expect("prove");
        assert_eq!(proof.iter().map(|hash| hash.0).collect::<Vec<_>>(), ours.path, "{index}");
        let record = tlog_tiles::record_hash(&hashes[usize::try_from(index).unwrap()]);
        let path = ours.path.into_iter().map(Hash).collect();
        tlog_tiles::check_record(&path, size, Hash(checkpoint.root), index, record).expect("they accept ours");
    }
    for old in [1, 2, 255, 256, 257, 1000, size] {
        let ours = store.prove_consistency(old, Some(size)).expect("prove");
        let path = ours.path.iter().copied().map(Hash).collect();
        tlog_tiles::check_tree(&path, size, Hash(ours.new_root), old, Hash(ours.old_root)).expect("they accept ours");
        let theirs = tlog_tiles::prove_tree(size, old, &reader).expect("they prove from our tiles");
        assert!(is_consistent(
            (old, &ours.old_root),
            (size, &ours.new_root),
            &split(&theirs.iter().flat_map(|hash| hash.0).collect::<Vec<_>>())
        ));
    }
    assert!(tiles.saved.get() > 0 && reader.read_hashes(&[0]).is_ok());
}

/// The example of C2SP tlog-checkpoint: ours reads it as it was written.
#[test]
fn the_example_of_the_specification_is_read_and_written_the_same() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa \
                Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let checkpoint = Checkpoint::parse(text).expect("a checkpoint");
    assert_eq!((checkpoint.size, checkpoint.note.encode().as_str()), (20_852_163, text));
    assert_eq!(
        tlog_tiles::Checkpoint::from_bytes(checkpoint.note.text.as_bytes()).expect("theirs").hash().0,
        checkpoint.root
    );
}
