//! Figures, made of what was told. Pure.

use std::time::Duration;

use parallax_api::Time;
use parallax_api::observe::{Metrics, Tokens};
use parallax_api::usage::{AgentUsage, UsagePoint};
use tokio::time::Instant;

/// Bytes, tokens and seconds that may be true: 2^50.
const MOST_COUNTED: f64 = 1_125_899_906_842_624.0;
/// The same for dollars.
const MOST_DOLLARS: f64 = 1e9;

/// CPU time at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    at: Instant,
    cpu_seconds: f64,
}

impl Reading {
    /// What was told; none without a process that could be measured.
    pub fn of(metrics: &Metrics, at: Instant) -> Option<Self> {
        let is_sane = (0.0..=MOST_COUNTED).contains(&metrics.cpu_seconds);
        (metrics.processes > 0 && is_sane).then_some(Self { at, cpu_seconds: metrics.cpu_seconds })
    }

    /// The share of a core since `before`, in percent. Not known when that is longer ago than `apart`, and when CPU time went: what is
    /// told is that of processes that live.
    pub fn percent_since(self, before: Self, apart: Duration) -> Option<f64> {
        let elapsed = self.at.saturating_duration_since(before.at);
        let used = self.cpu_seconds - before.cpu_seconds;
        (!elapsed.is_zero() && elapsed <= apart && used >= 0.0)
            .then(|| (1000.0 * used / elapsed.as_secs_f64()).round() / 10.0)
    }
}

/// The memory; none without a process that could be measured.
pub fn memory(metrics: &Metrics) -> Option<u64> {
    (metrics.processes > 0).then_some(metrics.memory_bytes).filter(|bytes| is_counted(*bytes))
}

/// The tokens, as the CLI tells them.
pub fn tokens(metrics: &Metrics) -> Option<Tokens> {
    metrics.tokens.filter(|tokens| is_counted(tokens.input) && is_counted(tokens.output))
}

/// The cost, as the CLI tells it.
pub fn cost(metrics: &Metrics) -> Option<f64> {
    metrics.cost_usd.filter(|dollars| (0.0..=MOST_DOLLARS).contains(dollars))
}

/// What a CLI told before holds when a count only wavers: what was used is not given back. One of half of before or less has begun anew.
pub fn steady(before: &AgentUsage, now: &mut AgentUsage) {
    let wavers = |now: f64, before: f64| now < before && now > before / 2.0;
    if let (Some(tokens), Some(before)) = (&mut now.tokens, before.tokens) {
        for (now, before) in [(&mut tokens.input, before.input), (&mut tokens.output, before.output)] {
            if wavers(*now as f64, before as f64) {
                *now = before;
            }
        }
    }
    if let (Some(now), Some(before)) = (&mut now.cost_usd, before.cost_usd)
        && wavers(*now, before)
    {
        *now = before;
    }
}

/// Whether something may be that many. What is more, no agent used: it is not known then.
fn is_counted(count: u64) -> bool {
    count as f64 <= MOST_COUNTED
}

/// What all agents that were measured have used so far, those that ended among them: it only grows. None: nobody told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    tokens: Option<Tokens>,
    cost_usd: Option<f64>,
}

impl Totals {
    /// Goes on after what was measured last.
    pub fn after(last: Option<UsagePoint>) -> Self {
        last.map_or_else(Self::default, |last| Self { tokens: last.tokens, cost_usd: last.cost_usd })
    }

    /// Adds what an agent used since `before`. A count that is less has begun anew (see [`steady`]).
    pub fn grow(&mut self, before: Option<&AgentUsage>, now: &AgentUsage) {
        if let Some(tokens) = now.tokens {
            let before = before.and_then(|before| before.tokens).unwrap_or_default();
            let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
            let sum = self.tokens.get_or_insert_default();
            sum.input = sum.input.saturating_add(more(tokens.input, before.input));
            sum.output = sum.output.saturating_add(more(tokens.output, before.output));
        }
        if let Some(cost) = now.cost_usd {
            let before = before.and_then(|before| before.cost_usd).unwrap_or_default();
            *self.cost_usd.get_or_insert_default() += if cost >= before { cost - before } else { cost };
        }
    }
}

/// The use of agents that live, together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    agents: u32,
    missing: u32,
    cpu_percent: Option<f64>,
    memory_bytes: Option<u64>,
}

impl Sum {
    /// Adds an agent. What is not known of it is not in the sum.
    pub fn add(&mut self, usage: &AgentUsage) {
        self.agents += 1;
        if let Some(percent) = usage.cpu_percent {
            *self.cpu_percent.get_or_insert_default() += percent;
        }
        if let Some(bytes) = usage.memory_bytes {
            let sum = self.memory_bytes.get_or_insert_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Somebody who is there did not answer: the sum is not known then.
    pub fn miss(&mut self) {
        self.missing += 1;
    }

    /// The point of all.
    pub fn point(self, at: Time, totals: &Totals) -> UsagePoint {
        let is_whole = self.missing == 0;
        UsagePoint {
            at,
            cpu_percent: self.cpu_percent.filter(|_| is_whole),
            memory_bytes: self.memory_bytes.filter(|_| is_whole),
            tokens: totals.tokens,
            cost_usd: totals.cost_usd,
            agents: Some(self.agents),
        }
    }
}

#[cfg(test)]
mod tests {
    use parallax_api::AgentId;

    use super::*;

    fn metrics(processes: u32, cpu_seconds: f64) -> Metrics {
        Metrics { processes, cpu_seconds, memory_bytes: 5, ..Metrics::default() }
    }

    fn usage(tokens: Option<(u64, u64)>, cost_usd: Option<f64>) -> AgentUsage {
        let tokens = tokens.map(|(input, output)| Tokens { input, output });
        let agent_id = AgentId::generate();
        AgentUsage {
            agent_id,
            at: Time::from_millis(1),
            cpu_percent: None,
            memory_bytes: None,
            tokens,
            cost_usd,
        }
    }

    #[test]
    fn cpu_between_two_readings() {
        let (began, apart) = (Instant::now(), Duration::from_secs(90));
        let at = |seconds: u64, cpu: f64| {
            Reading::of(&metrics(1, cpu), began + Duration::from_secs(seconds)).unwrap()
        };
        assert_eq!(at(10, 6.0).percent_since(at(0, 1.0), apart), Some(50.0));
        assert_eq!(at(10, 1.0).percent_since(at(0, 1.0), apart), Some(0.0));
        // A process ended; too long ago; at once.
        assert_eq!(at(10, 0.5).percent_since(at(0, 1.0), apart), None);
        assert_eq!(at(91, 6.0).percent_since(at(0, 1.0), apart), None);
        assert_eq!(at(0, 6.0).percent_since(at(0, 1.0), apart), None);
    }

    #[test]
    fn without_a_process_nothing_is_measured() {
        assert!(Reading::of(&metrics(0, 0.0), Instant::now()).is_none());
        assert_eq!((memory(&metrics(0, 0.0)), memory(&metrics(1, 0.0))), (None, Some(5)));
    }

    #[test]
    fn what_all_used_only_grows() {
        let mut totals = Totals::default();
        let first = usage(None, None);
        totals.grow(None, &first);
        assert_eq!(totals, Totals::default());
        let second = usage(Some((10, 2)), Some(0.5));
        totals.grow(Some(&first), &second);
        totals.grow(Some(&second), &usage(Some((15, 2)), None));
        // Begun anew.
        totals.grow(Some(&second), &usage(Some((1, 3)), Some(0.25)));
        assert_eq!((totals.tokens, totals.cost_usd), (Some(Tokens { input: 16, output: 3 }), Some(0.75)));
        let point = Sum::default().point(Time::from_millis(1), &totals);
        assert_eq!(Totals::after(Some(point)), totals);
    }

    #[test]
    fn what_wavers_is_not_counted_twice_and_what_cannot_be_is_not_known() {
        let mut totals = Totals::default();
        let (high, low) = (usage(Some((1000, 0)), Some(2.0)), usage(Some((999, 0)), Some(1.9)));
        totals.grow(None, &high);
        let mut before = high.clone();
        for now in [&low, &high, &low, &high] {
            let mut now = now.clone();
            steady(&before, &mut now);
            totals.grow(Some(&before), &now);
            before = now;
        }
        assert_eq!((totals.tokens, totals.cost_usd), (high.tokens, high.cost_usd));
        let mut anew = usage(Some((500, 0)), Some(1.0));
        steady(&before, &mut anew);
        assert_eq!((anew.tokens.unwrap().input, anew.cost_usd), (500, Some(1.0)));
        let told = |input: u64, cost: f64, seconds: f64, bytes: u64| Metrics {
            tokens: Some(Tokens { input, output: 0 }),
            cost_usd: Some(cost),
            memory_bytes: bytes,
            ..metrics(1, seconds)
        };
        let is_known = |told: &Metrics| {
            let reading = Reading::of(told, Instant::now()).is_some();
            (tokens(told).is_some(), cost(told).is_some(), reading, memory(told).is_some())
        };
        assert_eq!(is_known(&told(5, 0.5, 1.0, 1)), (true, true, true, true));
        assert_eq!(is_known(&told(u64::MAX, 1.7e308, f64::INFINITY, u64::MAX)), (false, false, false, false));
        assert_eq!(is_known(&told(5, -1.0, -1.0, 1)), (true, false, false, true));
        assert_eq!(is_known(&told(5, f64::NAN, f64::NAN, 1)), (true, false, false, true));
    }

    #[test]
    fn a_sum_of_all_who_answered() {
        let known = AgentUsage { cpu_percent: Some(5.0), memory_bytes: Some(7), ..usage(None, None) };
        let mut sum = Sum::default();
        sum.add(&known);
        sum.add(&AgentUsage { cpu_percent: None, ..known });
        let point = sum.point(Time::from_millis(1), &Totals::default());
        assert_eq!((point.cpu_percent, point.memory_bytes, point.agents), (Some(5.0), Some(14), Some(2)));
        assert_eq!((point.tokens, point.cost_usd), (None, None));
        sum.miss();
        let point = sum.point(Time::from_millis(1), &Totals::default());
        assert_eq!((point.cpu_percent, point.memory_bytes, point.agents), (None, None, Some(2)));
    }
}
