//! The compiled half of `batpak.Store`: typed arguments in, one door to the core, typed results out.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use batpak_core::header::Promise;
use batpak_core::index::Query;
use batpak_core::marks::{Mark, MarkName, Marks};
use batpak_core::proof::Policy;
use batpak_core::proposal::Proposal;
use batpak_core::receipt::Committed;
use batpak_core::storage::DiskStorage;
use batpak_core::{Appended, Config, Reference, Store};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use crate::draft::{Arguments, Context, id16, promise, push, push_item};
use crate::encode::encode;
use crate::errors::{detached, mapped, plain};
use crate::event::Event;
use crate::keys::{AnySigner, PublicKey};
use crate::lineage::{Begun, shown};
use crate::names::kind_of;
use crate::numbers::{optional_u64, optional_version, u64_of};
use crate::place::{Place, place_of};
use crate::proof::{ConsistencyParts, InclusionParts, consistency_parts, inclusion_parts};
use crate::proposal::CoreProposal;
use crate::query::{Ancestors, Events};
use crate::receipt::{Batch, Named, ReceiptSource, Receipts, of_frame, shapes};
use crate::types::types;
use crate::verify::{Signals, receipt_of, verdict};

/// Waiting threads look for signals this often.
const WAIT_SLICE: Duration = Duration::from_millis(100);

/// Sequence and clock of the last event that reached a mark.
type Point<'py> = Option<(u64, Bound<'py, PyAny>)>;

thread_local! {
    /// The last frame that this thread wrote, and the store that took it; held weakly, so that no later store gets its address.
    static LAST: RefCell<Option<(Weak<Store>, Arc<Committed>)>> = const { RefCell::new(None) };
    /// Where payloads are encoded; kept for its memory.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Memory kept between appends of a thread, at most.
const SCRATCH_BYTES_MAX: usize = 1024 * 1024;

/// An open journal.
#[pyclass(frozen, module = "batpak._batpak", weakref)]
pub struct CoreStore {
    pub store: Arc<Store>,
    named: Named,
    resolve: Py<PyAny>,
    restore: Py<PyAny>,
    allow_nonfinite: bool,
}

impl CoreStore {
    /// The core's handle, for the audit hook.
    pub fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    fn context(&self) -> Context<'_> {
        Context { resolve: &self.resolve, entropy: self.store.entropy(), allow_nonfinite: self.allow_nonfinite }
    }

    /// Writes a proposal, waits if `always` was promised, and remembers the frame for `last_receipt`.
    fn write(&self, py: Python<'_>, proposal: &Proposal) -> PyResult<Batch> {
        let appended = detached(py, || self.store.append(proposal))?;
        self.written(py, appended, proposal)
    }

    fn written(&self, py: Python<'_>, appended: Appended, proposal: &Proposal) -> PyResult<Batch> {
        let events = appended.events();
        let batch = match appended {
            Appended::Written(committed) => {
                let committed = Arc::new(committed);
                LAST.with_borrow_mut(|last| *last = Some((Arc::downgrade(&self.store), Arc::clone(&committed))));
                Batch::Frame(committed, proposal.leading())
            }
            Appended::Known(events) => Batch::Known(events),
        };
        if proposal.promise() == Promise::Always {
            self.wait(py, events)?;
        }
        Ok(batch)
    }

    fn receipts(&self, py: Python<'_>, batch: Batch) -> Receipts {
        Receipts { named: self.named.clone_ref(py), batch }
    }

    /// Waits in slices, so that Ctrl-C is heard; the event exists either way.
    fn wait(&self, py: Python<'_>, events: u64) -> PyResult<()> {
        while !detached(py, || self.store.wait_durable(events, Some(WAIT_SLICE)))? {
            py.check_signals()?;
        }
        Ok(())
    }
}

/// How far an event can have come.
fn mark_of(py: Python<'_>, text: &str) -> PyResult<MarkName> {
    match text {
        "accepted" => Ok(MarkName::Accepted),
        "written" => Ok(MarkName::Written),
        "durable" => Ok(MarkName::Durable),
        "visible" => Ok(MarkName::Visible),
        _ => Err(plain(
            py,
            "InvalidInput",
            &format!("mark is {text:?}; it must be \"accepted\", \"written\", \"durable\" or \"visible\""),
        )),
    }
}

/// An event by its sequence or id.
fn reference_of(py: Python<'_>, reference: &Bound<'_, PyAny>) -> PyResult<Reference> {
    if reference.is_exact_instance_of::<PyInt>() {
        // Not the number itself: Python refuses to print a very long one.
        let none = || batpak_core::Error::EventNotFound { reference: "of a sequence outside 0..2^64".to_owned() };
        return reference.extract().map(Reference::Sequence).map_err(|_| crate::errors::to_python(py, &none()));
    }
    let Ok(text) = reference.cast::<PyString>() else { return Ok(Reference::Id(id16(reference, "the event id")?)) };
    let uuid = types(py)?.uuid.bind(py).call1((text,)).map_err(|_| {
        plain(py, "InvalidInput", "an event is named by a UUID, its text, its 16 bytes, or an int sequence")
    })?;
    Ok(Reference::Id(id16(&uuid, "the event id")?))
}

#[pymethods]
impl CoreStore {
    /// Opens a journal; see `batpak.Store.open`.
    #[staticmethod]
    #[pyo3(signature = (path, *, create, read_only, signing_key, durability, interval_ms, segment_bytes, name, resolve, restore, allow_nonfinite, rebuild_meta, index_metadata, durable_only, idempotency_window, pins, checkpoint_events, checkpoint_interval_ms, adopt_key))]
    #[expect(clippy::too_many_arguments, reason = "they are the options of Store.open")]
    #[expect(clippy::fn_params_excessive_bools, reason = "they are the options of Store.open")]
    fn open(
        py: Python<'_>,
        #[pyo3(from_py_with = place_of)] path: Place,
        create: bool,
        read_only: bool,
        signing_key: Option<AnySigner<'_>>,
        durability: &str,
        #[pyo3(from_py_with = u64_of)] interval_ms: u64,
        #[pyo3(from_py_with = u64_of)] segment_bytes: u64,
        name: String,
        resolve: Py<PyAny>,
        restore: Py<PyAny>,
        allow_nonfinite: bool,
        rebuild_meta: bool,
        index_metadata: Option<Vec<String>>,
        durable_only: bool,
        #[pyo3(from_py_with = u64_of)] idempotency_window: u64,
        pins: Option<PathBuf>,
        #[pyo3(from_py_with = optional_u64)] checkpoint_events: Option<u64>,
        #[pyo3(from_py_with = optional_u64)] checkpoint_interval_ms: Option<u64>,
        adopt_key: bool,
    ) -> PyResult<Self> {
        let config = Config {
            create,
            read_only,
            signer: signing_key.map(|key| key.signer()),
            adopt_key,
            durability: promise(py, durability)?,
            interval: Duration::from_millis(interval_ms),
            segment_bytes,
            name,
            rebuild_meta,
            index_metadata,
            durable_only,
            idempotency_window,
            checkpoints: Policy {
                events: checkpoint_events,
                interval: checkpoint_interval_ms.map(Duration::from_millis),
            },
            background: path.background,
            pins: pins.map(|pins| Arc::new(DiskStorage::new(pins)) as _),
            ..Config::default()
        };
        let store = Arc::new(detached(py, || Store::open_with(path.storage, path.clock, config))?);
        let named = Named::new(py, store.journal_id())?;
        Ok(Self { store, named, resolve, restore, allow_nonfinite })
    }

    /// Writes one event.
    #[pyo3(signature = (coordinate, payload, kind, version, correlation_id, causation_id, metadata, private_metadata, durability, expect, key))]
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of Store.append")]
    fn append<'py>(
        &self,
        py: Python<'py>,
        coordinate: &Bound<'py, PyAny>,
        payload: &Bound<'py, PyAny>,
        kind: Option<&Bound<'py, PyAny>>,
        #[pyo3(from_py_with = optional_version)] version: Option<u16>,
        correlation_id: Option<&Bound<'py, PyAny>>,
        causation_id: Option<&Bound<'py, PyAny>>,
        metadata: Option<&Bound<'py, PyDict>>,
        private_metadata: Option<&Bound<'py, PyDict>>,
        durability: Option<&str>,
        expect: &Bound<'py, PyAny>,
        key: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let promised = durability.map(|text| promise(py, text)).transpose()?;
        let mut proposal = mapped(py, self.store.propose(promised))?;
        let arguments = Arguments {
            coordinate,
            payload,
            kind,
            version,
            correlation_id,
            causation_id,
            metadata,
            private_metadata,
            expect: Some(expect),
            key,
        };
        Self::with_scratch(|scratch| push(py, &mut proposal, &arguments, &self.context(), scratch))?;
        match self.write(py, &proposal)? {
            Batch::Frame(committed, leading) => of_frame(py, &self.named, &committed, leading),
            known @ Batch::Known(_) => self.receipts(py, known).at(py, 0),
        }
    }

    /// Writes many events as one frame.
    #[pyo3(signature = (items, kind, durability))]
    fn append_batch(
        &self,
        py: Python<'_>,
        items: &Bound<'_, PyAny>,
        kind: Option<&Bound<'_, PyAny>>,
        durability: Option<&str>,
    ) -> PyResult<Receipts> {
        let promised = durability.map(|text| promise(py, text)).transpose()?;
        let mut proposal = mapped(py, self.store.propose(promised))?;
        // A buffer of its own: iterating runs the caller's code, which may append.
        let mut scratch = Vec::new();
        for item in items.try_iter()? {
            push_item(&item?, kind, &mut proposal, &self.context(), &mut scratch)?;
        }
        let batch = self.write(py, &proposal)?;
        Ok(self.receipts(py, batch))
    }

    /// Nothing yet, to be filled by `push`.
    #[pyo3(signature = (durability))]
    fn propose(&self, py: Python<'_>, durability: Option<&str>) -> PyResult<CoreProposal> {
        let promised = durability.map(|text| promise(py, text)).transpose()?;
        Ok(CoreProposal::new(mapped(py, self.store.propose(promised))?))
    }

    /// Encodes one item, a Draft or a pair of coordinate and payload, and adds it to a proposal.
    #[pyo3(signature = (proposal, item, kind))]
    fn push(&self, proposal: &CoreProposal, item: &Bound<'_, PyAny>, kind: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        // A buffer of its own: encoding runs the caller's code, which may append.
        proposal.change(|proposal| push_item(item, kind, proposal, &self.context(), &mut Vec::new()))
    }

    /// Has a proposal say that it is written past these gates.
    fn bypass(
        &self,
        py: Python<'_>,
        proposal: &CoreProposal,
        approver: &str,
        reason: &str,
        gates: Vec<String>,
    ) -> PyResult<()> {
        proposal.change(|proposal| mapped(py, proposal.bypass(approver, reason, &gates, self.store.entropy())))
    }

    /// The receipts of what a proposal would write a second time, or None.
    fn known(&self, py: Python<'_>, proposal: &CoreProposal) -> PyResult<Option<Receipts>> {
        let proposal = proposal.read()?;
        let known = detached(py, || self.store.known(&proposal))?;
        Ok(known.map(|events| self.receipts(py, Batch::Known(events))))
    }

    /// Writes a proposal as one frame.
    fn commit(&self, py: Python<'_>, proposal: &CoreProposal) -> PyResult<Receipts> {
        let batch = self.write(py, &*proposal.read()?)?;
        Ok(self.receipts(py, batch))
    }

    /// Writes that gates refused a proposal; returns the receipt and the opening of its commitment.
    fn deny<'py>(
        &self,
        py: Python<'py>,
        proposal: &CoreProposal,
        verdicts: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyBytes>)> {
        let mut bytes = Vec::new();
        encode(verdicts, "verdicts", &mut bytes, false).map_err(|refusal| refusal.into_python(py))?;
        let verdicts = mapped(py, batpak_core::value::Value::decode(&bytes))?;
        let proposal = proposal.read()?;
        let opening = mapped(py, proposal.opening(self.store.entropy()))?;
        let appended = detached(py, || self.store.deny(&proposal, &opening, verdicts))?;
        let written = self.written(py, appended, &proposal)?;
        Ok((self.receipts(py, written).at(py, 0)?, PyBytes::new(py, &opening)))
    }

    /// Has another key sign from now on; returns the receipt of the event that says so.
    fn rotate_key<'py>(&self, py: Python<'py>, next: AnySigner<'_>) -> PyResult<Bound<'py, PyAny>> {
        let next = next.signer();
        let committed = detached(py, || self.store.rotate_key(&next))?;
        of_frame(py, &self.named, &Arc::new(committed), 0)
    }

    /// Revokes a key that is not in force any more; returns the receipt of the event that says so.
    fn revoke_key<'py>(&self, py: Python<'py>, key_id: [u8; 32], reason: &str) -> PyResult<Bound<'py, PyAny>> {
        let committed = detached(py, || self.store.revoke_key(&key_id, reason))?;
        of_frame(py, &self.named, &Arc::new(committed), 0)
    }

    /// Every lineage of the journal but the first: its id, the one before it, sequence of its event, root, whether it is a fork, what was
    /// given up, actor and reason.
    fn lineages<'py>(&self, py: Python<'py>) -> PyResult<Vec<Begun<'py>>> {
        mapped(py, self.store.lineages())?.into_iter().map(|begun| shown(py, begun)).collect()
    }

    /// Every key of the journal, in the order in which they came: key, sequence of its event, and of the event that revoked it.
    fn signing_keys(&self, py: Python<'_>) -> PyResult<Vec<(PublicKey, u64, Option<u64>)>> {
        let keys = mapped(py, self.store.keys())?;
        Ok(keys.into_iter().map(|period| (PublicKey { core: period.key }, period.from, period.revoked_at)).collect())
    }

    /// Waits until so many events have reached a mark; False after `timeout` seconds.
    #[pyo3(signature = (mark, events, timeout))]
    fn wait_for(
        &self,
        py: Python<'_>,
        mark: &str,
        #[pyo3(from_py_with = u64_of)] events: u64,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let mark = mark_of(py, mark)?;
        let seconds = |seconds: f64| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| plain(py, "InvalidInput", "timeout must be a number of seconds from 0 on, or None"))
        };
        let deadline = timeout.map(seconds).transpose()?.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let slice = left.unwrap_or(WAIT_SLICE).min(WAIT_SLICE);
            if detached(py, || self.store.wait_for(mark, events, Some(slice)))? {
                return Ok(true);
            }
            if left.is_some_and(|left| left <= slice) {
                return Ok(false);
            }
            py.check_signals()?;
        }
    }

    /// The last event of each mark, or None: accepted, written, durable, visible, each (sequence, hlc).
    fn marks<'py>(&self, py: Python<'py>) -> PyResult<[Point<'py>; 4]> {
        let Marks { accepted, written, durable, visible } = detached(py, || self.store.marks())?;
        let reached = |reached: Option<Mark>| {
            reached.map(|reached| Ok::<_, PyErr>((reached.sequence, shapes(py)?.hlc(py, reached.hlc)?))).transpose()
        };
        Ok([reached(accepted)?, reached(written)?, reached(durable)?, reached(visible)?])
    }

    /// The receipt of this thread's last append, if it went to this store.
    fn last_receipt<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let last = LAST.with_borrow(Clone::clone);
        let own = last.filter(|(store, _)| std::ptr::eq(store.as_ptr(), Arc::as_ptr(&self.store)));
        own.map(|(_, frame)| of_frame(py, &self.named, &frame, frame.len() - 1)).transpose()
    }

    /// One event.
    fn get(&self, py: Python<'_>, reference: &Bound<'_, PyAny>) -> PyResult<Event> {
        let reference = reference_of(py, reference)?;
        let event = detached(py, || self.store.get(reference))?;
        Ok(Event::new(py, event, &self.restore))
    }

    /// Events in commit order.
    #[pyo3(signature = (*, entity, entity_prefix, scope, kind, category, correlation, causation, metadata, after, until, since_us, before_us, reverse, limit, system))]
    #[expect(clippy::too_many_arguments, reason = "they are the filters of Store.query")]
    fn query(
        &self,
        py: Python<'_>,
        entity: Option<String>,
        entity_prefix: Option<String>,
        scope: Option<String>,
        kind: Option<&Bound<'_, PyAny>>,
        category: Option<u8>,
        correlation: Option<&Bound<'_, PyAny>>,
        causation: Option<&Bound<'_, PyAny>>,
        metadata: Option<Vec<(String, String)>>,
        #[pyo3(from_py_with = optional_u64)] after: Option<u64>,
        #[pyo3(from_py_with = optional_u64)] until: Option<u64>,
        since_us: Option<u64>,
        before_us: Option<u64>,
        reverse: bool,
        #[pyo3(from_py_with = optional_u64)] limit: Option<u64>,
        system: bool,
    ) -> PyResult<Events> {
        let query = Query {
            entity,
            entity_prefix,
            scope,
            kind: kind.map(kind_of).transpose()?.map(batpak_core::Kind::code),
            category,
            correlation: correlation.map(|id| id16(id, "correlation")).transpose()?,
            causation: causation.map(|id| id16(id, "causation")).transpose()?,
            metadata: metadata.unwrap_or_default(),
            after,
            until,
            since_us,
            before_us,
            reverse,
            limit,
            system,
        };
        let cursor = detached(py, || self.store.query(&query))?;
        Ok(Events::new(self.store(), self.restore.clone_ref(py), cursor, limit))
    }

    /// How often a read-only store was rewound, and how many of the events seen before still stand since the first `known` times.
    fn rewinds(&self, known: usize) -> (usize, Option<u64>) {
        self.store.rewinds(known)
    }

    /// Has a read-only store see what was written since; returns how many events are visible.
    fn refresh(&self, py: Python<'_>) -> PyResult<u64> {
        detached(py, || self.store.refresh())
    }

    /// An event and its ancestors.
    fn walk_ancestors(
        &self,
        py: Python<'_>,
        reference: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = optional_u64)] limit: Option<u64>,
    ) -> PyResult<Ancestors> {
        let reference = reference_of(py, reference)?;
        let event = detached(py, || self.store.get(reference))?;
        Ok(Ancestors::new(self.store(), self.restore.clone_ref(py), event, limit.unwrap_or(u64::MAX)))
    }

    /// Checks the whole journal.
    fn verify<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let signals = Signals::new();
        let result = detached(py, || self.store.verify(&|| signals.came()));
        verdict(py, &signals.settle(result)?)
    }

    /// The text of a checkpoint over everything written before.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<String> {
        Ok(detached(py, || self.store.checkpoint())?.note.encode())
    }

    /// The texts of the checkpoints that the journal keeps, oldest first.
    fn checkpoints(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let checkpoints = detached(py, || self.store.checkpoints())?;
        Ok(checkpoints.iter().map(|checkpoint| checkpoint.note.encode()).collect())
    }

    /// The root over the first events.
    fn root<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = optional_u64)] size: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (_, root) = detached(py, || self.store.root(size))?;
        Ok(PyBytes::new(py, &root))
    }

    /// Proves that an event is among the first events: its hash, its sequence, the size, the path.
    fn prove<'py>(
        &self,
        py: Python<'py>,
        reference: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = optional_u64)] size: Option<u64>,
    ) -> PyResult<InclusionParts<'py>> {
        let reference = reference_of(py, reference)?;
        Ok(inclusion_parts(py, &detached(py, || self.store.prove(reference, size))?))
    }

    /// Proves that the tree of one size goes on from another: the old size and root, the new ones, the path.
    fn prove_consistency<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = u64_of)] old: u64,
        #[pyo3(from_py_with = optional_u64)] new: Option<u64>,
    ) -> PyResult<ConsistencyParts<'py>> {
        Ok(consistency_parts(py, &detached(py, || self.store.prove_consistency(old, new))?))
    }

    /// The hashes of a tile of the tree over the first events, which must be synced.
    fn tile<'py>(
        &self,
        py: Python<'py>,
        level: u32,
        #[pyo3(from_py_with = u64_of)] number: u64,
        #[pyo3(from_py_with = u64_of)] size: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let hashes = detached(py, || self.store.tile(level, number, size))?;
        Ok(PyBytes::new(py, hashes.as_flattened()))
    }

    /// The entries of a tile of leaves, as C2SP tlog-tiles has them.
    fn tile_entries<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = u64_of)] number: u64,
        #[pyo3(from_py_with = u64_of)] size: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &detached(py, || self.store.tile_entries(number, size))?))
    }

    /// Whether it was opened for looking only.
    #[getter]
    fn read_only(&self) -> bool {
        self.store.is_read_only()
    }

    /// The key that signs now, or None.
    fn public_key(&self) -> Option<PublicKey> {
        self.store.public_key().map(|core| PublicKey { core })
    }

    /// Checks a receipt against the journal.
    fn verify_receipt<'py>(
        &self,
        py: Python<'py>,
        source: &ReceiptSource,
        public_key: Option<&PublicKey>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let receipt = receipt_of(py, source)?;
        let key = public_key.map(|key| &key.core);
        verdict(py, &detached(py, || self.store.verify_receipt(&receipt, key))?)
    }

    /// Makes every event durable; returns how many there are.
    fn sync(&self, py: Python<'_>) -> PyResult<u64> {
        let written = mapped(py, self.store.written())?;
        self.wait(py, written)?;
        mapped(py, self.store.durable())
    }

    /// Figures about the store, as a dict.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize::pythonize(py, &detached(py, || self.store.stats())?)?)
    }

    /// How the open went, as a dict.
    fn open_report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize::pythonize(py, self.store.report())?)
    }

    /// Number of events, the journal's own included.
    fn events(&self, py: Python<'_>) -> PyResult<u64> {
        mapped(py, self.store.events())
    }

    /// The journal's id.
    #[getter]
    fn journal_id(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.named.of(py, &self.store.journal_id()).map(Bound::unbind)
    }

    /// The journal's name.
    #[getter]
    fn name(&self) -> &str {
        self.store.name()
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.store.is_closed()
    }

    /// Whether this is a forked child's copy.
    #[getter]
    fn forked(&self) -> bool {
        self.store.is_forked()
    }

    /// Closes the store.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.store.close())
    }

    /// For the at-fork handler: marks the child's copy of this handle dead.
    fn after_fork_in_child(&self) {
        self.store.after_fork_in_child();
        crate::ahead::after_fork_in_child();
    }
}

impl CoreStore {
    /// Lends this thread's buffer; a walk that runs the caller's code and appends again gets one of its own.
    fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> PyResult<T>) -> PyResult<T> {
        let mut scratch = SCRATCH.take();
        let result = work(&mut scratch);
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(scratch);
        }
        result
    }
}
