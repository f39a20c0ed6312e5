//! Compiling apart from those who wait for it: one module at a time, in a thread of its own, for so long.
//!
//! A compiler can't be stopped inside a function, and its memory is that of the module at hand. So what bounds both is what
//! inspection lets through (caps.rs); the turn bounds how many such modules are at work at a time, and the deadline how long a
//! worker waits for one. A thread whose module took too long ends by itself, and holds the turn until then.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glovebox_catalog::Refusal;

use crate::SandboxError;
use crate::host::host;

/// Whose turn it is to compile.
#[derive(Clone, Default)]
pub(crate) struct Turn(Arc<(Mutex<bool>, Condvar)>);

/// The turn, taken; given back when dropped, by a panic as well.
pub(crate) struct Taken(Turn);

impl Turn {
    /// Waits until nobody else compiles. Each who does is through in seconds: its module is within the caps.
    pub(crate) fn take(&self) -> Taken {
        let (is_taken, given_back) = &*self.0;
        let mut is_taken: MutexGuard<'_, bool> = is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_taken {
            is_taken = given_back.wait(is_taken).unwrap_or_else(PoisonError::into_inner);
        }
        *is_taken = true;
        drop(is_taken);
        Taken(self.clone())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let (is_taken, given_back) = &*self.0.0;
        *is_taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        given_back.notify_one();
    }
}

/// Runs `compile` in a thread that holds the turn until it is done; waits for it until `deadline` is over.
pub(crate) fn compile_apart<T: Send + 'static>(
    turn: Taken,
    deadline: Duration,
    compile: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, SandboxError> {
    let (sender, receiver) = sync_channel(1);
    let work = move || {
        let _turn = turn;
        // Nobody may wait any more.
        let _ = sender.send(compile());
    };
    std::thread::Builder::new().name("sandbox-compile".to_owned()).spawn(work).map_err(host("start a compiler"))?;
    match receiver.recv_timeout(deadline) {
        Ok(compiled) => compiled,
        Err(RecvTimeoutError::Timeout) => Err(SandboxError::Interface(too_complex(deadline))),
        Err(RecvTimeoutError::Disconnected) => {
            Err(SandboxError::Host { what: "compile the module", detail: "the compiler panicked".to_owned() })
        }
    }
}

fn too_complex(deadline: Duration) -> Refusal {
    Refusal::new(
        "sandbox.too-complex",
        format!("a module compiles within {} seconds", deadline.as_secs_f64()),
        "the module",
        "make the module smaller; large tables belong in data, not in code",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;

    #[test]
    fn whoever_takes_too_long_is_refused_and_keeps_the_turn_until_done() {
        let turn = Turn::default();
        let (release, held) = sync_channel::<()>(1);
        let wait = Duration::from_millis(20);
        let refused = compile_apart(turn.take(), wait, move || held.recv().map_err(host("wait")));
        assert!(matches!(refused, Err(SandboxError::Interface(reason)) if reason.code == "sandbox.too-complex"));
        let next = std::thread::spawn(move || drop(turn.take()));
        std::thread::sleep(wait);
        assert!(!next.is_finished(), "the turn is not free while the first still works");
        release.send(()).unwrap();
        next.join().unwrap();
    }

    #[test]
    fn one_compiles_at_a_time_and_a_panic_gives_the_turn_back() {
        let (turn, at_once) = (Turn::default(), Arc::new(AtomicUsize::new(0)));
        let compile = |number: usize| {
            let (turn, at_once) = (turn.clone(), Arc::clone(&at_once));
            std::thread::spawn(move || {
                compile_apart(turn.take(), Duration::from_secs(60), move || {
                    assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    std::thread::sleep(Duration::from_millis(2));
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    assert!(number != 3, "the compiler panics over one of them");
                    Ok(number)
                })
            })
        };
        let start = Instant::now();
        let compiling: Vec<_> = (0..8).map(compile).collect();
        let compiled: Vec<_> = compiling.into_iter().map(|thread| thread.join().unwrap().ok()).collect();
        assert_eq!(compiled, [Some(0), Some(1), Some(2), None, Some(4), Some(5), Some(6), Some(7)]);
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
