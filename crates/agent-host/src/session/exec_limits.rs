//! The kernel's limits on a program's arguments and environment, checked before `execve` answers with `E2BIG`.

use parallax_api::Problem;
use parallax_profile::Command;
use rustix::process::{Resource, getrlimit};

/// The longest string, with its terminating zero (`MAX_ARG_STRLEN`); see execve(2).
const MAX_STRING: usize = 128 * 1024;
/// Bounds of the room for all strings together.
const MIN_TOTAL: u64 = 128 * 1024;
const MAX_TOTAL: u64 = 6 * 1024 * 1024;
/// Room for the program's name, which is copied, too, and for what the kernel adds.
const RESERVE: u64 = 8 * 1024;

/// Fails with `VALIDATION_ERROR` when the command could not be executed.
pub(super) fn check(command: &Command) -> Result<(), Problem> {
    // A quarter of the stack's limit.
    let total = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX) / 4;
    check_within(command, total.clamp(MIN_TOTAL, MAX_TOTAL) - RESERVE)
}

fn check_within(command: &Command, total: u64) -> Result<(), Problem> {
    let mut sum = 0;
    let mut add = |field: &str, what: &str, len: usize| {
        if len >= MAX_STRING {
            let detail = format!("{what} has {len} bytes; the kernel takes less than {MAX_STRING}");
            return Err(Problem::invalid(field, detail));
        }
        // Each string ends with a zero and has a pointer.
        sum += len as u64 + 1 + size_of::<usize>() as u64;
        if sum > total {
            let detail = format!("arguments and environment together have more than {total} bytes");
            return Err(Problem::invalid(field, detail));
        }
        Ok(())
    };
    for (index, arg) in std::iter::once(&command.program).chain(&command.args).enumerate() {
        add("args", &format!("argument {index}"), arg.len())?;
    }
    for (name, value) in &command.env {
        let shown: String = name.chars().take(64).collect();
        add("env", &format!("the variable {shown}"), name.len() + 1 + value.expose().len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn command(args: Vec<String>, env: &[(&str, String)]) -> Command {
        let env: BTreeMap<_, _> =
            env.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        Command { program: "true".into(), args, env, files: Vec::new(), record: None }
    }

    fn runs(command: &Command) -> bool {
        let env = command.env.iter().map(|(name, value)| (name, value.expose().to_owned()));
        std::process::Command::new("/bin/true").args(&command.args).env_clear().envs(env).status().is_ok()
    }

    #[test]
    fn agrees_with_the_kernel() {
        let many = |count, len| vec!["x".repeat(len); count];
        let table = [
            ("small", command(many(3, 10), &[]), true),
            ("the longest argument", command(many(1, MAX_STRING - 1), &[]), true),
            ("one byte more", command(many(1, MAX_STRING), &[]), false),
            ("the longest variable", command(vec![], &[("A", "x".repeat(MAX_STRING - 3))]), true),
            ("one byte more", command(vec![], &[("A", "x".repeat(MAX_STRING - 2))]), false),
            ("many long ones", command(many(100, MAX_STRING - 1), &[]), false),
            ("many short ones", command(many(700_000, 1), &[]), false),
        ];
        for (name, command, fits) in table {
            assert_eq!(check(&command).is_ok(), fits, "{name}");
            assert!(!fits || runs(&command), "{name}: the kernel takes what is let through");
        }
    }

    #[test]
    fn names_what_is_too_large() {
        let problem = check(&command(vec![], &[("BIG", "x".repeat(MAX_STRING))])).unwrap_err();
        assert!(problem.to_string().contains("BIG"), "{problem}");
        let total = command(vec!["x".repeat(100); 10], &[]);
        assert!(check_within(&total, 2000).is_ok());
        assert!(check_within(&total, 1000).is_err());
    }
}
