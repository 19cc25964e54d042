//! The output side of the session: screen, output log and viewers, which always stand at the same offset.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::terminal::Screen as ScreenView;
use parallax_api::{Problem, TerminalSize, Time};
use parallax_screen::{Screen, TerminalReport};

use super::command::View;
use crate::lease::{Claim, Lease, ViewerId};
use crate::log::{LogReader, OutputLog};
use crate::viewers::{Joining, Viewers};

/// Rows above the screen that are kept for late viewers and for answers read from the screen.
pub(super) const SCROLLBACK: usize = 2000;
/// The screen is scanned when nothing was printed for this long, or for twice as long as the program needs to show what was typed,
/// if that is shorter …
const QUIET: Duration = Duration::from_millis(40);
/// … and at the latest this long after it changed.
const MAX_SCAN_DELAY: Duration = Duration::from_millis(80);
/// A program that paints all the time is not scanned again before this, unless somebody waits for what it shows.
const REST: Duration = Duration::from_millis(200);
/// It does after so many scans with no longer pause between them.
const RESTLESS: u32 = 5;
/// A program with more reports between two scans reports all the time: no state of it stands for as long as a scan would be sooner.
const MANY_REPORTS: usize = 8;
/// A synchronised frame that has not ended by then never will.
const FRAME_TIMEOUT: Duration = Duration::from_millis(500);
/// After the process ended: output may follow until none came for this long …
const DRAIN_QUIET: Duration = Duration::from_millis(100);
/// … or for this long in all.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(700);
/// Lines of its last output that a failed start reports.
const MAX_LAST_LINES: usize = 20;

/// Screen, output log and viewers.
pub(super) struct Output {
    screen: Screen,
    log: OutputLog,
    viewers: Viewers,
    lease: Lease,
    quiet: Duration,
    /// Since when the screen shows something that was not scanned.
    unscanned_since: Option<Instant>,
    scanned_at: Option<Instant>,
    /// Scans with no pause between them.
    restless: u32,
    /// Reports of a status since the last scan.
    reports: usize,
    /// Whether there were many between the last two scans.
    reports_often: bool,
    last_at: Instant,
}

/// What came of a chunk of output.
pub(super) struct Fed {
    /// Answers to the program's queries, for its terminal.
    pub replies: Vec<u8>,
    /// What the program reported, each with the offset of the output that it stands at.
    pub reports: Vec<(TerminalReport, u64)>,
}

impl Output {
    /// `settles` is how long the program's screen takes to show what was typed.
    pub(super) fn new(log: OutputLog, size: TerminalSize, settles: Duration, now: Instant) -> Self {
        Self {
            screen: Screen::new(size, SCROLLBACK),
            log,
            viewers: Viewers::default(),
            lease: Lease::new(size),
            quiet: QUIET.min(2 * settles),
            unscanned_since: None,
            scanned_at: None,
            restless: 0,
            reports: 0,
            reports_often: false,
            last_at: now,
        }
    }

    /// The screen as it is now, with everything that was printed.
    pub(super) fn screen(&mut self) -> &Screen {
        self.screen.catch_up();
        &self.screen
    }

    /// The screen as it was when somebody looked last, for who does not look at it now.
    pub(super) fn last_screen(&self) -> &Screen {
        &self.screen
    }

    pub(super) fn size(&self) -> TerminalSize {
        self.screen.size()
    }

    pub(super) fn log(&self) -> LogReader {
        self.log.reader()
    }

    /// The offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.log.end()
    }

    /// When something was printed last.
    pub(super) fn last_at(&self) -> Instant {
        self.last_at
    }

    /// The screen as it is now.
    pub(super) fn view(&mut self) -> ScreenView {
        let offset = self.end();
        self.screen().view(offset)
    }

    /// Takes what the program printed. Log and viewers have it at once; the screen has it when somebody looks.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) -> Fed {
        let fed = self.screen.hear(bytes);
        let printed = self.end();
        self.emit(fed.output);
        self.unscanned_since.get_or_insert(now);
        self.last_at = now;
        let is_status = |report: &&TerminalReport| matches!(report, TerminalReport::Status(_));
        let reports = fed.reports.iter().filter(is_status).count();
        self.reports += reports;
        if reports > 0 && !self.reports_often {
            // Something has begun or ended.
            self.restless = 0;
        }
        let offsets = fed.report_starts.into_iter().map(|start| printed + start as u64);
        Fed { replies: fed.replies, reports: fed.reports.into_iter().zip(offsets).collect() }
    }

    /// Emits what the screen held back for the rest of a sequence that never came.
    pub(super) fn flush(&mut self) {
        let fed = self.screen.flush();
        self.emit(fed.output);
    }

    /// Starts with a clean screen, as do viewers and readers of the log.
    pub(super) fn reset(&mut self, now: Instant) {
        self.screen = Screen::new(self.screen.size(), SCROLLBACK);
        self.emit(parallax_screen::RESET.into());
        self.last_at = now;
    }

    /// Moves what the screen shows into its history: the next program starts on an empty one, with everything as it is at first.
    pub(super) fn turn_page(&mut self) {
        let lines = "\r\n".repeat(self.size().rows.into());
        let page = format!("\x1b[?1049l\x1b[!p\x1b[0m{lines}\x1b[H\x1b[J");
        let fed = self.screen.feed(page.as_bytes());
        self.emit(fed.output);
    }

    /// The last lines that are not blank, for a refusal.
    pub(super) fn last_lines(&mut self) -> String {
        let screen = self.screen();
        let rows = screen.history(MAX_LAST_LINES).into_iter().chain(screen.rows());
        let mut lines: Vec<String> =
            rows.map(|row| row.text).filter(|text| !text.trim().is_empty()).collect();
        lines.split_off(lines.len().saturating_sub(MAX_LAST_LINES)).join("\n")
    }

    /// Takes what a viewer wants of the size, and tells every viewer what came of it. Answers the new size, for the
    /// program. Fails as [`Lease::claim`] does.
    pub(super) fn claim(
        &mut self,
        viewer: ViewerId,
        claim: Claim,
        now: Instant,
    ) -> Result<Option<TerminalSize>, Problem> {
        let holder = self.lease.holder();
        self.lease.claim(viewer, claim)?;
        if self.lease.holder() != holder {
            self.viewers.leased(self.lease.holder());
        }
        let size = self.lease.size();
        if size == self.size() {
            return Ok(None);
        }
        self.screen.resize(size);
        self.viewers.resized(size);
        self.unscanned_since.get_or_insert(now);
        self.last_at = now;
        Ok(Some(size))
    }

    /// Adds a viewer. Fails with `RESOURCE_LIMIT`.
    pub(super) fn join(&mut self, joining: Joining) -> Result<View, Problem> {
        let feed = self.viewers.join(joining, self.end())?;
        let (offset, size, holder) = (self.end(), self.size(), self.lease.holder());
        Ok(View { snapshot: self.screen().snapshot(), offset, size, holder, feed })
    }

    /// A viewer has typed: it is the first to see what comes of it.
    pub(super) fn typed(&mut self, viewer: ViewerId) {
        self.viewers.typed(viewer);
    }

    /// The program is interrupted: viewers that are behind get a fresh screen.
    pub(super) fn interrupted(&mut self) {
        self.viewers.interrupted();
    }

    /// Until when the program waits for a viewer, unless that catches up before.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.viewers.held_until(now)
    }

    /// Resolves when a viewer that the program waited for has caught up or left. Cancel-safe.
    pub(super) fn caught_up(&self) -> impl Future<Output = ()> + use<> {
        self.viewers.caught_up()
    }

    /// The end of the output: closes the log, and every viewer's feed.
    pub(super) fn close(&mut self) {
        self.log.close();
        self.viewers.end();
    }

    /// When the log is tried again that the disk did not take.
    pub(super) fn storage_deadline(&self) -> Option<Instant> {
        self.log.deadline()
    }

    /// Writes what waits for the disk.
    pub(super) fn step_storage(&mut self, now: Instant) {
        self.log.step(now);
    }

    /// When the screen is to be scanned. `is_awaited`: as soon as it shows something.
    pub(super) fn deadline(&self, is_awaited: bool) -> Option<Instant> {
        let since = self.unscanned_since?;
        if self.screen.is_in_frame() {
            return Some(since + FRAME_TIMEOUT);
        }
        let due = (self.last_at + self.quiet).min(since + MAX_SCAN_DELAY);
        let rests = self.scanned_at.filter(|_| self.restless >= RESTLESS && !is_awaited);
        Some(rests.map_or(due, |at| due.max(at + REST)))
    }

    /// Whether the last scan saw all that was printed.
    pub(super) fn is_scanned(&self) -> bool {
        self.unscanned_since.is_none()
    }

    /// Whether the screen is to be scanned now.
    pub(super) fn step(&mut self, is_awaited: bool, now: Instant) -> bool {
        if self.deadline(is_awaited).is_none_or(|at| at > now) {
            return false;
        }
        // Only now it is known whether this is the middle of a frame.
        self.screen.catch_up();
        let due = self.deadline(is_awaited).is_some_and(|at| at <= now);
        if due && let Some(since) = self.unscanned_since.take() {
            let has_paused = self.scanned_at.is_none_or(|at| since > at + REST);
            self.restless = if has_paused { 0 } else { self.restless.saturating_add(1) };
            self.reports_often = std::mem::take(&mut self.reports) > MANY_REPORTS;
            self.scanned_at = Some(now);
        }
        due
    }

    /// When the output of a process that ended at `ended` is complete, although its terminal is still open.
    pub(super) fn drained_at(&self, ended: Instant) -> Instant {
        (self.last_at.max(ended) + DRAIN_QUIET).min(ended + DRAIN_TIMEOUT)
    }

    /// Output goes to the log, then to the viewers.
    fn emit(&mut self, output: Vec<u8>) {
        if output.is_empty() {
            return;
        }
        let (offset, output) = (self.end(), Bytes::from(output));
        self.log.append(&output, Time::now(), self.size(), Instant::now());
        self.viewers.output(offset, &output);
    }
}
