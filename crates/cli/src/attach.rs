//! `parallax attach`: the agent's terminal in the user's.
//!
//! Output goes straight to the user's terminal; [`modes`] remembers what the agent switched on, so that it can be
//! switched off again. What is typed goes straight to the agent, but for the detach key, which [`keys`] finds. The
//! user's terminal is in raw mode as long as a [`raw::RawTerminal`] lives.
//!
//! Who only watches (`--view`) sees the agent's terminal through a [`window::Window`], and scrolls with the keys.

mod keyboard;
mod keys;
mod modes;
mod raw;
mod scroll;
mod signals;
mod window;

use std::time::Duration;

use clap::Args;
use parallax_api::client::{Client, TerminalItem, TerminalOptions, TerminalSocket};
use parallax_api::terminal::{LeaseHolder, TerminalMode};
use parallax_api::{Agent, AgentExit, AgentId, Problem, TerminalSize};
use tokio::signal::unix::SignalKind;
use tokio::time::{Instant, sleep_until};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::list::how_ended;
use crate::output::{clean, one_line};
use keyboard::Keyboard;
use keys::{DetachKey, KeyScanner};
use raw::RawTerminal;
use scroll::scrolls;
use signals::Signals;
use window::Window;

/// How long the line with the detach key is shown before the agent's screen; a key press ends it sooner.
const GREETING: Duration = Duration::from_millis(1200);
/// The beginning of a key's sequence (Escape) that nothing followed is a key of its own after this long. Terminals send a
/// sequence at once; only the network may cut it.
const KEY_PAUSE: Duration = Duration::from_millis(25);
/// A loss that is mended this soon is not worth disturbing the screen.
const SHORT_LOSS: Duration = Duration::from_secs(1);
/// Who watches gets what the agent prints meanwhile at once.
const PAINT_PAUSE: Duration = Duration::from_millis(15);

#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// The key that detaches and leaves the agent running: ctrl-a to ctrl-z, ctrl-], …; or none
    #[arg(long, value_name = "KEY", default_value = "ctrl-]")]
    detach_key: DetachKey,
    /// Watch only: nothing typed reaches the agent, and its terminal keeps its size. In a smaller one the part with the
    /// cursor is shown; arrows, Page Up and Page Down scroll, End follows the cursor again
    #[arg(long)]
    view: bool,
    /// Begin at once, without the line that names the detach key
    #[arg(short, long)]
    quiet: bool,
}

impl AttachArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        if context.output.json() {
            return Err(CliError::Usage(
                "a terminal is no JSON: leave out --json, or see `parallax events`".into(),
            ));
        }
        let agent = find::agent(&context.client, &self.agent).await?;
        let options = AttachOptions { key: self.detach_key, view: self.view, quiet: self.quiet };
        attach(context, &agent, options).await
    }
}

/// How to attach.
#[derive(Debug, Default)]
pub(crate) struct AttachOptions {
    key: DetachKey,
    view: bool,
    quiet: bool,
}

/// Why an attachment ended.
enum Ended {
    Detached,
    Exited(AgentExit),
    /// The agent ended before; there is nothing more to see.
    NotRunning,
    Refused(Problem),
    /// The user's terminal is gone or does not take output.
    TerminalGone,
    Signal(SignalKind),
}

/// Uses the agent's terminal in this one, until the agent ends or the person leaves.
pub(crate) async fn attach(context: &Context, agent: &Agent, options: AttachOptions) -> Result<(), CliError> {
    RawTerminal::check()?;
    let mode = if options.view { TerminalMode::View } else { TerminalMode::Interactive };
    // From here on a signal must find us ready to restore the terminal.
    let mut signals = Signals::new()?;
    let socket = context.client.terminal(&agent.id, TerminalOptions { mode, ..Default::default() }).await?;
    let mut attachment = Attachment {
        client: &context.client,
        id: &agent.id,
        mode,
        socket,
        terminal: RawTerminal::enter()?,
        window: (mode == TerminalMode::View).then(|| Window::new(own_size().unwrap_or_default())),
        paint_at: None,
        scanner: KeyScanner::new(options.key.clone()),
        key_deadline: None,
        knows_lease: true,
        holds_size: mode == TerminalMode::Interactive,
        has_taken_size: false,
        lost: None,
        loss_shown: false,
    };
    let (doing, keys) = match options.view {
        true => ("watching", "arrows and Page Up scroll, "),
        false => ("attached to", ""),
    };
    let greeting = format!(
        "{doing} {} ({}); {keys}{} detaches",
        one_line(&agent.name),
        one_line(&agent.r#type),
        options.key
    );
    let ended = attachment.run(&mut signals, (!options.quiet).then_some(greeting)).await;
    // The terminal first: the connection may take a moment to end.
    let Attachment { terminal, socket, .. } = attachment;
    drop(terminal);
    socket.close().await;
    print_outcome(context, agent, ended?)
}

fn print_outcome(context: &Context, agent: &Agent, ended: Ended) -> Result<(), CliError> {
    let name = clean(&agent.name);
    match ended {
        Ended::Detached => {
            context.output.note(&format!("[detached; `parallax attach {}` comes back]", agent.id));
            Ok(())
        }
        Ended::Exited(exit) => {
            context.output.note(&format!("[{name} ended: {}]", clean(&how_ended(&exit))));
            Ok(())
        }
        Ended::NotRunning => {
            context.output.note(&format!("[{name} has ended]"));
            Ok(())
        }
        Ended::Refused(problem) => Err(problem.into()),
        Ended::TerminalGone => Err(CliError::Silent(1)),
        Ended::Signal(kind) => Err(CliError::Silent(128 + u8::try_from(kind.as_raw_value()).unwrap_or(0))),
    }
}

/// A person at an agent's terminal.
struct Attachment<'a> {
    client: &'a Client,
    id: &'a AgentId,
    mode: TerminalMode,
    socket: TerminalSocket,
    terminal: RawTerminal,
    /// For who only watches.
    window: Option<Window>,
    /// When the window is to be painted, as it shows something else by now.
    paint_at: Option<Instant>,
    scanner: KeyScanner,
    /// When the beginning of a key's sequence that nothing follows is a key of its own.
    key_deadline: Option<Instant>,
    /// Whether the agent's host knows leases; older ones take a `resize` from anybody.
    knows_lease: bool,
    /// Whether this terminal decides on the size.
    holds_size: bool,
    /// Whether the size was taken on a connection before its hello.
    has_taken_size: bool,
    /// Since when the connection is lost.
    lost: Option<(Instant, Problem)>,
    /// Whether the screen shows a line about that.
    loss_shown: bool,
}

impl Attachment<'_> {
    async fn run(&mut self, signals: &mut Signals, greeting: Option<String>) -> Result<Ended, CliError> {
        let mut keyboard = Keyboard::start();
        if let Some(greeting) = greeting {
            self.terminal.say(&greeting)?;
            let first = tokio::time::timeout(GREETING, keyboard.next()).await;
            if let Ok(first) = first
                && let Some(ended) = self.on_typed(first).await
            {
                return Ok(ended);
            }
        }
        self.terminal.make_room()?;
        loop {
            let show_loss =
                self.lost.as_ref().filter(|_| !self.loss_shown).map(|(since, _)| *since + SHORT_LOSS);
            let ended = tokio::select! {
                item = self.socket.next() => self.show(item).await?,
                bytes = keyboard.next() => self.on_typed(bytes).await,
                _ = signals.resized.recv() => { self.resize().await; None }
                () = at(self.paint_at) => self.paint(),
                kind = Signals::ending(&mut signals.ending) => Some(Ended::Signal(kind)),
                () = at(self.key_deadline) => { self.on_key_timeout().await; None }
                () = at(show_loss) => { self.show_loss()?; None }
            };
            if let Some(ended) = ended {
                // What came last is seen as well.
                return Ok(self.paint_at.and_then(|_| self.paint()).unwrap_or(ended));
            }
        }
    }

    async fn show(&mut self, item: Result<Option<TerminalItem>, Problem>) -> Result<Option<Ended>, CliError> {
        match item {
            Ok(Some(TerminalItem::Output { bytes, .. })) => match &mut self.window {
                Some(window) => {
                    window.feed(&bytes);
                    self.paint_soon();
                }
                None if self.terminal.write(&bytes).is_err() => return Ok(Some(Ended::TerminalGone)),
                None => {}
            },
            Ok(Some(TerminalItem::Snapshot { data, .. })) => match &mut self.window {
                Some(window) => {
                    window.begin(&data);
                    self.paint_soon();
                }
                None => {
                    self.terminal.clear()?;
                    self.terminal.write(data.as_bytes())?;
                }
            },
            Ok(Some(TerminalItem::Lost(problem))) => {
                let since = self.lost.take().map_or_else(Instant::now, |(since, _)| since);
                self.lost = Some((since, problem));
            }
            Ok(Some(TerminalItem::Hello { lease, size, .. })) => {
                self.set_agent_size(size);
                self.on_connected(lease).await;
            }
            Ok(Some(TerminalItem::Resize(size))) => self.set_agent_size(size),
            Ok(Some(TerminalItem::Lease(holder))) => self.holds_size = holder == LeaseHolder::You,
            Ok(Some(TerminalItem::Skip { .. } | TerminalItem::Refused(_))) => {}
            Ok(Some(TerminalItem::Exit(exit))) => return Ok(Some(Ended::Exited(exit))),
            Ok(None) => return Ok(Some(Ended::NotRunning)),
            Err(problem) => return Ok(Some(Ended::Refused(problem))),
        }
        Ok(None)
    }

    /// The connection stands. After a loss the output goes on exactly where it stopped; only where our own line has
    /// spoilt the screen meanwhile, a new one is asked for.
    async fn on_connected(&mut self, lease: Option<LeaseHolder>) {
        self.knows_lease = lease.is_some();
        if std::mem::take(&mut self.has_taken_size) {
            return;
        }
        let is_spoilt = self.lost.take().is_some() && std::mem::take(&mut self.loss_shown);
        if is_spoilt && self.window.is_some() {
            self.resize().await;
        } else if is_spoilt {
            let options = TerminalOptions { mode: self.mode, ..Default::default() };
            // Lost again meanwhile: the old socket goes on trying, and the agent's next redraw covers our line.
            if let Ok(socket) = self.client.terminal(self.id, options).await {
                self.socket = socket;
                self.has_taken_size = true;
            }
        }
        // Attaching takes it; after a loss it is taken again by who held it, whose window may have changed meanwhile.
        if self.holds_size {
            self.take_size().await;
        }
    }

    fn show_loss(&mut self) -> Result<(), CliError> {
        if let Some((_, problem)) = &self.lost {
            let (key, why) = (self.scanner.key(), one_line(&problem.detail));
            self.terminal.overlay(&format!("connecting again, {key} detaches: {why}"))?;
            self.loss_shown = true;
        }
        Ok(())
    }

    /// What the person typed. None: the keyboard is gone.
    async fn on_typed(&mut self, bytes: Option<Vec<u8>>) -> Option<Ended> {
        let Some(bytes) = bytes else { return Some(Ended::TerminalGone) };
        let scanned = self.scanner.feed(&bytes);
        self.key_deadline = self.scanner.is_pending().then(|| Instant::now() + KEY_PAUSE);
        self.type_through(scanned.send).await;
        scanned.detach.then_some(Ended::Detached)
    }

    /// Nothing followed what looked like the beginning of a key's sequence.
    async fn on_key_timeout(&mut self) {
        self.key_deadline = None;
        let bytes = self.scanner.flush();
        self.type_through(bytes).await;
    }

    async fn type_through(&mut self, bytes: Vec<u8>) {
        if let Some(window) = &mut self.window {
            let scrolls = scrolls(&bytes);
            scrolls.iter().for_each(|scroll| window.scroll(*scroll));
            if !scrolls.is_empty() {
                self.paint_soon();
            }
            return;
        }
        // What is typed while the connection is lost is not typed blindly later.
        if !bytes.is_empty() && self.lost.is_none() {
            self.socket.input().send(bytes).await;
        }
    }

    /// The agent's terminal gets the size of this one.
    async fn take_size(&self) {
        if let Some(size) = own_size() {
            match self.knows_lease {
                true => self.socket.input().lease(size).await,
                false => self.socket.input().resize(size).await,
            }
        }
    }

    /// This window has another size: who took the size decides on it.
    async fn resize(&mut self) {
        let Some(size) = own_size() else { return };
        match &mut self.window {
            Some(window) => {
                window.set_size(size);
                self.paint_soon();
            }
            None => self.socket.input().resize(size).await,
        }
    }

    /// The agent's terminal has this size, which concerns who only watches: the others gave it theirs.
    fn set_agent_size(&mut self, size: TerminalSize) {
        if let Some(window) = &mut self.window {
            window.set_agent_size(size);
            self.paint_soon();
        }
    }

    fn paint_soon(&mut self) {
        self.paint_at.get_or_insert_with(|| Instant::now() + PAINT_PAUSE);
    }

    fn paint(&mut self) -> Option<Ended> {
        self.paint_at = None;
        let painted = self.window.as_mut()?.paint();
        self.terminal.write(painted.as_bytes()).err().map(|_| Ended::TerminalGone)
    }
}

/// The size of this terminal, if it is one that a terminal can have.
fn own_size() -> Option<TerminalSize> {
    let (cols, rows) = crossterm::terminal::size().ok()?;
    let size = TerminalSize { cols, rows };
    size.is_sane().then_some(size)
}

/// Waits until then; without a then, for ever.
async fn at(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}
