//! Which exit code a refusal of the API becomes.

use parallax_api::Code;

/// The exit code of a problem; the list stands in `parallax --help` and `docs/cli.md`.
pub(crate) fn of(code: Code) -> u8 {
    match code {
        Code::Validation | Code::PayloadTooLarge | Code::UnsupportedMediaType | Code::MethodNotAllowed => 2,
        Code::AgentNotFound | Code::NotFound => 3,
        Code::AuthRequired
        | Code::QuestionPending
        | Code::AgentStopped
        | Code::AgentBusy
        | Code::Conflict
        | Code::IdempotencyConflict => 4,
        Code::Unauthorized | Code::Forbidden => 5,
        Code::CliNotFound
        | Code::WorkdirNotFound
        | Code::WorkdirForbidden
        | Code::ImageNotFound
        | Code::Unsupported
        | Code::ResourceLimit
        | Code::SpawnFailed => 6,
        Code::NoRuntime | Code::RuntimeUnavailable | Code::ShuttingDown => 7,
        Code::Timeout => 8,
        Code::Internal | Code::AgentFailed => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_exit_code() {
        for code in Code::ALL {
            assert!((1..=8).contains(&of(*code)), "{code}");
        }
    }
}
