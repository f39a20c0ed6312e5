//! The queue of waiting jobs: bounded, and fair between organisations.
//!
//! Organisations take turns; within one organisation the first job submitted runs first. So a developer with a
//! hundred waiting jobs delays another's single job by at most one turn.

use std::collections::VecDeque;

use glovebox_catalog::{JobId, OrganisationId};

/// Why a job can't wait here now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The whole queue is full.
    Queue,
    /// The organisation has its share waiting already.
    Organisation,
}

/// Waiting jobs.
#[derive(Debug)]
pub(crate) struct FairQueue {
    jobs_max: usize,
    per_organisation_max: usize,
    /// Organisations with waiting jobs; the front one's turn is next.
    turns: VecDeque<(OrganisationId, VecDeque<JobId>)>,
}

impl FairQueue {
    pub(crate) fn new(jobs_max: usize, per_organisation_max: usize) -> Self {
        Self { jobs_max, per_organisation_max, turns: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.turns.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    /// Whether one more job of `organisation` could wait.
    pub(crate) fn room(&self, organisation: &OrganisationId) -> Result<(), Full> {
        let waiting = self.turns.iter().find(|(other, _)| other == organisation).map_or(0, |(_, jobs)| jobs.len());
        if self.len() >= self.jobs_max {
            Err(Full::Queue)
        } else if waiting >= self.per_organisation_max {
            Err(Full::Organisation)
        } else {
            Ok(())
        }
    }

    /// Adds a job at the end of its organisation's line. Whether there is room is asked before, by [`Self::room`];
    /// jobs found at a restart are let in over the bound, since they were accepted before.
    pub(crate) fn push(&mut self, organisation: OrganisationId, job: JobId) {
        match self.turns.iter_mut().find(|(other, _)| *other == organisation) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.turns.push_back((organisation, VecDeque::from([job]))),
        }
    }

    /// Takes the next job and moves its organisation to the end of the turns.
    pub(crate) fn pop(&mut self) -> Option<JobId> {
        let (organisation, mut jobs) = self.turns.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.turns.push_back((organisation, jobs));
        }
        job
    }

    /// Takes `job` out, wherever it waits.
    pub(crate) fn remove(&mut self, job: &JobId) -> bool {
        let before = self.len();
        for (_, jobs) in &mut self.turns {
            jobs.retain(|waiting| waiting != job);
        }
        self.turns.retain(|(_, jobs)| !jobs.is_empty());
        self.len() < before
    }

    /// Jobs that will start before `job`; none when it does not wait.
    pub(crate) fn position(&self, job: &JobId) -> Option<u32> {
        let (turn, place) =
            self.turns.iter().enumerate().find_map(|(turn, (_, jobs))| {
                jobs.iter().position(|waiting| waiting == job).map(|place| (turn, place))
            })?;
        // In every round each organisation before this one starts a job, and each after it one in all rounds but the last.
        let ahead = self.turns.iter().enumerate().map(|(other, (_, jobs))| match other.cmp(&turn) {
            std::cmp::Ordering::Less => jobs.len().min(place + 1),
            std::cmp::Ordering::Equal => place,
            std::cmp::Ordering::Greater => jobs.len().min(place),
        });
        u32::try_from(ahead.sum::<usize>()).ok()
    }

    /// Waiting jobs in the order of the turns.
    pub(crate) fn jobs(&self) -> Vec<JobId> {
        let mut jobs: Vec<_> = self.turns.iter().flat_map(|(_, jobs)| jobs.iter().cloned()).collect();
        jobs.sort_by_key(|job| self.position(job));
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobId {
        JobId::new(name).unwrap()
    }

    fn organisation(name: &str) -> OrganisationId {
        OrganisationId::new(name).unwrap()
    }

    fn filled() -> FairQueue {
        let mut queue = FairQueue::new(6, 4);
        for name in ["a1", "a2", "a3"] {
            queue.push(organisation("a"), job(name));
        }
        queue.push(organisation("b"), job("b1"));
        queue
    }

    #[test]
    fn organisations_take_turns() {
        let mut queue = filled();
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["a1", "b1", "a2", "a3"].map(job));
    }

    #[test]
    fn positions_foretell_the_order() {
        let mut queue = filled();
        queue.push(organisation("c"), job("c1"));
        queue.push(organisation("c"), job("c2"));
        let foretold = queue.jobs();
        for (place, job) in foretold.iter().enumerate() {
            assert_eq!(queue.position(job), Some(place as u32));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, foretold);
    }

    #[test]
    fn both_bounds_hold() {
        let mut queue = filled();
        assert_eq!(queue.room(&organisation("a")), Ok(()));
        queue.push(organisation("a"), job("a4"));
        assert_eq!(queue.room(&organisation("a")), Err(Full::Organisation));
        queue.push(organisation("b"), job("b2"));
        assert_eq!(queue.room(&organisation("c")), Err(Full::Queue));
    }

    #[test]
    fn a_cancelled_job_leaves() {
        let mut queue = filled();
        assert!(queue.remove(&job("b1")));
        assert!(!queue.remove(&job("b1")));
        assert_eq!(queue.position(&job("b1")), None);
        assert_eq!(queue.len(), 3);
    }
}
