//! Going down in an order that a reader can follow.
//!
//! 1. Shutdown is asked for: listeners close their sockets, `/readyz` says no, event streams end, idle connections
//!    close, and whoever is in the middle of a request finishes it.
//! 2. When all have ended, or the grace is over, it is forced: what is left is dropped.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by everything that runs while the server does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shutdown {
    asked: CancellationToken,
    forced: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// Runs `work` until it ends or shutdown is asked for, which gives none.
    pub(crate) async fn unless_asked<F: Future>(&self, work: F) -> Option<F::Output> {
        self.asked.run_until_cancelled(work).await
    }

    /// Runs `work` until it ends or shutdown is forced, which gives none.
    pub(crate) async fn unless_forced<F: Future>(&self, work: F) -> Option<F::Output> {
        self.forced.run_until_cancelled(work).await
    }

    /// Runs `work` as a task of its own that the shutdown waits for.
    pub(crate) fn track<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(work)
    }

    /// Whether shutdown was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Whether shutdown was forced.
    pub(crate) fn is_forced(&self) -> bool {
        self.forced.is_cancelled()
    }

    /// Asks for shutdown, and returns at once.
    pub(crate) fn ask(&self) {
        self.asked.cancel();
        self.tasks.close();
    }

    /// Waits for everything to end; after `grace`, forces it. True when nothing had to be forced.
    pub(crate) async fn wait(&self, grace: Duration) -> bool {
        let in_time = tokio::time::timeout(grace, self.tasks.wait()).await.is_ok();
        self.forced.cancel();
        // What is left holds no more than a connection, and sees the token at its next turn.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.wait()).await;
        in_time
    }
}
