//! Rounds: one head after another is taken to all witnesses, until enough of them cosigned it.
//!
//! A head stays the one of its round until enough have cosigned it, since cosignatures of different heads don't add up; it is
//! replaced once every witness had its time, or when one of them can never cosign it. Each witness is asked by itself: one that
//! is away holds nobody up, and is asked again and again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use glovebox_audit::{Cosignature, SignedTreeHead, WitnessPolicy};
use glovebox_witness::Client;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::asking::{Trouble, ask};
use super::{CALL_TIMEOUT, Cosigned, Witnesses, kept, lock};
use crate::{Engine, EngineError, Inner};

/// How often the rounds look around when nobody calls.
const TICK: Duration = Duration::from_secs(1);
/// A log that grew without anybody waiting is cosigned after this long.
const REST: Duration = Duration::from_secs(60);
/// First and longest pause before a witness is asked again that did not cosign.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long ends may wait before the operator's log says so, and how often it says it again.
const STUCK_AFTER: Duration = Duration::from_secs(10);
const STUCK_AGAIN: Duration = Duration::from_secs(60);

struct Rounds {
    enclave: Weak<Inner>,
    policy: WitnessPolicy,
    clients: Vec<Client>,
    called: Arc<Notify>,
    /// The head of the round with its cosignatures so far; none before the first.
    target: Option<Cosigned>,
    begun: Instant,
    /// A witness can't ever cosign the head of this round: a newer one tells more.
    is_hopeless: bool,
    asked: JoinSet<(usize, SignedTreeHead, Result<Cosignature, Trouble>)>,
    each: Vec<Each>,
    stuck_from: Option<Instant>,
}

/// One witness, as the rounds see it.
#[derive(Clone, Copy)]
struct Each {
    is_asked: bool,
    /// The size that it is taken to know.
    known: u64,
    pause: Duration,
    not_before: Instant,
}

impl Engine {
    /// Lets the log be cosigned for as long as the enclave is there.
    pub(crate) fn keep_witnessed(&self) {
        let Some(Witnesses { policy, clients, called, .. }) = &self.inner.witnesses else { return };
        let now = Instant::now();
        let each = Each { is_asked: false, known: 0, pause: PAUSE_MIN, not_before: now };
        let rounds = Rounds {
            enclave: Arc::downgrade(&self.inner),
            policy: policy.clone(),
            clients: clients.clone(),
            called: called.clone(),
            target: None,
            begun: now,
            is_hopeless: false,
            asked: JoinSet::new(),
            each: vec![each; clients.len()],
            stuck_from: None,
        };
        tokio::spawn(rounds.run());
    }

    /// Makes a cosigned head the newest one, on disk first, and tells the ends that it covers.
    fn cover(&self, witnesses: &Witnesses, cosigned: Cosigned) -> Result<(), EngineError> {
        let key = self.inner.key.verifying_key();
        if !kept::holds(&cosigned, &witnesses.policy, key) {
            return Err(EngineError::Internal("too few witnesses cosigned a head".to_owned()));
        }
        let size = cosigned.head.head.size;
        kept::write(&witnesses.state, &cosigned)?;
        *lock(&witnesses.cosigned) = Some(cosigned);
        witnesses.covered.fetch_max(size, Ordering::AcqRel);
        self.tell_covered_ends(witnesses);
        Ok(())
    }
}

impl Rounds {
    async fn run(mut self) {
        while self.choose_target().await.is_some() {
            self.ask_all();
            self.say_when_stuck();
            tokio::select! {
                Some(answer) = self.asked.join_next() => {
                    if let Ok((index, head, answer)) = answer
                        && self.take(index, &head, answer).await.is_none()
                    {
                        return;
                    }
                }
                () = self.called.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    fn engine(&self) -> Option<Engine> {
        Some(Engine { inner: self.enclave.upgrade()? })
    }

    /// Begins a round with the newest head, once the one before has enough cosignatures and somebody waits for more. None
    /// when the enclave is gone.
    async fn choose_target(&mut self) -> Option<()> {
        let engine = self.engine()?;
        let witnesses = engine.inner.witnesses.as_ref()?;
        let (covered, wanted) = (witnesses.covered(), witnesses.wanted.load(Ordering::Acquire));
        let is_reached = self.target.as_ref().is_none_or(|target| target.head.head.size <= covered);
        let is_due = self.target.is_none() || wanted > covered || self.begun.elapsed() >= REST;
        let is_over = self.is_hopeless || self.begun.elapsed() >= CALL_TIMEOUT;
        if !(is_reached && is_due || !is_reached && is_over) {
            return Some(());
        }
        self.is_hopeless = false;
        let before = witnesses.cosigned();
        let head = tokio::task::spawn_blocking(move || engine.signed_head()).await;
        match head {
            Ok(Ok(head)) => {
                // What was gathered for this very head stays.
                let kept = self.target.take().into_iter().chain(before).find(|kept| kept.head == head);
                self.target = Some(kept.unwrap_or(Cosigned { head, cosignatures: Vec::new() }));
                self.begun = Instant::now();
            }
            Ok(Err(error)) => tracing::error!(%error, "no head of the log can be signed for the witnesses"),
            Err(_) => return None,
        }
        Some(())
    }

    /// Asks every witness whose cosignature is missing and that is not being asked.
    fn ask_all(&mut self) {
        let Some(target) = &self.target else { return };
        let now = Instant::now();
        let witnesses = self.policy.witnesses().iter().zip(&self.clients).zip(&mut self.each);
        for (index, ((witness, client), each)) in witnesses.enumerate() {
            let is_there = target.cosignatures.iter().any(|cosignature| cosignature.witness == witness.name);
            if is_there || each.is_asked || now < each.not_before {
                continue;
            }
            each.is_asked = true;
            let asking = ask(self.enclave.clone(), client.clone(), witness.clone(), target.head.clone(), each.known);
            let head = target.head.clone();
            self.asked.spawn(async move { (index, head, asking.await) });
        }
    }

    /// Takes an answer. None when the enclave is gone.
    async fn take(&mut self, index: usize, head: &SignedTreeHead, answer: Result<Cosignature, Trouble>) -> Option<()> {
        let engine = self.engine()?;
        engine.inner.witnesses.as_ref()?.note(index, head.head.size, answer.as_ref().err());
        let each = self.each.get_mut(index)?;
        each.is_asked = false;
        let cosignature = match answer {
            Ok(cosignature) => cosignature,
            Err(trouble) => {
                self.is_hopeless |= matches!(trouble, Trouble::Ahead { .. } | Trouble::Forked { .. });
                each.not_before = Instant::now() + each.pause;
                each.pause = (each.pause * 2).min(PAUSE_MAX);
                return Some(());
            }
        };
        (each.known, each.pause) = (head.head.size, PAUSE_MIN);
        let Some(target) = self.target.as_mut().filter(|target| target.head == *head) else { return Some(()) };
        target.cosignatures.push(cosignature);
        if target.cosignatures.len() < self.policy.required() {
            return Some(());
        }
        let cosigned = target.clone();
        let covered = tokio::task::spawn_blocking(move || match &engine.inner.witnesses {
            Some(witnesses) => engine.cover(witnesses, cosigned),
            None => Ok(()),
        });
        match covered.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "a cosigned head can't be kept, so nothing is told");
                // Asked for again, so that another try follows.
                target.cosignatures.clear();
                self.each.iter_mut().for_each(|each| each.not_before = Instant::now() + PAUSE_MAX);
            }
            Err(_) => return None,
        }
        Some(())
    }

    /// Says in the operator's log that ends wait, and for whom.
    fn say_when_stuck(&mut self) {
        let Some(engine) = self.engine() else { return };
        let Some(witnesses) = &engine.inner.witnesses else { return };
        if witnesses.covered() >= witnesses.wanted.load(Ordering::Acquire) {
            self.stuck_from = None;
            return;
        }
        let from = *self.stuck_from.get_or_insert(Instant::now() + STUCK_AFTER);
        if Instant::now() >= from {
            self.stuck_from = Some(Instant::now() + STUCK_AGAIN);
            let missing = witnesses.figures().into_iter().filter(|figures| !figures.is_cosigning);
            let missing: Vec<_> = missing.map(|figures| figures.witness).collect();
            tracing::error!(
                required = self.policy.required(),
                missing = missing.join(", "),
                "no job reads rows and no end is told until enough witnesses are there"
            );
        }
    }
}

impl Witnesses {
    /// Notes how a witness answered, and says in the operator's log when that changed.
    fn note(&self, index: usize, size: u64, trouble: Option<&Trouble>) {
        let mut standing = lock(&self.standing);
        let Some(figures) = standing.get_mut(index) else { return };
        let trouble_before = figures.trouble.take();
        let was_cosigning = figures.is_cosigning;
        figures.is_cosigning = trouble.is_none();
        figures.trouble = trouble.map(ToString::to_string);
        let witness = figures.witness.as_str();
        match trouble {
            None => {
                figures.size = size;
                if !was_cosigning {
                    tracing::info!(witness, events = size, "a witness cosigns");
                }
            }
            Some(Trouble::Stopped) => {}
            Some(trouble) if figures.trouble == trouble_before => {
                tracing::debug!(witness, %trouble, "still no cosignature")
            }
            Some(trouble @ (Trouble::Ahead { .. } | Trouble::Forked { .. })) => {
                tracing::error!(witness, %trouble, "a witness does not cosign");
            }
            Some(trouble) => tracing::warn!(witness, %trouble, "a witness does not cosign"),
        }
    }
}
