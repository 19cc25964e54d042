//! Filling the archive from the disk of a dead host.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use parallax_api::Agent;
use parallax_api::message::MessageState;
use parallax_api::observe::Metrics;
use parallax_api::terminal::Screen;
use parallax_screen::Screen as Emulator;
use serde_json::json;

use super::dead_host::{DeadHost, IndexEntry};
use super::files::Draft;
use super::{Archive, ArchivedAgent};
use crate::server::characters::complete_len;

/// Output that is replayed for the last screen, in bytes: the newest.
const MAX_REPLAYED: u64 = 2 * 1024 * 1024;
/// Bytes of output that are read at once.
const PIECE: usize = 64 * 1024;

impl Archive {
    /// Copies what a dead host left into the archive. What was there of this agent before is replaced. Blocks.
    pub(in crate::server) fn recover(&self, agent: &Agent, dead: &DeadHost) -> anyhow::Result<()> {
        let draft = Draft::create(self, &agent.id)?;
        let segments = dead.segments();
        let mut output = BufWriter::new(File::create(draft.output())?);
        let start = dead.copy_output(&segments, &mut output)?;
        let length = output.into_inner().map_err(io::IntoInnerError::into_error)?.metadata()?.len();
        let index = dead.index(&segments);
        let cast = BufWriter::new(File::create(draft.cast())?);
        write_cast(cast, &agent.name, File::open(draft.output())?, start, &index)?;
        let messages = dead.messages();
        let count = |wanted: fn(&Option<MessageState>) -> bool| {
            messages.iter().filter(|message| wanted(&message.state)).count() as u64
        };
        let metrics = Metrics {
            output_bytes: start + length,
            messages_sent: count(Option::is_some),
            messages_answered: count(|state| *state == Some(MessageState::Answered)),
            ..Metrics::default()
        };
        let mut sizes: Vec<_> = index.iter().map(|entry| (entry.offset, entry.size)).collect();
        sizes.dedup_by_key(|(_, size)| *size);
        let screen = last_screen(File::open(draft.output())?, start, length, &index)?;
        let archived = ArchivedAgent {
            start,
            // As hosts name their logs.
            epoch: agent.id.to_string(),
            sizes,
            messages,
            screen: (length > 0).then_some(screen),
            status: None,
            metrics: Some(metrics),
        };
        draft.publish(agent, &archived)
    }
}

/// The output as an asciicast v2 recording (<https://docs.asciinema.org/manual/asciicast/v2/>).
fn write_cast(
    mut cast: impl Write,
    title: &str,
    output: File,
    start: u64,
    index: &[IndexEntry],
) -> io::Result<()> {
    let size = index.first().map(|entry| entry.size).unwrap_or_default();
    let began = index.first().map_or(0, |entry| entry.at.as_millis());
    let header = json!({
        "version": 2, "width": size.cols, "height": size.rows, "timestamp": began / 1000, "title": title,
    });
    writeln!(cast, "{header}")?;
    let mut output = BufReader::new(output);
    let (mut offset, mut shown, mut carry) = (start, size, Vec::new());
    for (number, entry) in index.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries fit into 53 bits")]
        let at = entry.at.as_millis().saturating_sub(began).max(0) as f64 / 1000.0;
        if entry.size != shown {
            shown = entry.size;
            writeln!(cast, "{}", json!([at, "r", format!("{}x{}", shown.cols, shown.rows)]))?;
        }
        let until = index.get(number + 1).map_or(u64::MAX, |next| next.offset);
        while offset < until {
            let room = usize::try_from(until - offset).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; room];
            let read = output.read(&mut piece)?;
            if read == 0 {
                break;
            }
            offset += read as u64;
            carry.extend_from_slice(&piece[..read]);
            let rest = carry.split_off(complete_len(&carry));
            let text = String::from_utf8_lossy(&carry).into_owned();
            carry = rest;
            if !text.is_empty() {
                writeln!(cast, "{}", json!([at, "o", text]))?;
            }
        }
    }
    cast.flush()
}

/// The screen after the last output.
fn last_screen(mut output: File, start: u64, length: u64, index: &[IndexEntry]) -> io::Result<Screen> {
    let skipped = length.saturating_sub(MAX_REPLAYED);
    output.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    output.take(MAX_REPLAYED).read_to_end(&mut bytes)?;
    let mut offset = start + skipped;
    let first = index.partition_point(|entry| entry.offset <= offset).saturating_sub(1);
    let mut screen = Emulator::new(index.get(first).map(|entry| entry.size).unwrap_or_default(), 0);
    let mut rest = bytes.as_slice();
    for entry in index.iter().skip(first) {
        let before =
            usize::try_from(entry.offset.saturating_sub(offset)).unwrap_or(usize::MAX).min(rest.len());
        screen.feed(&rest[..before]);
        (offset, rest) = (offset + before as u64, &rest[before..]);
        if screen.size() != entry.size {
            screen.resize(entry.size);
        }
    }
    screen.feed(rest);
    Ok(screen.view(start + length))
}
