//! What a person would see of an agent's terminal, and what the terminal answers.
//!
//! Bytes from the PTY go through one [`Screen`]:
//!
//! 1. `splitter` cuts them into text and control sequences, whatever the chunking, and keeps back what is not complete;
//!    `run` cuts what is plain in one go.
//! 2. `query` recognises the sequences that ask the terminal something. They are answered here, in order, and do not
//!    reach viewers ([`Fed::replies`]); everything else does ([`Fed::output`]).
//! 3. `report` reads what the program tells about itself: status (OSC 7501), title, bell, prompt marks
//!    ([`Fed::reports`]).
//! 4. `behind` keeps what was not shown yet until somebody looks, and then leaves out what has scrolled away or was painted over since.
//! 5. `emulator` moves the grid. [`Screen::rows`] and [`Screen::view`] read it, `snapshot` writes it down so that a late
//!    viewer can paint it.
//!
//! The way back, from a viewer to the PTY: [`ViewerInput`] drops what the viewer's own terminal answered, [`keys`] turns
//! key names into bytes. [`render`] replays a log into lines, [`Plain`] strips one as it comes.
//!
//! Nothing here does I/O or looks at a clock.

mod attr;
mod behind;
mod buffer;
mod c1;
mod cells;
mod charset;
mod csi;
mod emulator;
mod frames;
mod history;
mod inspect;
mod keyboard;
pub mod keys;
mod line;
mod painter;
mod plain;
mod query;
pub mod render;
mod report;
mod row;
mod run;
mod screen;
mod sgr;
mod snapshot;
mod splitter;
mod terminal;
mod viewer;
mod width;

pub use plain::Plain;
pub use report::{ProgramStatus, TerminalReport};
pub use row::{Cell, Color, Row};
pub use screen::{Modes, Screen};
pub use snapshot::RESET;
pub use terminal::Fed;
pub use viewer::ViewerInput;
