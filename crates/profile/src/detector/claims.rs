//! What each source says the agent does, and which of them counts.

use std::time::Duration;

use crate::observation::Source;
use crate::profile::report::ReportedState;

/// How long a report is not contradicted by a weaker source.
pub(super) const YOUNG: Duration = Duration::from_secs(2);

/// What one source said last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    pub means: ReportedState,
    /// When it first said so.
    pub at: Duration,
    pub source: Source,
    pub rule: String,
    pub evidence: String,
    /// The words for a person that came with it.
    pub message: Option<String>,
}

/// What all sources said last, strongest first.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// Takes in what a source says now. Saying the same again is no news, so it keeps its time.
    pub fn update(&mut self, claim: Claim) {
        match self.0.iter_mut().find(|known| known.source == claim.source) {
            Some(known) if known.means == claim.means && known.message == claim.message => {}
            Some(known) => *known = claim,
            None => {
                self.0.push(claim);
                self.0.sort_by_key(|claim| claim.source);
            }
        }
    }

    /// Takes in what a source says now as news, though it be the same.
    pub fn renew(&mut self, claim: Claim) {
        self.0.retain(|known| known.source != claim.source);
        self.update(claim);
    }

    /// The claim that counts. A status report is the program's own word about itself: nothing contradicts it. A hook is
    /// contradicted by a title that came well after it (an interrupted turn runs no hook). The screen counts where
    /// nothing else ever spoke.
    pub fn best(&self, now: Duration) -> Option<&Claim> {
        let mut best = self.0.first()?;
        if best.source == Source::Osc7501 {
            return Some(best);
        }
        for claim in self.0.iter().skip(1).filter(|claim| claim.source != Source::Screen) {
            if claim.at > best.at && now >= best.at + YOUNG {
                best = claim;
            }
        }
        Some(best)
    }

    /// When [`Claims::best`] may change though nobody says anything.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        self.0.iter().map(|claim| claim.at + YOUNG).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(source: Source, means: ReportedState, at: u64) -> Claim {
        let (rule, evidence) = (String::new(), String::new());
        Claim { means, at: Duration::from_millis(at), source, rule, evidence, message: None }
    }

    fn best(claims: &[Claim], now: u64) -> ReportedState {
        let mut all = Claims::default();
        claims.iter().cloned().for_each(|claim| all.update(claim));
        all.best(Duration::from_millis(now)).expect("something was claimed").means
    }

    #[test]
    fn strength_and_age_decide() {
        use ReportedState::{Done, Idle, Working};
        use Source::{Hook, Osc7501, Screen, Title};
        let table: [(&str, &[Claim], u64, ReportedState); 6] = [
            ("alone", &[claim(Title, Idle, 5)], 10, Idle),
            ("own word", &[claim(Osc7501, Working, 0), claim(Title, Idle, 9000)], 20_000, Working),
            ("own word over hooks", &[claim(Osc7501, Working, 0), claim(Hook, Done, 5000)], 9000, Working),
            ("young hook", &[claim(Hook, Working, 1000), claim(Title, Idle, 1500)], 2000, Working),
            ("old hook", &[claim(Hook, Working, 1000), claim(Title, Idle, 1500)], 3000, Idle),
            ("screen never", &[claim(Title, Working, 0), claim(Screen, Idle, 9000)], 20_000, Working),
        ];
        for (name, claims, now, expected) in table {
            assert_eq!(best(claims, now), expected, "{name}");
        }
    }

    #[test]
    fn the_same_again_keeps_its_time() {
        let mut claims = Claims::default();
        claims.update(claim(Source::Title, ReportedState::Idle, 100));
        claims.update(claim(Source::Title, ReportedState::Idle, 900));
        assert_eq!(
            claims.best(Duration::from_secs(1)).map(|claim| claim.at),
            Some(Duration::from_millis(100))
        );
    }
}
