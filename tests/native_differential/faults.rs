//! Faults on purpose: at one call of a port, before or after its effect, or while it is awaited.

use std::cell::Cell;
use std::task::Poll;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The call fails and did nothing.
    Before,
    /// The call did what it should, and fails.
    After,
    /// The request is broken off at the next call that waits.
    Cancelled,
}

/// Which call goes wrong, of all calls of both ports.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    calls: Cell<u64>,
    planned: Cell<Option<(u64, Kind)>>,
    struck: Cell<bool>,
    last: Cell<Option<Kind>>,
}

/// The words of an engine that fails: those of a disk, which no statement is guilty of.
pub(crate) const WORDS: &str = "disk I/O error: SQLITE_IOERR";

impl Faults {
    /// Plans a fault so many calls from now.
    pub(crate) fn plan(&self, calls: u64, kind: Kind) {
        self.planned.set(Some((self.calls.get() + calls, kind)));
        self.struck.set(false);
    }

    /// Forgets a fault that did not happen yet.
    pub(crate) fn clear(&self) {
        self.planned.set(None);
    }

    /// Whether the planned fault happened; asked once.
    pub(crate) fn take_struck(&self) -> bool {
        self.struck.take()
    }

    /// Counts a call that does not wait, and answers what goes wrong in it.
    pub(crate) fn call(&self) -> Option<Kind> {
        self.calls.set(self.calls.get() + 1);
        let (at, kind) = self.planned.get()?;
        if kind == Kind::Cancelled || self.calls.get() < at {
            return None;
        }
        self.strike(kind);
        Some(kind)
    }

    /// Counts a call that waits, and answers what goes wrong in it.
    pub(crate) fn wait(&self) -> Option<Kind> {
        let (at, kind) = self.planned.get().unwrap_or((u64::MAX, Kind::Before));
        if kind == Kind::Cancelled && self.calls.get() + 1 >= at {
            self.calls.set(self.calls.get() + 1);
            self.strike(kind);
            return Some(kind);
        }
        self.call()
    }

    fn strike(&self, kind: Kind) {
        self.last.set(Some(kind));
        self.planned.set(None);
        self.struck.set(true);
    }
}

/// Waits for ever.
pub(crate) async fn never() {
    std::future::poll_fn(|_| Poll::<()>::Pending).await;
}
