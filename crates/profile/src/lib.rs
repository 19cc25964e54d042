//! What is known of each CLI, as data, and what is concluded from it.
//!
//! - [`profile`]: a profile file: command, preparation, signals, dialogs, how to submit. [`Profiles`] holds those that
//!   there are; three are compiled in.
//! - [`launch`]: a profile and a request become a command: arguments, environment, files to write first.
//! - [`detector`]: what a session tells (status reports, title, hooks, session file, screen) becomes an [`Observation`] and
//!   [`Fact`]s. Within it: `reports` reads what the CLI tells; `claims` keeps what each source says and which one counts;
//!   `sight` reads the last block of the screen (`dialog`, `composer`, `link`); `turn` follows one prompt to its answer;
//!   `conclusions` puts them together.
//! - [`answer`]: the answer of a turn read off the screen, where no report told it.
//! - [`program`]: where a CLI's program is.
//! - [`replay`]: the detector over a recorded session, for whoever adds or mends a profile.
//!
//! Nothing here does I/O beyond reading a directory of profiles and looking for a program, and nothing looks at a clock: time is an argument. A
//! spawn goes `Profiles::get` → [`Launch`] → [`Launch::command`]; from then on the host hands every signal to
//! [`Detector::observe`] and acts on what it gets back.

pub mod answer;
pub mod detector;
pub mod launch;
pub mod profile;
mod profiles;
pub mod program;
pub mod replay;

pub use detector::{
    Choice, Composer, Detector, Fact, Needed, Observation, Outcome, Signal, Source, TextEntry,
};
pub use launch::{Command, Conversation, Launch, Mount, MountSource, Place, PreparedFile, RecordSource};
pub use profile::answer::AnswerSource;
pub use profile::submit::{Leave, Submit};
pub use profile::{Profile, ProfileError};
pub use profiles::Profiles;
