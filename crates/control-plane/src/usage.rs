//! What agents use over time: measured for as long as the server runs, and kept by the minute and by the hour.
//!
//! Each runtime is asked in intervals for the metrics of its agents, and once more for those of each that ended (`rounds`); `figures` makes
//! figures of that, and never one that nobody told. The series are in a database of their own, so that they survive the server and hold nothing else up.

mod figures;
mod known;
mod rounds;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parallax_api::observe::Metrics;
use parallax_api::usage::{AgentUsage, AgentUsageList, UsageQuery, UsageSeries};
use parallax_api::{Agent, AgentId, AgentStatus, Problem, Time};
use parallax_service::shutdown::Shutdown;
use parallax_store::{MeasuredAgent, Measurement, StoreError, UsageStore, sqlite};
use tokio::time::{Instant, MissedTickBehavior};

use crate::locate::AgentLocator;
use figures::{Reading, Sum, Totals};
use known::{Known, KnownAgents};
use rounds::Answer;

/// How often agents are measured, unless told otherwise.
pub const DEFAULT_EVERY: Duration = Duration::from_secs(30);
/// Agents that have ended and are measured for the last time in one round: of a server that starts, there may be many.
const MAX_ENDED: usize = 100;
/// How long after the start the first round is, where that is not later than the second.
const FIRST: Duration = Duration::from_secs(2);
/// Between two measurements that are further apart than so many intervals, the use of the CPU is not known.
const APART: u32 = 3;

/// What agents use. Clones share it.
#[derive(Clone, Debug)]
pub struct Usage {
    store: Arc<dyn UsageStore>,
    locator: AgentLocator,
    every: Duration,
    known: Arc<Mutex<KnownAgents>>,
}

impl Usage {
    /// What was measured, in this state directory. Agents are measured once [`Usage::follow`] runs.
    ///
    /// # Errors
    /// When its database cannot be opened.
    pub async fn open(state_dir: &Path, locator: AgentLocator, every: Duration) -> Result<Self, StoreError> {
        let store = sqlite::open_usage(&state_dir.join("usage")).await?;
        let known = KnownAgents::after(store.latest().await?);
        Ok(Self { store, locator, every, known: Arc::new(Mutex::new(known)) })
    }

    /// The series of an agent, or of all.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND` for an agent that is neither listed nor was measured.
    pub async fn series(&self, query: &UsageQuery) -> Result<UsageSeries, Problem> {
        if let Some(id) = &query.agent_id
            && self.locator.cache.get(id).is_none()
            && self.known().get(id).is_none()
        {
            return Err(Problem::no_agent(id));
        }
        let span = query.span.unwrap_or_default();
        let reach = span.step_millis().saturating_mul(i64::try_from(span.points()).unwrap_or(i64::MAX));
        let reach = Time::from_millis(Time::now().as_millis().saturating_sub(reach));
        let since = query.since.map_or(reach, |since| since.max(reach));
        let points = self.store.series(query.agent_id.as_ref(), span, Some(since)).await?;
        Ok(UsageSeries { span, every_seconds: self.every.as_secs(), points })
    }

    /// What each agent used when it was last measured.
    pub fn agents(&self) -> AgentUsageList {
        let mut agents: Vec<AgentUsage> =
            self.known().all().map(|known| known.measured.usage.clone()).collect();
        agents.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
        AgentUsageList { every_seconds: self.every.as_secs(), agents }
    }

    /// Measures in intervals until the shutdown begins.
    pub async fn follow(self, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown.begun() => {}
            () = self.keep_measuring() => {}
        }
    }

    async fn keep_measuring(&self) {
        let mut departed = self.locator.cache.departures();
        departed.mark_changed();
        let mut totals = match self.store.last_total().await {
            Ok(last) => Totals::after(last),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what was used before cannot be read"
                );
                Totals::default()
            }
        };
        let mut unstored = HashMap::new();
        // Not at once: a server that starts has its agents to find.
        let mut round = tokio::time::interval_at(Instant::now() + self.every.min(FIRST), self.every);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = round.tick() => self.measure(&mut totals, &mut unstored).await,
                Ok(()) = departed.changed() => self.forget_departed().await,
            }
        }
    }

    /// One round. `unstored` is what earlier ones measured and could not store.
    async fn measure(&self, totals: &mut Totals, unstored: &mut HashMap<AgentId, MeasuredAgent>) {
        let at = Time::now();
        let due = self.due();
        if due.is_empty() && unstored.is_empty() {
            return;
        }
        let answers = rounds::ask(&self.locator, due).await;
        let mut sum = Sum::default();
        let mut agents = Vec::new();
        for (agent, answer) in answers {
            let has_ended = agent.status == AgentStatus::Stopped;
            match answer {
                Answer::Metrics(metrics, asked_at) => {
                    let measured = self.take(agent.id, has_ended, at, &metrics, asked_at, totals);
                    if !has_ended {
                        sum.add(&measured.usage);
                    }
                    agents.push(measured);
                }
                Answer::Missing if !has_ended => sum.miss(),
                Answer::Missing | Answer::Nothing => {}
            }
        }
        // What could not be stored before, of those who were not measured again: with the total that has it counted already.
        let measured: HashSet<&AgentId> = agents.iter().map(|agent| &agent.usage.agent_id).collect();
        unstored.retain(|id, _| !measured.contains(id) && self.locator.cache.runtime_of(id).is_some());
        agents.extend(unstored.values().cloned());
        let measurement = Measurement { total: sum.point(at, totals), agents: agents.clone() };
        match self.store.record(measurement).await {
            Ok(()) => unstored.clear(),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what agents use could not be stored"
                );
                unstored.extend(agents.into_iter().map(|agent| (agent.usage.agent_id.clone(), agent)));
            }
        }
    }

    /// Agents to be asked: those that live, and those that ended since they were last.
    fn due(&self) -> Vec<Agent> {
        let all = self.locator.cache.all();
        let known = self.known();
        let is_over = |id: &AgentId| known.get(id).is_some_and(|known| known.measured.has_ended);
        let (ended, mut due): (Vec<Agent>, Vec<Agent>) = all
            .iter()
            .map(|known| known.agent())
            .filter(|agent| agent.status != AgentStatus::Stopped || !is_over(&agent.id))
            .cloned()
            .partition(|agent| agent.status == AgentStatus::Stopped);
        due.extend(ended.into_iter().take(MAX_ENDED));
        due
    }

    /// Takes what an agent answered, and adds what it used more to what all did.
    fn take(
        &self,
        id: AgentId,
        has_ended: bool,
        at: Time,
        metrics: &Metrics,
        asked_at: Instant,
        totals: &mut Totals,
    ) -> MeasuredAgent {
        let mut known = self.known();
        let before = known.get(&id);
        let reading = Reading::of(metrics, asked_at);
        let apart = self.every * APART;
        let cpu_percent = reading.zip(before.and_then(|before| before.reading));
        let mut usage = AgentUsage {
            agent_id: id.clone(),
            at,
            cpu_percent: cpu_percent.and_then(|(now, before)| now.percent_since(before, apart)),
            memory_bytes: figures::memory(metrics),
            tokens: figures::tokens(metrics),
            cost_usd: figures::cost(metrics),
        };
        let counted = known.counted(&id);
        if let Some(counted) = counted {
            figures::steady(counted, &mut usage);
        }
        totals.grow(counted, &usage);
        let measured = MeasuredAgent { usage, has_ended };
        known.insert(id, Known { measured: measured.clone(), reading });
        measured
    }

    /// Forgets agents that no runtime has any more.
    async fn forget_departed(&self) {
        let gone = self.known().forget(|id| self.locator.cache.runtime_of(id).is_none());
        if gone.is_empty() {
            return;
        }
        if let Err(error) = self.store.forget(gone).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what agents used could not be forgotten"
            );
        }
    }

    fn known(&self) -> MutexGuard<'_, KnownAgents> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
