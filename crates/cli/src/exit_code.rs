//! Which exit code a refusal of the API becomes.

use parallax_api::Code;
use parallax_api::problem::Class;

/// The exit code of a problem; the list stands in `parallax --help` and `docs/cli.md`.
pub(crate) fn of(code: Code) -> u8 {
    match code.class() {
        Class::Failed => 1,
        Class::Invalid => 2,
        Class::NotFound => 3,
        Class::State => 4,
        Class::Access => 5,
        Class::Unfulfillable => 6,
        Class::Unavailable => 7,
        Class::Timeout => 8,
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
