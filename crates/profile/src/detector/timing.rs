//! How long a conclusion waits before it is drawn, with the behaviour of a CLI that makes it necessary.

use std::time::Duration;

/// `idle` must hold so long: Codex says `idle`, `working`, `idle` when it starts (110 ms apart at most), Gemini is idle for
/// 40 ms between two queued messages.
pub(super) const SETTLE: Duration = Duration::from_millis(150);
/// Work that is reported before the first `ready`, with nothing entered, must hold so long: it is the CLI starting up.
pub(super) const START_UP: Duration = Duration::from_millis(300);
/// The first composer must have stood so long when the CLI does not report its own state: Gemini paints it for a moment
/// before its start-up dialogs.
pub(super) const FIRST_COMPOSER: Duration = Duration::from_millis(500);
/// … and so long when the row with its version has not been seen: Gemini CLI paints that once it is logged in, and asks for a
/// login in place of it.
pub(super) const BEFORE_VERSION: Duration = Duration::from_secs(3);
/// A composer on the screen is ready after so long when nothing else ever tells: Codex paints it before its own start.
pub(super) const SCREEN_ALONE: Duration = Duration::from_secs(5);
/// A reported question is published when its dialog is on the screen, or after this long without one.
pub(super) const DIALOG_WAIT: Duration = Duration::from_secs(2);
/// A turn whose end a hook reported is over though the CLI still says that it works, once its screen has shown an empty
/// composer and no work for so long: only a task in the background runs.
pub(super) const BACKGROUND_ALONE: Duration = Duration::from_millis(1500);
/// A quiet screen without a composer and without a known dialog is published as unknown after so long.
pub(super) const UNKNOWN_WAIT: Duration = Duration::from_secs(4);
/// … and so long after the start, which may be slow.
pub(super) const UNKNOWN_START: Duration = Duration::from_secs(20);
/// An agent that works is stalled when nothing of it was seen for so long, unless the spawn request says otherwise.
pub(super) const STALL_AFTER: Duration = Duration::from_secs(900);
/// An interrupted turn waits at most so long for what the model had said, a failed one for what it failed with.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);
/// A CLI that is idle before it has taken its prompt comes to it within so long, unless it says that it was interrupted:
/// fifteen that start at once on two cores need more than two seconds for it, and with other work beside them once more than ten.
pub(super) const UNPROMPTED: Duration = Duration::from_secs(20);
