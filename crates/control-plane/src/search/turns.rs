//! Whose turn it is to be read: at most so many in a round, who waits longest first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parallax_api::AgentId;
use tokio::time::Instant;

use super::unread::Unread;

/// How often an agent is read at most.
const READ_INTERVAL: Duration = Duration::from_secs(5);
/// When an agent that could not be read is tried again, and its runtime, where that did not answer.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Agents that are read one after the other before events are looked at again.
const ROUND: usize = 32;
/// Of these, places for who could not be read when it was last tried: such an agent keeps few others waiting, and comes to its turn however many
/// others there are.
const RETRIED_IN_ROUND: usize = 2;

/// Agents of a runtime that nobody answers for, one after the other, before the runtime rests: each took its time, and others wait.
const SILENT_IN_A_ROW: usize = 3;

/// Why an agent could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its runtime answered.
    Told,
    /// There was no answer for it, though its runtime is there: its host may be held.
    Silence,
    /// Its runtime does not answer at all.
    RuntimeSilence,
}

/// Who is to be read, and who not yet.
#[derive(Debug)]
pub(super) struct Turns {
    /// Who may have more to read, and since when.
    due: HashMap<AgentId, Instant>,
    /// Who is not read before.
    not_before: HashMap<AgentId, Instant>,
    /// Which runtime is not asked before.
    resting: HashMap<String, Instant>,
    /// How many of its agents were silent, one after the other, for each runtime.
    silent: HashMap<String, usize>,
    /// Who could not be read when it was last tried.
    failed: HashSet<AgentId>,
    unread: Arc<Unread>,
}

impl Turns {
    /// Nobody is to be read. Who cannot be is noted in `unread`.
    pub(super) fn new(unread: Arc<Unread>) -> Self {
        Self {
            due: HashMap::new(),
            not_before: HashMap::new(),
            resting: HashMap::new(),
            silent: HashMap::new(),
            failed: HashSet::new(),
            unread,
        }
    }

    /// This agent may have more to read.
    pub(super) fn add(&mut self, id: AgentId, now: Instant) {
        self.due.entry(id).or_insert(now);
    }

    /// Whether nobody has more to read.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Who is read now, with the runtime of each.
    pub(super) fn round(
        &mut self,
        now: Instant,
        runtime_of: impl Fn(&AgentId) -> Option<String>,
    ) -> Vec<(AgentId, String)> {
        self.not_before.retain(|_, at| *at > now);
        self.resting.retain(|_, at| *at > now);
        let is_late = |id: &&AgentId| !self.not_before.contains_key(*id);
        let late: Vec<AgentId> = self.due.keys().filter(is_late).cloned().collect();
        let (mut tried_again, mut others) = (Vec::new(), Vec::new());
        for id in late {
            let Some(runtime) = runtime_of(&id) else {
                self.due.remove(&id);
                self.failed.remove(&id);
                continue;
            };
            if !self.puts_off(&id, &runtime, now) {
                let row = if self.failed.contains(&id) { &mut tried_again } else { &mut others };
                row.push((self.due[&id], id, runtime));
            }
        }
        for row in [&mut tried_again, &mut others] {
            row.sort_by_key(|(since, ..)| *since);
        }
        others.truncate(ROUND - tried_again.len().min(RETRIED_IN_ROUND));
        // What the others leave is theirs, too. They come last: each may take all the time that one may.
        tried_again.truncate(ROUND - others.len());
        let round = others.into_iter().chain(tried_again).map(|(_, id, runtime)| (id, runtime));
        let round: Vec<_> = round.collect();
        for (id, _) in &round {
            self.due.remove(id);
            self.not_before.insert(id.clone(), now + READ_INTERVAL);
        }
        round
    }

    /// Whether the agent has to wait, because its runtime did not answer for another one.
    pub(super) fn puts_off(&mut self, id: &AgentId, runtime: &str, now: Instant) -> bool {
        let Some(at) = self.resting.get(runtime) else { return false };
        self.not_before.insert(id.clone(), *at);
        self.due.insert(id.clone(), now);
        self.unread.insert(id);
        true
    }

    /// The agent was read; there is still more unless `is_whole`.
    pub(super) fn was_read(&mut self, id: AgentId, runtime: &str, is_whole: bool, now: Instant) {
        self.silent.remove(runtime);
        self.failed.remove(&id);
        self.unread.remove(&id);
        if !is_whole {
            self.add(id, now);
        }
    }

    /// The agent could not be read.
    pub(super) fn was_refused(&mut self, id: AgentId, runtime: String, why: Refusal, now: Instant) {
        let again = now + RETRY_AFTER;
        let silent = match why {
            Refusal::Told => 0,
            Refusal::Silence => self.silent.get(&runtime).map_or(1, |before| before + 1),
            Refusal::RuntimeSilence => SILENT_IN_A_ROW,
        };
        if silent >= SILENT_IN_A_ROW {
            self.silent.remove(&runtime);
            self.resting.insert(runtime, again);
        } else {
            self.silent.insert(runtime, silent);
        }
        self.unread.insert(&id);
        self.failed.insert(id.clone());
        self.not_before.insert(id.clone(), again);
        // Behind those who had to wait for it: one that can never be read must not be what stops its runtime each time.
        self.add(id, again);
    }

    /// Somebody asks for what could not be read: nobody waits longer than between two reads.
    pub(super) fn hasten(&mut self, now: Instant) {
        for at in self.not_before.values_mut() {
            *at = (now + READ_INTERVAL).min(*at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn here(_: &AgentId) -> Option<String> {
        Some("local".into())
    }

    #[test]
    fn who_failed_comes_to_its_turn_among_many_others() {
        let mut turns = Turns::new(Arc::default());
        let mut now = Instant::now();
        let bad: Vec<AgentId> = (0..70).map(|_| AgentId::generate()).collect();
        for id in &bad {
            turns.was_refused(id.clone(), "local".into(), Refusal::Told, now);
        }
        let mut tried = HashSet::new();
        now += RETRY_AFTER;
        for _ in 0..40 {
            // Always more than are read in a round.
            (0..ROUND * 2).for_each(|_| turns.add(AgentId::generate(), now));
            let round = turns.round(now, here);
            assert_eq!(round.len(), ROUND);
            for (index, (id, runtime)) in round.into_iter().enumerate() {
                if bad.contains(&id) {
                    assert!(index >= ROUND - RETRIED_IN_ROUND, "the others come first");
                    turns.was_refused(id.clone(), runtime, Refusal::Told, now);
                    tried.insert(id);
                } else {
                    turns.was_read(id, "local", true, now);
                }
            }
            now += SECOND;
        }
        // Also when the first of them could be tried once more before the last one's turn.
        assert_eq!(tried.len(), bad.len());
    }

    #[test]
    fn with_nobody_else_the_whole_round_is_theirs() {
        let mut turns = Turns::new(Arc::default());
        let now = Instant::now();
        for _ in 0..40 {
            turns.was_refused(AgentId::generate(), "local".into(), Refusal::Told, now);
        }
        assert!(turns.round(now, here).is_empty(), "not yet");
        turns.hasten(now);
        assert_eq!(turns.round(now + READ_INTERVAL, here).len(), ROUND);
    }

    #[test]
    fn who_waits_longest_is_first_and_who_is_gone_is_not_waited_for() {
        let mut turns = Turns::new(Arc::default());
        let now = Instant::now();
        let [first, second, gone] = [0, 1, 2].map(|_| AgentId::generate());
        turns.add(second.clone(), now + SECOND);
        turns.add(first.clone(), now);
        turns.add(first.clone(), now + 2 * SECOND);
        turns.add(gone.clone(), now);
        let at = now + 3 * SECOND;
        let round = turns.round(at, |id| (*id != gone).then(|| "local".into()));
        assert_eq!(round.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [first.clone(), second]);
        assert!(turns.is_empty());
        turns.add(first, at);
        assert!(turns.round(at, here).is_empty(), "it was read a moment ago");
    }

    #[test]
    fn who_is_never_answered_for_does_not_keep_the_others_of_its_runtime_waiting() {
        let mut turns = Turns::new(Arc::default());
        let mut now = Instant::now();
        let [paused, well] = [0, 1].map(|_| AgentId::generate());
        for id in [&paused, &well] {
            turns.was_refused(id.clone(), "local".into(), Refusal::RuntimeSilence, now);
            now += SECOND;
        }
        let mut read = false;
        for _ in 0..3 {
            now += RETRY_AFTER;
            for (id, runtime) in turns.round(now, here) {
                if turns.puts_off(&id, &runtime, now) {
                    continue;
                }
                match id == paused {
                    true => turns.was_refused(id, runtime, Refusal::RuntimeSilence, now),
                    false => {
                        turns.was_read(id, "local", true, now);
                        read = true;
                    }
                }
            }
        }
        assert!(read, "the other one never came to its turn");
    }

    #[test]
    fn a_runtime_that_does_not_answer_takes_nobodys_place() {
        let unread = Arc::new(Unread::default());
        let mut turns = Turns::new(unread.clone());
        let now = Instant::now();
        let away: Vec<AgentId> = (0..100).map(|_| AgentId::generate()).collect();
        turns.was_refused(away[0].clone(), "away".into(), Refusal::RuntimeSilence, now);
        away.iter().for_each(|id| turns.add(id.clone(), now));
        let well = AgentId::generate();
        turns.add(well.clone(), now + SECOND);
        let at = |id: &AgentId| Some(if *id == well { "local" } else { "away" }.to_owned());
        assert_eq!(turns.round(now + SECOND, at), [(well.clone(), "local".to_owned())]);
        assert_eq!(unread.request_retry().len(), away.len(), "each is told of");
        assert_eq!(turns.round(now + RETRY_AFTER, at).len(), ROUND, "it is asked again");
    }

    #[test]
    fn an_agent_that_is_silent_rests_alone() {
        let mut turns = Turns::new(Arc::default());
        let now = Instant::now();
        let agents: Vec<AgentId> = (0..5).map(|_| AgentId::generate()).collect();
        let [held, well, ..] = &agents[..] else { panic!("five") };
        turns.was_refused(held.clone(), "local".into(), Refusal::Silence, now);
        assert!(!turns.puts_off(well, "local", now));
        turns.was_read(well.clone(), "local", true, now);
        // Nobody was read between these.
        for id in &agents[2..] {
            assert!(!turns.puts_off(id, "local", now));
            turns.was_refused(id.clone(), "local".into(), Refusal::Silence, now);
        }
        assert!(turns.puts_off(well, "local", now));
        assert!(!turns.puts_off(well, "another", now));
    }
}
