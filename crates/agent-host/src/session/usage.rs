//! What the CLI reported about its use, and the CPU time at the last measurement.

use std::time::Instant;

use parallax_api::observe::Tokens;

/// Figures for `metrics` and `status`.
#[derive(Default)]
pub(super) struct Usage {
    pub(super) tokens: Option<Tokens>,
    pub(super) cost_usd: Option<f64>,
    pub(super) cli_version: Option<String>,
    measured: Option<(Instant, f64)>,
}

impl Usage {
    /// The share of a CPU, in percent, that was used since the last call; `None` at the first.
    pub(super) fn cpu_percent(&mut self, cpu_seconds: f64, now: Instant) -> Option<f64> {
        let (at, before) = self.measured.replace((now, cpu_seconds))?;
        let elapsed = (now - at).as_secs_f64().max(0.001);
        Some(((cpu_seconds - before) / elapsed * 100.0).max(0.0))
    }
}
