//! Opening a journal, from top to bottom: find it, lock it, read it, repair what a crash may leave, go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use crate::append;
use crate::catalog::{index_name, is_index};
use crate::clock::WallClock;
use crate::commit::{Commit, Written};
use crate::config::{Config, Departure};
use crate::create::{Found, create, find, finish_creation};
use crate::entropy::{self, Entropy};
use crate::error::{Error, Result};
use crate::files::Files;
use crate::fork::{UNFINISHED, refuse_unfinished};
use crate::frontier;
use crate::hash::hex;
use crate::header::Promise;
use crate::heads::{self, HeadWriter};
use crate::index::Index;
use crate::indexer::{self, Indexer};
use crate::inner::Inner;
use crate::kind::Kind;
use crate::load::{Loaded, Loading, ends_sealed, load};
use crate::merkle::Tree;
use crate::meta;
use crate::proof::nodes::Nodes;
use crate::proof::notary::Notary;
use crate::proof::pins::Pin;
use crate::proof::policy::Due;
use crate::proposal::Proposal;
use crate::read;
use crate::refresh::Reader;
use crate::replay;
use crate::report::OpenReport;
use crate::segment;
use crate::signer::{Signer, StoreNumber};
use crate::storage::{Mode, Storage, StorageFile, StorageLock, remove_if_there, write_whole};
use crate::store::{Store, clock_ahead_us, elapsed_us};
use crate::system::{self, Cause, Cut, Lineage, Substrate, SystemEvent};
use crate::tail::{missed_cuts, remove_leftovers, rewrite_unsynced, settle_tail};
use crate::tree::SharedTree;
use crate::watch::Watch;
use crate::writer::{Active, Writer};

impl Store {
    /// Opens a journal in any storage, with any clock.
    pub fn open_with(storage: Arc<dyn Storage>, clock: Arc<dyn WallClock>, mut config: Config) -> Result<Self> {
        let begun = Instant::now();
        config.check()?;
        if config.departure.is_none() {
            refuse_unfinished(storage.as_ref())?;
        }
        let found = find(storage.as_ref())?;
        // A history that goes on must be there.
        let needed = config.read_only || !config.create || config.departure.is_some();
        if found == Found::Nothing && needed {
            return Err(Error::NotAJournal {
                path: storage.describe(""),
                reason: "there is no journal here; open it for writing with create=True, or run `batpak init`"
                    .to_owned(),
            });
        }
        if config.read_only {
            return open_read_only(storage, clock, config, begun);
        }
        if found == Found::Nothing {
            storage.create_directory("")?;
        }
        let lock = storage.lock()?;
        // Only the holder of the lock can tell: another process may just have created the journal.
        let created = find(storage.as_ref())? == Found::Nothing;
        if created {
            create(storage.as_ref())?;
        }
        open_writable(storage, clock, config, lock, created, begun)
    }
}

fn open_read_only(
    storage: Arc<dyn Storage>,
    clock: Arc<dyn WallClock>,
    config: Config,
    begun: Instant,
) -> Result<Store> {
    let loading = Loading { mode: Mode::Read, keys: config.index_metadata.clone() };
    let loaded = load(&storage, &loading)?;
    if let Some(flaw) = loaded.meta_flaw {
        return Err(flaw);
    }
    let mut report = report_of(&loaded, clock.as_ref());
    report.path_taken = "read_only";
    report.elapsed_us = elapsed_us(begun);
    if let Some(mut pin) = pin_of(&loaded, &config)? {
        loaded.heads.checkpoints.last().map_or(Ok(()), |(_, last)| pin.see(last))?;
    }
    let reader = Reader::new(&loaded);
    let inner = Inner {
        files: Files::new(Arc::clone(&storage)),
        storage,
        clock,
        journal_id: loaded.journal_id,
        entropy: Entropy::default(),
        name: loaded.substrate.name.clone(),
        substrate: RwLock::new(loaded.substrate),
        index: loaded.index,
        tree: SharedTree::new(loaded.tree),
        nodes: Nodes::default(),
        notary: None,
        checkpoint_due: None,
        writer: Mutex::new(None),
        turn: Mutex::default(),
        keeping: Mutex::default(),
        number: StoreNumber::new(),
        commit: None,
        indexer: None,
        reader: Some(Mutex::new(reader)),
        rewinds: Mutex::default(),
        watch: Watch::default(),
        unsettled: Mutex::default(),
        durable_seen: AtomicU64::new(loaded.durable),
        stated: AtomicU64::new(loaded.heads.stated()),
        lock: Mutex::new(None),
        closed: AtomicBool::new(false),
        forked: AtomicBool::new(false),
        pid: std::process::id(),
        report,
        config,
    };
    Ok(Store { inner: Arc::new(inner), interval_thread: Mutex::new(None), checkpoint_thread: Mutex::new(None) })
}

fn report_of(loaded: &Loaded, clock: &dyn WallClock) -> OpenReport {
    let events = loaded.index.len();
    OpenReport {
        path_taken: "clean",
        events,
        clock_ahead_us: clock_ahead_us(loaded.order.last_hlc, clock),
        durable_events: loaded.durable.min(events),
        segments: loaded.index.segments().len() as u64,
        indexes_rebuilt: (loaded.missing.len() + loaded.stale.len()) as u64,
        tail_bytes: loaded.last.tail.len() as u64,
        first_cut_sequence: (!loaded.last.tail.is_empty()).then_some(events),
        torn_head_bytes: loaded.heads.torn_bytes,
        frontier_rebuilt: !matches!(loaded.frontier, frontier::Found::Valid(_)),
        ..OpenReport::default()
    }
}

fn open_writable(
    storage: Arc<dyn Storage>,
    clock: Arc<dyn WallClock>,
    config: Config,
    lock: Box<dyn StorageLock>,
    created: bool,
    begun: Instant,
) -> Result<Store> {
    // 1. Read everything; a refusal changes nothing.
    let loading = Loading { mode: Mode::Write, keys: config.index_metadata.clone() };
    let mut loaded = load(&storage, &loading)?;
    let mut report = report_of(&loaded, clock.as_ref());
    // 2. The key is checked before a byte is written.
    let new_key = check_key(&config, &loaded.substrate, created)?;
    let (departure, pin) = departure_of(&loaded, &config)?;
    // 3. What a crashed writer left unfinished goes.
    let meta_flaw = loaded.meta_flaw.take().filter(|_| !created);
    if let Some(flaw) = meta_flaw.as_ref().filter(|_| !config.rebuild_meta) {
        return Err(flaw.clone());
    }
    remove_leftovers(storage.as_ref())?;
    if meta_flaw.is_some() {
        write_meta(storage.as_ref(), &loaded)?;
        report.meta_rebuilt = true;
    }
    // 4. The unsynced tail is set aside and cut. A crash in between repeats this; the bytes are in two places then.
    let cut = settle_tail(storage.as_ref(), &loaded)?;
    // 5. What was never synced is written again and synced before anybody calls it durable: after a failed sync, memory and disk may differ.
    let file = storage.open(&segment::path(loaded.last.first_sequence), Mode::Write)?;
    report.rewritten_bytes = rewrite_unsynced(&loaded, file.as_ref())?;
    // 6. From here on the log is whole and durable up to its end.
    let heads_file = storage.open(heads::NAME, Mode::Write)?;
    let heads = Arc::new(Mutex::new(HeadWriter::new(heads_file, loaded.journal_id, loaded.heads.end)?));
    let writer = writer_of(&heads, &loaded, &config, Arc::clone(&file))?;
    let ends_sealed = ends_sealed(&loaded);
    let incarnation = loaded.substrate.incarnations + 1;
    report.incarnation = incarnation;
    let written = Written {
        events: loaded.index.len(),
        file,
        segment_first_sequence: loaded.last.first_sequence,
        offset: loaded.last.end,
    };
    let frontier_file = frontier::open_for_writing(storage.as_ref())?;
    let commit = Commit::new(frontier_file, loaded.journal_id, incarnation, written, loaded.index.len());
    report.took(cut.as_ref(), created);
    let missed = missed_cuts(storage.as_ref(), &loaded.substrate, cut.as_ref())?;
    // 7. Index files that are missing are made again; the others are believed only as far as they fit what `checkpoints` says of them.
    let indexer = Indexer::new(Arc::clone(&heads));
    make_indexes(&indexer, &loaded)?;
    let journal_id = loaded.journal_id;
    let last = loaded.heads.checkpoints.last().map(|(_, last)| last.clone());
    let signs = config.signer.is_some();
    let checkpoint_due = Due::after(config.checkpoints.of_journal(signs), last.as_ref(), loaded.index.len());
    let number = StoreNumber::new();
    let notary = Notary::new(number, config.signer.clone(), heads, last, pin);
    let mut inner = Inner {
        files: Files::new(Arc::clone(&storage)),
        storage,
        clock,
        journal_id,
        entropy: Entropy::default(),
        name: loaded.substrate.name.clone(),
        substrate: RwLock::new(loaded.substrate),
        index: loaded.index,
        tree: SharedTree::new(loaded.tree),
        nodes: Nodes::default(),
        notary: Some(notary),
        checkpoint_due,
        writer: Mutex::new(Some(writer)),
        turn: Mutex::default(),
        keeping: Mutex::default(),
        number,
        commit: Some(commit),
        indexer: Some(indexer),
        reader: None,
        rewinds: Mutex::default(),
        watch: Watch::default(),
        unsettled: Mutex::default(),
        durable_seen: AtomicU64::new(0),
        stated: AtomicU64::new(loaded.heads.stated()),
        lock: Mutex::new(Some(lock)),
        closed: AtomicBool::new(false),
        forked: AtomicBool::new(false),
        pid: std::process::id(),
        report: OpenReport::default(),
        config,
    };
    if let Some(writer) = inner.writer.lock().as_ref() {
        inner.files.keep(writer.active.first_sequence, Arc::clone(&writer.active.file));
    }
    // 8. The journal's own events about this open; what is about loss or keys is synced before the store is handed out.
    if ends_sealed {
        begin_after_seal(&inner)?;
    }
    let departs = departure.is_some();
    say_departure(&inner, departure)?;
    let says = events_of_open(&inner, created, new_key, &missed);
    say(&inner, &says)?;
    inner.name.clone_from(&inner.substrate.get_mut().name);
    if created {
        finish_creation(&inner)?;
    }
    // A journal without a frontier looks unfinished, so the first one is written before anybody knows of it.
    if created || new_key || departs || !missed.is_empty() || report.frontier_rebuilt {
        sync_what_was_said(&inner, departs)?;
    }
    report.elapsed_us = elapsed_us(begun);
    inner.report = report;
    let store =
        Store { inner: Arc::new(inner), interval_thread: Mutex::new(None), checkpoint_thread: Mutex::new(None) };
    store.index_what_is_due();
    store.start_checkpoint_thread()?;
    if store.inner.config.durability == Promise::Interval {
        store.start_interval_thread()?;
    }
    Ok(store)
}

/// The pin of this journal, if it is to be pinned, compared with the log.
fn pin_of(loaded: &Loaded, config: &Config) -> Result<Option<Pin>> {
    let opened = |pins| Pin::open(pins, &loaded.substrate, &loaded.index, &loaded.heads);
    config.pins.clone().map(opened).transpose()
}

/// The lineage that begins with this open, if one does, and the pin of the one that goes on from here. Its root is not known yet; what a pin
/// knows of the history that is given up is part of what it says.
fn departure_of(loaded: &Loaded, config: &Config) -> Result<(Option<Lineage>, Option<Pin>)> {
    let Some(Departure { cause, actor, reason, abandoned }) = &config.departure else {
        return Ok((None, pin_of(loaded, config)?));
    };
    let pinned = match pin_of(loaded, config) {
        Err(Error::HistoryChanged { size, root, .. }) => Some((size, root)).filter(|_| *cause == Cause::Restore),
        Ok(Some(_)) if *cause == Cause::Restore && abandoned.is_none() => {
            let reason =
                "nothing is missing, as far as pins knows: either it is no restore, or pins is not the right directory";
            return Err(Error::InvalidInput { reason: reason.to_owned() });
        }
        outcome => outcome.map(|_| None)?,
    };
    let mut journal_id = [0; 16];
    entropy::fill(&mut journal_id)?;
    let begins = Lineage {
        journal_id,
        parent_id: loaded.substrate.lineage(),
        from: loaded.index.len(),
        kept_root: [0; 32],
        cause: *cause,
        abandoned: pinned.or(*abandoned),
        actor: actor.clone(),
        reason: reason.clone(),
    };
    let pin = config.pins.clone().map(|pins| Pin::of_new(pins, &journal_id));
    Ok((Some(begins), pin))
}

/// Syncs what an open has to say before the store is handed out. A fork is a journal from here on.
fn sync_what_was_said(inner: &Inner, departs: bool) -> Result<()> {
    let events = inner.index.len();
    let commit = inner.parts()?.commit;
    // No store is handed out that could be closed and opened again, so the failure itself is the answer.
    commit.wait(events, None).map_err(|error| commit.cause().unwrap_or(error))?;
    if departs {
        remove_if_there(inner.storage.as_ref(), UNFINISHED)?;
        inner.storage.sync_directory("")?;
    }
    Ok(())
}

/// Writes that another lineage begins, before anything is written in it.
fn say_departure(inner: &Inner, departure: Option<Lineage>) -> Result<()> {
    let Some(begins) = departure else { return Ok(()) };
    let kept_root = inner.tree.catch_up(&inner.index)?.root();
    say(inner, &[system::lineage(&Lineage { kept_root, ..begins })])
}

/// What this open has to say, in order, and whether it must be synced before the store is handed out.
fn events_of_open(inner: &Inner, created: bool, new_key: bool, cuts: &[Cut]) -> Vec<SystemEvent> {
    let key = inner.config.signer.as_ref().map(|key| key.public().clone());
    if created {
        return vec![system::created(&inner.journal_id, &inner.config.name, key.as_ref())];
    }
    let recovered = cuts.iter().map(system::recovered);
    let opened = system::opened(inner.substrate.read().incarnations + 1, &inner.config.software);
    // Every frame of this open is signed already, so the key comes first.
    let key_added = key.filter(|_| new_key).map(|key| system::key_added(&key, None));
    key_added.into_iter().chain(recovered).chain([opened]).collect()
}

/// Begins the segment that a crash after sealing kept from being begun.
fn begin_after_seal(inner: &Inner) -> Result<()> {
    let parts = inner.parts()?;
    match inner.writer.lock().as_mut() {
        Some(writer) => append::begin_segment(&parts, writer),
        None => Ok(()),
    }
}

/// Writes the journal's own events.
fn say(inner: &Inner, says: &[SystemEvent]) -> Result<()> {
    for event in says {
        let sequence = inner.index.len();
        let lineage = match (event.begins, event.kind) {
            (Some(begins), _) => begins,
            (None, Kind::CREATED) => inner.journal_id,
            (None, _) => inner.lineage(),
        };
        let mut proposal = Proposal::new(lineage, Promise::Manual);
        let payload = event.propose(&mut proposal, &inner.entropy)?;
        inner.append(&proposal)?;
        inner.substrate.write().accept(&lineage, event.kind, sequence, &payload)?;
    }
    Ok(())
}

/// Whether this open brings the journal's first key; an error if it brings the wrong one.
pub(crate) fn check_key(config: &Config, substrate: &Substrate, created: bool) -> Result<bool> {
    let given = config.signer.as_ref().map(|key| key.public().key_id());
    match (substrate.key(), given) {
        (None, Some(_)) if !created && !config.adopt_key => Err(Error::KeyNotInJournal),
        (None, given) => Ok(given.is_some() && !created),
        (Some(key), None) => Err(Error::KeyRequired { key_id: hex(&key.key_id()) }),
        (Some(key), Some(given)) if key.key_id() == given => Ok(false),
        (Some(key), Some(_)) => Err(Error::WrongKey { key_id: hex(&key.key_id()) }),
    }
}

fn write_meta(storage: &dyn Storage, loaded: &Loaded) -> Result<()> {
    if loaded.index.is_empty() {
        return Ok(());
    }
    let event = read::event_at(storage, &loaded.index.location(0)?)?;
    write_whole(storage, meta::NAME, &meta::encode(event.record())).map(drop)
}

/// Makes the index files that are missing, or that lack declared metadata keys, and the runs of entity heads.
fn make_indexes(indexer: &Indexer, loaded: &Loaded) -> Result<()> {
    let index = &loaded.index;
    // First of all: what is found need not be made.
    if let Some(runs) = indexer::find_runs(index, &loaded.heads.caches) {
        index.set_runs(runs);
    }
    indexer.catch_up(index);
    for part in index.parts_from(0) {
        let span = part.span();
        let Some(sealed) = part.sealed() else { continue };
        if loaded.stale.contains(&span.segment) {
            let tail = replay::segment(index.home().storage.as_ref(), &span, &index.keys())?;
            indexer.reindex(index, &tail)?;
        } else if loaded.missing.contains(&span.segment) {
            sealed.with(|_| Some(()))?;
        }
    }
    indexer.complete_runs(index)?;
    remove_stray_indexes(index)
}

/// Removes index files of which `checkpoints` does not tell: a crash came between the two.
fn remove_stray_indexes(index: &Index) -> Result<()> {
    let storage = index.home().storage.as_ref();
    let parts = index.parts_from(0);
    let known =
        |name: &String| parts.iter().any(|part| part.sealed().is_some() && index_name(part.span().segment) == *name);
    for name in storage.list(segment::DIRECTORY)?.iter().filter(|name| is_index(name) && !known(name)) {
        storage.remove(&format!("{}/{name}", segment::DIRECTORY))?;
    }
    Ok(())
}

fn writer_of(
    heads: &Arc<Mutex<HeadWriter>>,
    loaded: &Loaded,
    config: &Config,
    file: Arc<dyn StorageFile>,
) -> Result<Writer> {
    Ok(Writer {
        active: Active {
            first_sequence: loaded.last.first_sequence,
            nonce: loaded.last.nonce,
            allocated: file.length()?,
            file,
            end: loaded.last.end,
        },
        next_sequence: loaded.index.len(),
        last_hlc: if loaded.index.is_empty() { loaded.order.last_hlc } else { loaded.order.last_hlc.after_restart() },
        last_id: loaded.order.last_id,
        heads: Arc::clone(heads),
        takes_turns: config.signer.as_ref().is_some_and(Signer::is_elsewhere),
        signer: config.signer.clone(),
        last_head_size: loaded.heads.heads.last().map_or(0, |(_, head)| Tree::size(&head.tree)),
        buffer: Vec::new(),
    })
}
