//! Typing one message into a CLI so that it is taken once and whole.
//!
//! Terminal programs swallow an Enter that comes too soon after a paste, so a message is pasted, seen in the composer,
//! entered, and then proved: `clearing → pasting → settling → entered → taken`. This is a state machine without a clock or
//! a terminal of its own: the session passes in what it sees, and executes the returned acts.

mod attaching;
mod composer;
mod problems;
mod step;
mod timing;

use std::time::Instant;

use parallax_api::AgentStatus;
use parallax_profile::{Composer, Observation, Outcome, Submit};

use attaching::{Prompt, attach, is_same, text_beside_images};
use composer::{clear_or_paste, empty};
pub use step::{Act, DeliveryInput};
use step::{Current, Phase};
use timing::{
    ATTACH_LIMIT, CLEAR_PATIENCE, CLEAR_WAIT, ECHO_LIMIT, ENTER_TRIES, IDLE_LIMIT, LOST_AFTER, PASTE_LIMIT,
    PASTE_POLL, PASTES, PROOF_LIMIT, SILENT_PROOF_LIMIT, TALL_LINES, WORK_IS_PROOF, echo_timeout, next_of,
    proof_timeout, settle,
};

use crate::cpu_watch;

/// The message in hand, if any, and how far it is.
#[derive(Default)]
pub struct Delivery {
    current: Option<Current>,
    /// A paste was never seen: it may still show in the composer, before what is pasted next.
    is_paste_outstanding: bool,
    /// The message of which nobody knows whether it was taken. The CLI may still say so.
    unknown: Option<(String, Prompt)>,
}

impl Delivery {
    /// Whether a message is in hand.
    pub fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// Whether Enter was pressed for the message in hand: a turn runs, or is about to.
    pub fn is_entered(&self) -> bool {
        matches!(self.current, Some(Current { phase: Phase::Entered { .. } | Phase::Taken { .. }, .. }))
    }

    /// The message in hand, once Enter was pressed for it.
    pub fn entered_id(&self) -> Option<&str> {
        self.current.as_ref().filter(|_| self.is_entered()).map(|current| current.id.as_str())
    }

    /// Whether the message in hand was taken and its turn is not over.
    pub fn is_taken(&self) -> bool {
        matches!(self.current, Some(Current { phase: Phase::Taken { .. }, .. }))
    }

    /// Whether the agent would take a message now.
    pub fn would_take(observation: &Observation) -> bool {
        let status = matches!(observation.status, AgentStatus::Ready | AgentStatus::Error);
        status && observation.attention.is_none() && observation.composer != Composer::Absent
    }

    /// Takes a message in hand. `text` is what to type: already guarded; `images` are what is pasted before it, one by one.
    pub fn begin(&mut self, id: String, text: String, images: Vec<String>, now: Instant) {
        let phase = Phase::Clearing { tries: 0, again_at: now };
        self.current = Some(Current { id, text, images, attached: 0, phase, pastes: 0 });
    }

    /// The paste is queued for the terminal and ends at this input offset.
    pub fn pasted(&mut self, target: u64, now: Instant) {
        if let Some(current) = &mut self.current {
            current.pastes += u32::from(current.attached == 0);
            current.phase = Phase::Pasting { target, since: now };
        }
    }

    /// The CLI says that it took a prompt, and which, where it says that. Another prompt than the one that was typed is no
    /// proof: a person may have typed it, or it may be one of the CLI's own.
    pub fn prompt_taken(
        &mut self,
        submit: &Submit,
        prompt: Option<&str>,
        reports_prompts: bool,
    ) -> Option<Act> {
        if self.current.is_none()
            && let Some(prompt) = prompt
            && let Some((id, typed)) = self.unknown.take_if(|(_, typed)| is_same(submit, prompt, typed))
        {
            let phase = Phase::Taken { idle_since: None };
            let Prompt { text, images } = typed;
            self.current = Some(Current { id: id.clone(), text, images, attached: 0, phase, pastes: 0 });
            return Some(Act::Taken(id));
        }
        let current = self.current.as_mut()?;
        let typed = || Prompt { text: current.text.clone(), images: current.images.clone() };
        let is_ours = prompt.map_or(!reports_prompts, |prompt| is_same(submit, prompt, &typed()));
        (is_ours && matches!(current.phase, Phase::Entered { .. })).then(|| {
            current.phase = Phase::Taken { idle_since: None };
            Act::Taken(current.id.clone())
        })
    }

    /// The turn is over. Returns the message whose turn it was; `None` when it did not come through the inbox.
    pub fn turn_over(&mut self) -> Option<String> {
        // A turn may be over before it was seen to begin.
        let is_ours =
            |current: &mut Current| matches!(current.phase, Phase::Entered { .. } | Phase::Taken { .. });
        self.current.take_if(is_ours).map(|current| current.id)
    }

    /// Lets go of the message in hand, because the process is gone. Answers its id, and whether Enter was pressed for
    /// it: then it is unknown whether it was taken.
    pub fn abandon(&mut self) -> Option<(String, bool)> {
        let entered = self.is_entered();
        self.current.take().map(|current| (current.id, entered))
    }

    /// When to look again though nothing happened.
    pub fn deadline(&self, submit: &Submit, now: Instant) -> Option<Instant> {
        Some(match self.current.as_ref()?.phase {
            Phase::Clearing { again_at, .. } if again_at > now => again_at,
            Phase::Clearing { again_at, .. } => (again_at + CLEAR_PATIENCE).max(now + CLEAR_WAIT),
            Phase::Pasting { .. } => now + PASTE_POLL,
            Phase::Attaching { since } => next_of(now, since, &[LOST_AFTER, ATTACH_LIMIT, ECHO_LIMIT]),
            Phase::Settling { since } => {
                next_of(now, since, &[settle(submit), echo_timeout(submit), LOST_AFTER, ECHO_LIMIT])
            }
            Phase::Entered { since, busy_since, .. } => {
                let proof = busy_since.map(|at| at + WORK_IS_PROOF).filter(|at| *at > now);
                let limits = [proof_timeout(submit), PROOF_LIMIT, SILENT_PROOF_LIMIT];
                let next = next_of(now, since, &limits).min(now + cpu_watch::INTERVAL);
                proof.map_or(next, |at| at.min(next))
            }
            Phase::Emptying { again_at, .. } => again_at,
            Phase::Taken { idle_since } => idle_since? + IDLE_LIMIT,
        })
    }

    /// Goes on as far as what is seen allows.
    pub fn step(&mut self, submit: &Submit, input: &DeliveryInput<'_>, now: Instant) -> Vec<Act> {
        let mut acts = Vec::new();
        while let Some(current) = &mut self.current {
            // A dialog came up meanwhile: what is typed now would answer it.
            if input.observation.attention.is_some() {
                match &mut current.phase {
                    Phase::Settling { since } | Phase::Attaching { since } => {
                        *since = now;
                        break;
                    }
                    Phase::Clearing { again_at, .. } => {
                        *again_at = now + CLEAR_WAIT;
                        break;
                    }
                    _ => {}
                }
            }
            let before = acts.len();
            match current.phase {
                Phase::Clearing { tries, again_at } => {
                    clear_or_paste(current, submit, input, tries, again_at, now, &mut acts);
                }
                Phase::Pasting { target, since } => {
                    if input.written >= target {
                        current.phase = match current.is_attaching() {
                            true => Phase::Attaching { since: now },
                            false => Phase::Settling { since: now },
                        };
                        continue;
                    }
                    if now - since > PASTE_LIMIT {
                        acts.push(Act::Failed(current.id.clone(), problems::not_read()));
                    }
                }
                Phase::Attaching { since } => attach(current, submit, input, since, now, &mut acts),
                Phase::Settling { since } => {
                    let waited = now - since;
                    let (text, composer) = text_beside_images(current, submit, &input.observation.composer);
                    let (text, composer) = (text.as_ref(), composer.as_ref());
                    let is_plain = input.observation.composer_mode.is_none();
                    let seen = is_plain && submit.is_echoed(text, composer);
                    let late = waited >= echo_timeout(submit);
                    // A CLI may show odd characters otherwise; but what was pasted before must not be entered with it.
                    let looks_alike = late
                        && is_plain
                        && !self.is_paste_outstanding
                        && (submit.is_nearly_echoed(text, composer)
                            || *composer == Composer::Absent && current.text.lines().count() > TALL_LINES);
                    if waited >= settle(submit) && (seen || looks_alike) {
                        self.is_paste_outstanding = false;
                        current.phase = Phase::Entered { since: now, tries: 1, busy_since: None };
                        acts.push(Act::Keys(b"\r".to_vec()));
                        acts.push(Act::Typed(current.id.clone()));
                    } else if late
                        && matches!(composer, Composer::Holds(_))
                        && current.pastes < PASTES
                        && waited >= LOST_AFTER
                    {
                        // Something else stands there with it.
                        current.phase = Phase::Clearing { tries: 0, again_at: now };
                    } else if *composer == Composer::Empty
                        && waited >= LOST_AFTER
                        && input.last_output > since
                        && current.pastes < PASTES
                    {
                        self.is_paste_outstanding = true;
                        current.phase = Phase::Clearing { tries: 0, again_at: now };
                    } else if waited >= ECHO_LIMIT {
                        self.is_paste_outstanding = true;
                        current.phase = Phase::Emptying { tries: 0, again_at: now, entered: false };
                    }
                }
                Phase::Entered { since, tries, busy_since } => {
                    let holds = matches!(input.observation.composer, Composer::Holds(_));
                    let asks = input.observation.attention.is_some();
                    let waited = now - since;
                    let works = input.observation.status == AgentStatus::Busy && !holds;
                    let busy_since = works.then(|| busy_since.unwrap_or(now));
                    current.phase = Phase::Entered { since, tries, busy_since };
                    // A program that computes has not refused anything.
                    let idle = now - input.computed_at.map_or(since, |at| at.max(since));
                    let silent = input.last_output <= since;
                    let gives_up = waited >= SILENT_PROOF_LIMIT || !silent && idle >= PROOF_LIMIT;
                    if busy_since.is_some_and(|at| !input.reports_prompts || now - at >= WORK_IS_PROOF) {
                        current.phase = Phase::Taken { idle_since: None };
                        acts.push(Act::Taken(current.id.clone()));
                    } else if holds && !asks && waited >= proof_timeout(submit) {
                        // The Enter was swallowed: the text still stands there.
                        if tries < ENTER_TRIES {
                            current.phase = Phase::Entered { since: now, tries: tries + 1, busy_since: None };
                            acts.push(Act::Keys(b"\r".to_vec()));
                        } else {
                            current.phase = Phase::Emptying { tries: 0, again_at: now, entered: true };
                        }
                    } else if gives_up && !asks {
                        let typed = Prompt { text: current.text.clone(), images: current.images.clone() };
                        self.unknown = Some((current.id.clone(), typed));
                        acts.push(Act::Unknown(current.id.clone(), problems::no_sign()));
                    }
                }
                Phase::Emptying { tries, again_at, entered } => {
                    empty(current, submit, input, (tries, again_at, entered), now, &mut acts);
                }
                Phase::Taken { idle_since } => {
                    let idle = input.observation.status == AgentStatus::Ready
                        && input.observation.attention.is_none();
                    let since = idle.then(|| idle_since.unwrap_or(now));
                    current.phase = Phase::Taken { idle_since: since };
                    if since.is_some_and(|since| now - since >= IDLE_LIMIT) {
                        acts.push(Act::Close(current.id.clone(), Outcome::Completed));
                    }
                }
            }
            let is_over = |act: &Act| matches!(act, Act::Failed(..) | Act::Unknown(..) | Act::Close(..));
            if acts[before..].iter().any(is_over) {
                self.current = None;
            }
            break;
        }
        acts
    }
}

#[cfg(test)]
mod tests;
