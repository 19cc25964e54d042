//! What is known of each CLI, as data ([`Profile`]), and a detector that turns what a session shows into conclusions.
//!
//! - [`profile`]: the format of a profile file: command, preparation, reports, screen, dialogs, how to submit.
//!   [`Profiles`] holds the known ones; three are compiled in from `profiles/`.
//! - [`launch`]: [`Launch`], the message from a runtime server to a host. `command` resolves it to arguments, environment
//!   and files; `template` fills in the places of a profile's texts.
//! - [`detector`]: status reports, titles, hooks, session file and screen become an [`Observation`] and
//!   [`DetectorEvent`]s (both in `observation`). Within it: `reports` reads what the CLI reports; `claims` keeps what each
//!   source says and which one counts; `screen_scan` reads the last block of the screen (`dialog_match` with `block`,
//!   `option_rows` and `link`; `composer`); `turn` follows one prompt to its answer; `conclusions` puts them together.
//! - `screen_answer`: reads the answer of a turn off the screen, for when no report has it.
//! - [`program`]: finds a CLI's program.
//! - [`replay`]: runs the detector over a recorded session, to write or fix a profile.
//!
//! No clock and no I/O, except to read a directory of profiles and to look for a program: time is an argument. A spawn
//! goes `Profiles::get` → [`Launch`] → [`Launch::command`]; from then on the host hands each [`DetectorInput`] to
//! [`Detector::observe`] and acts on the events.

mod command;
pub mod detector;
pub mod launch;
mod observation;
pub mod profile;
mod profiles;
pub mod program;
pub mod replay;
mod screen_answer;
mod template;

pub use command::{Command, Conversation, PreparedFile, SessionFileSource, TemplateContext};
pub use detector::{Detector, DetectorInput, Tokens};
pub use launch::{Checkout, Launch, Mount, MountSource};
pub use observation::{
    AttentionRequest, Composer, ComposerMode, DetectorEvent, DialogOption, Observation, Outcome, Source,
    TextEntry,
};
pub use profile::answer_source::AnswerSource;
pub use profile::submit::{ExitRule, Submit};
pub use profile::{Profile, ProfileError};
pub use profiles::Profiles;
