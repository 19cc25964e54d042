//! The work that is counted: what a host does most.

use std::hint::black_box;

use anyhow::{Context as _, bail};
use clap::Args;
use parallax_api::TerminalSize;
use parallax_profile::{Profiles, replay};
use parallax_screen::{Screen, render};

/// All but `nothing`.
pub(super) const NAMES: &[&str] =
    &["key", "lines", "lines-followed", "colours", "repaint", "snapshot", "log-tail", "recording"];

/// As a PTY hands it on.
const CHUNK: usize = 4096;
const MEGABYTE: usize = 1_000_000;
const SIZE: TerminalSize = TerminalSize { cols: 120, rows: 40 };
const SCROLLBACK: usize = 2000;
const RECORDING: &str = include_str!("../../../screen/tests/fixtures/claude_tool_permission_yes.cast");

/// Does some work once
#[derive(Args)]
pub(crate) struct Work {
    name: String,
}

impl Work {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.name.as_str() {
            "nothing" => {}
            "key" => key(),
            // Nobody looks before the end.
            "lines" => watch(&lines(), usize::MAX),
            // The detector looks at every chunk.
            "lines-followed" => watch(&lines(), 0),
            "colours" => watch(&colours(), MEGABYTE / 4),
            "repaint" => watch(&frames(), MEGABYTE / 4),
            "snapshot" => {
                black_box(shown(&colours()).snapshot());
            }
            "log-tail" => {
                black_box(render::text_lines(&lines()[..MEGABYTE / 4], 0, &[]));
            }
            "recording" => {
                let profile = Profiles::builtin().get("claude").context("it is built in")?.clone();
                black_box(replay::replay(&profile, RECORDING)?);
            }
            other => bail!("there is no work `{other}`"),
        }
        Ok(())
    }
}

/// A thousand keys and their echoes.
fn key() {
    let mut screen = Screen::new(SIZE, SCROLLBACK);
    for _ in 0..1000 {
        black_box(screen.hear(b"x"));
    }
    screen.catch_up();
}

/// Gives a screen what was printed, and looks at it each time it is behind by so many bytes.
fn watch(printed: &[u8], patience: usize) {
    let mut screen = Screen::new(SIZE, SCROLLBACK);
    let mut behind = 0;
    for chunk in printed.chunks(CHUNK) {
        black_box(screen.hear(chunk));
        behind += chunk.len();
        if behind > patience {
            screen.catch_up();
            behind = 0;
        }
    }
    screen.catch_up();
    black_box(screen.cursor());
}

fn shown(printed: &[u8]) -> Screen {
    let mut screen = Screen::new(SIZE, SCROLLBACK);
    screen.feed(printed);
    screen
}

/// A megabyte of plain lines.
fn lines() -> Vec<u8> {
    [&[b'x'; 98][..], b"\r\n"].concat().repeat(MEGABYTE / 100)
}

/// A megabyte of lines with some colour, as builds and logs have it.
fn colours() -> Vec<u8> {
    let line =
        b"\x1b[32mINFO\x1b[0m request 4711 of \x1b[1mclient\x1b[0m took \x1b[38;5;174m12\x1b[0m ms\r\n";
    line.repeat(MEGABYTE / line.len())
}

/// A megabyte of frames in which each cell has a colour of its own.
fn frames() -> Vec<u8> {
    let mut frame = b"\x1b[H".to_vec();
    for row in 1..=40 {
        frame.extend_from_slice(format!("\x1b[{row};1H").as_bytes());
        frame.extend_from_slice(&b"\x1b[38;2;200;100;50mx".repeat(120));
    }
    let mut frames = b"\x1b[?1049h".to_vec();
    frames.extend_from_slice(&frame.repeat(MEGABYTE / frame.len()));
    frames
}
