//! How many agents start and end in a second. Ours only.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};

use crate::report::Report;
use crate::subject::Subject;

/// Agents that are started, then stopped, and how many at once.
const AGENTS: usize = 100;
const AT_ONCE: usize = 16;

#[expect(clippy::cast_precision_loss, reason = "a small number")]
pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    if subject.stack().is_none() {
        return Ok(());
    }
    let began = Instant::now();
    let starts = stream::iter(0..AGENTS).map(|_| subject.shell()).buffer_unordered(AT_ONCE);
    let shells: Vec<_> = starts.try_collect().await?;
    report.add("spawns, 16 at once, 1/s", subject, AGENTS as f64 / began.elapsed().as_secs_f64());
    let began = Instant::now();
    let ends = stream::iter(shells).map(|shell| subject.end(shell)).buffer_unordered(AT_ONCE);
    ends.try_collect::<Vec<()>>().await?;
    report.add("stops, 16 at once, 1/s", subject, AGENTS as f64 / began.elapsed().as_secs_f64());
    Ok(())
}
