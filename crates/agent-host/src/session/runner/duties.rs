//! What is due without an event. One table holds when each duty is due and what it does, so that the task never wakes
//! for something that is not done, and never sleeps over something that is.

use std::time::{Duration, Instant};

use parallax_api::AgentStatus;
use parallax_profile::{Composer, DetectorInput};
use parallax_screen::Modes;

use super::super::messaging::Messaging;
use super::super::publish::{Desired, published_status};
use super::Runner;
use crate::cpu_watch::CpuWatch;
use crate::delivery::DeliveryInput;
use crate::process_tree;

/// When a duty is due, and its work. `step` runs after every event and returns at once when nothing is due.
struct Duty {
    deadline: fn(&Runner, Instant) -> Option<Instant>,
    step: fn(&mut Runner, Instant),
}

/// In the order in which they run: what is seen and read, what follows from it, what is typed, what is published, and the end.
const DUTIES: [Duty; 14] = [
    Duty { deadline: |runner, _| runner.output.deadline(runner.is_awaited()), step: Runner::scan },
    Duty { deadline: |runner, _| runner.session_file_deadline(), step: Runner::read_session_file },
    Duty { deadline: |runner, _| runner.detector_deadline(), step: Runner::tick },
    Duty { deadline: |runner, _| runner.input.deadline(), step: Runner::press_keys },
    Duty { deadline: Runner::delivery_deadline, step: Runner::deliver },
    Duty { deadline: |runner, _| runner.dialogs.deadline(), step: Runner::press_in_dialogs },
    Duty { deadline: |runner, _| runner.interrupts.deadline(), step: Runner::end_interrupts },
    Duty { deadline: |runner, _| runner.start_deadline(), step: Runner::report_start },
    Duty { deadline: |runner, _| runner.limit().map(|(at, _)| at), step: Runner::enforce_limits },
    Duty { deadline: Runner::termination_deadline, step: Runner::terminate },
    Duty { deadline: |runner, _| runner.publish_deadline(), step: Runner::publish },
    Duty { deadline: |runner, _| runner.storage_deadline(), step: Runner::store },
    Duty { deadline: |runner, _| runner.tidying.deadline(), step: Runner::tidy },
    Duty { deadline: |runner, _| runner.exit_deadline(), step: Runner::clean_up },
];

impl Runner {
    /// When the next duty is due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.lifecycle.is_finished() {
            // What the disk did not take is all that is left to do.
            return self.storage_deadline();
        }
        DUTIES.iter().filter_map(|duty| (duty.deadline)(self, now)).min()
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: Instant) {
        for duty in &DUTIES {
            if self.lifecycle.is_finished() {
                return self.store(now);
            }
            (duty.step)(self, now);
        }
    }

    fn scan(&mut self, now: Instant) {
        if self.output.step(self.is_awaited(), now) {
            self.observe(DetectorInput::Settled);
        }
    }

    /// Whether something is to be done as soon as the screen shows it. Otherwise a program that paints all the time, a spinner
    /// in a turn, is looked at less often.
    fn is_awaited(&self) -> bool {
        let observation = self.process.detector.observation();
        observation.status == AgentStatus::Starting
            || observation.attention.is_some()
            || self.messaging.is_delivering() && !self.messaging.is_taken()
            || self.messaging.inbox().queued() > 0
            || self.input.pending_keys() > 0
            || !self.dialogs.is_idle()
            || self.interrupts.deadline().is_some()
            || self.lifecycle.is_terminating()
    }

    fn detector_deadline(&self) -> Option<Instant> {
        self.process.detector.deadline().map(|after| self.process.spawned + after)
    }

    fn tick(&mut self, now: Instant) {
        if self.detector_deadline().is_some_and(|at| at <= now) {
            self.observe(DetectorInput::Tick);
        }
    }

    /// Whether the program is about to write to its session file.
    fn is_recording(&self) -> bool {
        self.messaging.is_delivering()
            || self.observation().status == AgentStatus::Busy
            || self.process.detector.is_closing()
    }

    fn session_file_deadline(&self) -> Option<Instant> {
        self.process.session_file_deadline(self.is_recording())
    }

    fn read_session_file(&mut self, now: Instant) {
        let busy = self.is_recording();
        // However long nobody looked: what was written meanwhile counts before a turn gives up on it.
        let is_awaited = self.process.detector.awaits_record(self.process.age());
        if is_awaited {
            self.process.poll_session_file_soon(now);
        }
        let Some(read) = self.process.read_session_file(busy, now) else { return };
        for line in &read.lines {
            self.observe(DetectorInput::SessionFile { line });
        }
        if is_awaited && read.is_complete {
            self.observe(DetectorInput::SessionFileRead);
        }
    }

    fn press_keys(&mut self, now: Instant) {
        if let Some(key) = self.input.step(now) {
            // The caller sees on the screen that a key was not taken.
            drop(self.write(key));
        }
    }

    fn delivery_deadline(&self, now: Instant) -> Option<Instant> {
        self.messaging.deadline(self.profile.submit(), self.input.typing_until(now), now)
    }

    fn deliver(&mut self, now: Instant) {
        let observation = self.process.detector.observation();
        // What stood in the composer before the last output may be gone.
        let free = !self.messaging.is_delivering()
            && self.output.is_scanned()
            && self.process.detector.has_seen_screen()
            && self.input.pending_keys() == 0
            && !self.lifecycle.is_terminating()
            && !self.dialogs.is_dismissing_any()
            && !self.process.detector.is_closing();
        let typing =
            self.input.typing_until(now).is_some() && matches!(observation.composer, Composer::Holds(_));
        if free && !typing && Messaging::would_take(observation) {
            self.messaging.begin_next(self.profile.submit(), &self.images, now);
        }
        let computed_at = if self.messaging.awaits_proof() {
            let cpu_seconds = || process_tree::descendants().iter().map(|process| process.cpu_seconds).sum();
            self.cpu_watch.step(cpu_seconds, now)
        } else {
            self.cpu_watch = CpuWatch::default();
            None
        };
        if !self.messaging.is_delivering() {
            return;
        }
        // Nothing is typed into a turn that runs: what it prints need not be on the screen yet.
        let taken = self.messaging.is_taken();
        let modes = if taken { Modes::default() } else { self.output.screen().modes() };
        let input = DeliveryInput {
            observation: self.process.detector.observation(),
            written: self.process.terminal.written(),
            modes: &modes,
            last_output: self.output.last_at(),
            computed_at,
            reports_prompts: self.profile.reports_prompts(),
        };
        for act in self.messaging.step(self.profile.submit(), &input, now) {
            self.act(Some(act));
        }
    }

    fn press_in_dialogs(&mut self, now: Instant) {
        let needed = self.process.detector.observation().attention.as_ref();
        if needed.is_none() && self.dialogs.is_idle() {
            return;
        }
        let screen = self.output.screen();
        let modes = screen.modes();
        let mut keys = self.dialogs.step(needed, screen, now);
        let waits = self.messaging.inbox().queued() > 0 && self.input.typing_until(now).is_none();
        keys.extend(self.dialogs.close_menu(needed.filter(|_| waits), &modes, now));
        self.input.press(keys);
    }

    fn end_interrupts(&mut self, now: Instant) {
        let is_working = self.is_working();
        if self.interrupts.step(is_working, self.output.last_at(), now) {
            self.press_interrupt_keys();
        }
    }

    fn start_deadline(&self) -> Option<Instant> {
        let runs = self.process.ended.is_none();
        self.lifecycle.start_deadline(self.process.spawned).filter(|_| runs)
    }

    fn report_start(&mut self, now: Instant) {
        if self.process.ended.is_none() {
            let is_up = self.observation().status != AgentStatus::Starting;
            self.lifecycle.step_start(self.process.spawned, is_up, now);
        }
    }

    /// When the agent will have idled or lived too long, and the reason to publish.
    fn limit(&self) -> Option<(Instant, &'static str)> {
        if self.lifecycle.is_terminating() {
            return None;
        }
        let after = |seconds: u64, from: Instant| from.checked_add(Duration::from_secs(seconds));
        // A turn may print nothing for long, and a queued message will be typed: neither is idle.
        let works = self.observation().status == AgentStatus::Busy
            || self.messaging.is_delivering()
            || self.messaging.inbox().queued() > 0;
        let last = self.output.last_at().max(self.input.last_at());
        let idle = self.launch.idle_timeout_seconds.filter(|_| !works);
        let idle = idle.and_then(|seconds| after(seconds, last)).map(|at| (at, "idle_timeout"));
        let life = self.launch.max_lifetime_seconds;
        let life = life.and_then(|seconds| after(seconds, self.started_at)).map(|at| (at, "lifetime"));
        life.into_iter().chain(idle).min()
    }

    fn enforce_limits(&mut self, now: Instant) {
        if let Some((_, reason)) = self.limit().filter(|(at, _)| *at <= now) {
            self.lifecycle.terminate(reason, now);
        }
    }

    fn termination_deadline(&self, now: Instant) -> Option<Instant> {
        let runs = self.process.ended.is_none();
        self.lifecycle.termination_deadline(now).filter(|_| runs)
    }

    fn terminate(&mut self, now: Instant) {
        // The exit command depends on what the screen shows: nobody looks at it who ends nothing.
        if self.process.ended.is_some() || !self.lifecycle.is_terminating() {
            return;
        }
        let exit_command = self.exit_command();
        if let Some(termination) = self.lifecycle.termination() {
            termination.step(&mut self.process.terminal, &exit_command, now);
        }
    }

    fn publish_deadline(&self) -> Option<Instant> {
        self.publisher.deadline().filter(|_| !self.lifecycle.is_terminating())
    }

    pub(super) fn publish(&mut self, now: Instant) {
        let observation = self.process.detector.observation();
        // Until its answer is there, a turn is not over for anyone.
        let awaits_answer = self.messaging.is_taken() && observation.status == AgentStatus::Ready;
        let status = if awaits_answer {
            AgentStatus::Busy
        } else {
            published_status(observation, self.publisher.status(), self.dialogs.is_dismissing_any())
        };
        let held_back = match () {
            () if awaits_answer => Some("the answer is awaited"),
            () if status != observation.status => Some("a message could not be typed yet"),
            () => None,
        };
        let desired = Desired {
            status,
            needed: observation.attention.as_ref().filter(|needed| !self.dialogs.is_dismissing(needed)),
            // What a turn failed with is told until the next one: a CLI that is out of quota takes messages again at once.
            error: observation
                .error
                .as_ref()
                .filter(|_| matches!(status, AgentStatus::Error | AgentStatus::Ready)),
            source: if held_back.is_some() { "process" } else { observation.source.as_str() },
            rule: held_back.unwrap_or(&observation.rule),
        };
        // A program that is being terminated may show a composer behind a dialog: it does not become ready by it.
        if !self.lifecycle.is_terminating() {
            self.publisher.apply(&desired, now);
        }
        let background = self.observation().background;
        self.publisher.touch(self.messaging.inbox().queued(), background, now);
    }

    /// When to write again what the disk did not take.
    fn storage_deadline(&self) -> Option<Instant> {
        let deadlines =
            [self.output.storage_deadline(), self.journal.deadline(), self.message_log.deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn store(&mut self, now: Instant) {
        self.output.step_storage(now);
        self.journal.step(now);
        self.message_log.step(self.messaging.inbox(), now);
    }

    fn tidy(&mut self, now: Instant) {
        self.tidying.step(self.output.end(), now);
    }

    fn exit_deadline(&self) -> Option<Instant> {
        Some(self.lifecycle.cleanup_deadline(self.drained_at()?))
    }

    /// When the output of an ended program is complete.
    fn drained_at(&self) -> Option<Instant> {
        let (at, _) = self.process.ended?;
        Some(if self.process.is_silent() { at } else { self.output.drained_at(at) })
    }

    /// After the program's end: what it started goes with it, so that a restart finds nothing of before.
    fn clean_up(&mut self, now: Instant) {
        if let Some(drained_at) = self.drained_at()
            && self.lifecycle.step_cleanup(drained_at, now)
            && let Some((_, exit)) = self.process.ended
        {
            self.on_end(exit);
        }
    }
}
