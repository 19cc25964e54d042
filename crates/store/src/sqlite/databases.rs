//! The parts and tables of the databases.

use super::schema::Schema;
use super::{
    agents, attempts, devices, events, idempotency, patterns, presets, published, run_servers, runs, texts,
    usage,
};

/// The database of a control plane. The migrations of its own tables are one part, called `main`.
pub(super) const CONTROL_PLANE: Schema = Schema {
    name: "control-plane",
    parts: &[
        (
            "main",
            &[
                published::MIGRATION,
                attempts::MIGRATION,
                patterns::MIGRATION,
                run_servers::MIGRATION,
                presets::MIGRATION,
                devices::MIGRATION,
            ],
        ),
        ("events", &[events::MIGRATION]),
        ("idempotency", &[idempotency::MIGRATION]),
    ],
    tables: &[
        &events::LOG,
        &events::EVENTS,
        &events::SOURCES,
        &idempotency::TABLE,
        &published::TABLE,
        &attempts::TABLE,
        &patterns::TABLE,
        &runs::RUNS,
        &runs::EVENTS,
        &run_servers::TABLE,
        &presets::TABLE,
        &devices::TABLE,
    ],
    after_loss: events::after_copy,
};

/// The database of a runtime server.
pub(super) const RUNTIME: Schema = Schema {
    name: "runtime",
    parts: &[
        ("main", &[agents::MIGRATION]),
        ("events", &[events::MIGRATION]),
        ("idempotency", &[idempotency::MIGRATION]),
    ],
    tables: &[&events::LOG, &events::EVENTS, &events::SOURCES, &idempotency::TABLE, &agents::TABLE],
    after_loss: events::after_copy,
};

/// The index of texts of a control plane.
pub(super) const TEXTS: Schema = Schema {
    name: "texts",
    parts: &[("texts", &[texts::MIGRATION, texts::MIGRATION_MISSED])],
    tables: &[&texts::TEXTS, &texts::POSITIONS],
    // A text that is missing is not found, nothing else.
    after_loss: |_, _| Ok(()),
};

/// What agents use over time, of a control plane.
pub(super) const USAGE: Schema = Schema {
    name: "usage",
    parts: &[("main", &[usage::MIGRATION, usage::MIGRATION_WITHOUT_TIMES])],
    tables: &[&usage::MINUTES, &usage::HOURS, &usage::LATEST],
    // A gap in a chart, nothing else.
    after_loss: |_, _| Ok(()),
};
