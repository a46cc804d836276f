//! The end of an open store.

use std::sync::atomic::Ordering;

use crate::append;
use crate::error::Result;
use crate::heads::Reason;
use crate::indexer::Indexer;
use crate::store::Store;
use crate::writer::Writer;

impl Store {
    /// Makes everything durable, writes the head, gives the lock back. The second call does nothing. After an error the store is closed
    /// all the same, and what was not durable is in doubt.
    pub fn close(&self) -> Result<()> {
        if self.is_forked() {
            return Ok(());
        }
        self.inner.number.refuse_while_signing()?;
        // Whoever signs elsewhere has the turn, and its frame is written before this goes on.
        let turn = self.inner.turn.lock();
        let mut writer = self.inner.writer.lock();
        if self.inner.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.inner.watch.tell();
        let outcome = writer.take().map_or(Ok(()), |mut writer| self.finish(&mut writer));
        drop(writer);
        drop(turn);
        let outcome = outcome.and_then(|()| self.state());
        if let Some(indexer) = &self.inner.indexer {
            self.finish_indexes(indexer, outcome.is_ok());
        }
        if let Some(commit) = &self.inner.commit {
            commit.stop();
        }
        if let Some(due) = &self.inner.checkpoint_due {
            due.stop();
        }
        for thread in [&self.interval_thread, &self.checkpoint_thread] {
            if let Some(thread) = thread.lock().take() {
                // It panics nowhere; and if it did, the log is complete without it.
                let _ = thread.join();
            }
        }
        self.inner.files.close();
        drop(self.inner.lock.lock().take());
        outcome
    }

    /// Puts into files what the next open would otherwise have to read again.
    fn finish_indexes(&self, indexer: &Indexer, clean: bool) {
        indexer.stop();
        let index = &self.inner.index;
        if clean && index.first_collected().is_some() {
            indexer.catch_up(index);
        }
        let span = index.tail_span();
        let base = index.parts_from(span.segment).first().map_or(0, |part| part.span().end);
        if clean && span.end.saturating_sub(base) > self.inner.config.unindexed_bytes.max(base / 8) {
            indexer.save_tail(index);
        }
    }

    fn finish(&self, writer: &mut Writer) -> Result<()> {
        let parts = self.inner.parts()?;
        parts.commit.check()?;
        parts.commit.alone(|| writer.active.finish())?;
        parts.commit.rotated(append::written(writer))?;
        if writer.last_head_size < writer.next_sequence {
            append::seal_head(parts.index, parts.tree, writer, Reason::Closed)?;
        }
        Ok(())
    }

    /// The checkpoint of a close. The writer's lock is free: who signs may be elsewhere, and look at the store.
    fn state(&self) -> Result<()> {
        let inner = &self.inner;
        match inner.notary.as_ref().filter(|notary| notary.is_wanted()) {
            Some(notary) => notary.state(&inner.origin(), || inner.tree.catch_up(&inner.index)).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.is_forked() {
            if let Some(indexer) = &self.inner.indexer {
                indexer.forget_thread();
            }
            // The threads belong to the parent.
            std::mem::forget(self.interval_thread.lock().take());
            std::mem::forget(self.checkpoint_thread.lock().take());
            return;
        }
        // Nobody is left to tell; what was written is in the operating system's hands, and the next open finds it.
        let _ = self.close();
    }
}
