//! The engine on virtual time: random teams, random work, random faults, and servers that die in the middle.
//!
//! Every case is a seed: the same in every run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod charts;
mod drive;
mod scripted;
mod world;

use std::time::Duration;

use parallax_api::execution::{ExecutionEventData as Data, ExecutionStatus, Question, QuestionKind, USER};
use parallax_patterns::check;
use parallax_patterns::pattern::Pattern;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use drive::{Outcome, run};
use world::{Faults, Rng};

/// Cases that always run; `SIMULATION_CASES` has more.
const CASES: u32 = 1000;

fn config() -> ProptestConfig {
    let cases = std::env::var("SIMULATION_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(CASES),
        rng_seed: RngSeed::Fixed(20_261_126),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever goes wrong: the run ends, and everything that must hold does.
    #[test]
    fn every_run_ends_well(seed in any::<u64>(), crashes in 0_u32..4, faults in 0_u64..4) {
        let source = charts::chart(&mut Rng::new(seed));
        let pattern = check::read(&source).unwrap_or_else(|findings| panic!("{findings:#?}\n{source}"));
        let faults = Faults { often: faults * 6, crashes };
        let outcome = run(pattern.clone(), seed, faults);
        check_all(&pattern, &outcome, &source);
    }

    /// Without faults, with a person who answers: nothing fails but what a verdict, a vote or a condition says.
    #[test]
    fn without_faults_only_verdicts_fail(seed in any::<u64>(), crashes in 0_u32..3) {
        let source = charts::chart(&mut Rng::new(seed));
        let pattern = check::read(&source).unwrap_or_else(|findings| panic!("{findings:#?}\n{source}"));
        let outcome = run(pattern.clone(), seed, Faults { often: 0, crashes });
        check_all(&pattern, &outcome, &source);
        if let Some(fault) = &outcome.execution.error {
            let allowed = ["REJECTED", "NO_AGREEMENT", "UNCLEAR_ANSWER", "MESSAGE_BUDGET", "NOT_ANSWERED", "TIMEOUT",
                "RESOURCE_LIMIT", "AGENT_NOT_FOUND", "CANCELLED"];
            prop_assert!(allowed.contains(&fault.code.as_str()), "{fault:?}\n{source}\n{:#?}", outcome.events);
        }
    }
}

/// The deepest workflow that a file can hold runs on the stack of tokio's workers.
#[test]
fn the_deepest_workflow_runs() {
    let deepest = (1..64).rev().find_map(|depth| {
        let mut step = "{type: assign, role: a, task: t}".to_owned();
        for level in 0..depth {
            step = match level % 3 {
                0 => format!("{{type: sequential, steps: [{step}]}}"),
                1 => format!("{{type: parallel, steps: [{step}]}}"),
                _ => format!("{{type: condition, if: 'context.pattern == \"random\"', then: [{step}]}}"),
            };
        }
        let roles = "{a: {agentType: fake, managed: true}}";
        let source = format!("name: random\nstructure: {{roles: {roles}}}\nworkflow: {{steps: [{step}]}}\n");
        Some((depth, check::read(&source).ok()?))
    });
    let (depth, pattern) = deepest.expect("some depth is allowed");
    assert!(depth > 20, "{depth}");
    let faults = Faults { often: 0, crashes: 0 };
    let running = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let outcome = running.spawn(move || run(pattern, 7, faults)).unwrap().join().unwrap();
    assert_eq!(outcome.execution.steps.len(), depth + 1);
    assert!(outcome.execution.status != ExecutionStatus::Running);
}

/// A server dies while it stops agents that are to spare, and the next one takes none of them for a task.
#[test]
fn an_agent_that_is_being_stopped_is_not_taken_for_a_free_one() {
    let step = "{type: assign, role: a, task: t}";
    let at_once = format!("{{type: parallel, steps: [{step}, {step}, {step}]}}");
    let roles = "{a: {agentType: fake, managed: true, maxInstances: 3}}";
    let source = format!(
        "name: random\nstructure: {{roles: {roles}}}\nworkflow: {{steps: [{at_once}, {step}, {at_once}, {step}]}}\n"
    );
    let pattern = check::read(&source).unwrap();
    for seed in 0..100 {
        let outcome = run(pattern.clone(), seed, Faults { often: 0, crashes: 1 });
        check_all(&pattern, &outcome, &source);
        let stopped = outcome.execution.error.filter(|fault| fault.code == "AGENT_STOPPED");
        assert!(stopped.is_none(), "{seed} {stopped:?} {:#?}", outcome.events);
    }
}

/// What must hold after every run.
fn check_all(pattern: &Pattern, outcome: &Outcome, source: &str) {
    let Outcome { execution, events, world, left } = outcome;
    let context = || format!("{source}\n{events:#?}\n{:#?}", world.complaints);
    assert!(world.complaints.is_empty(), "{}", context());
    assert_ne!(execution.status, ExecutionStatus::Running, "it ends: {}", context());
    assert!(execution.questions.is_empty(), "no question is left open: {}", context());
    assert!(
        execution.steps.iter().all(|step| step.ended_at.is_some()),
        "no step is left open: {}",
        context()
    );
    assert!(execution.agents.iter().all(|agent| !agent.present), "every agent has left: {}", context());
    assert!(left.is_empty(), "managed agents are left: {left:?} {}", context());
    assert!(execution.metrics.messages <= pattern.limits.messages, "{}", context());
    assert_eq!(events.iter().filter(|event| event.data.name() == "execution_ended").count(), 1);

    let mut kinds = std::collections::HashMap::new();
    let mut open = std::collections::HashSet::new();
    for event in events {
        match &event.data {
            Data::QuestionAsked { question } => {
                assert!(
                    kinds.insert(question.id.clone(), Question::clone(question)).is_none(),
                    "asked twice: {}",
                    context()
                );
                open.insert(question.id.clone());
            }
            Data::QuestionAnswered { id, by, .. } => {
                assert!(open.remove(id), "answered once, while open: {id} {}", context());
                let question = &kinds[id];
                let is_plan = question.options.iter().any(|option| option.id == world::APPROVES_PLAN);
                if is_plan || question.kind == QuestionKind::Permission {
                    let role = question.role.as_deref().and_then(|role| pattern.structure.roles.get(role));
                    let allowed = role.is_some_and(|role| role.permissions_answered_by.contains(by));
                    assert!(by == USER || allowed, "{by} may not permit: {}", context());
                }
                assert_ne!(Some(by), question.role.as_ref(), "nobody answers itself: {}", context());
            }
            Data::QuestionWithdrawn { id, .. } => {
                open.remove(id);
            }
            Data::QuestionRouted { depth, .. } => {
                // One for each level, one more for those who are asked at the end, and the person.
                assert!(*depth <= pattern.structure.escalation.max_depth + 2, "{}", context());
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "lost questions: {open:?} {}", context());
    assert!(
        execution.metrics.duration_ms
            <= pattern.workflow.timeout_ms.unwrap_or(86_400_000)
                + u64::try_from(Duration::from_secs(120).as_millis()).unwrap_or_default(),
        "it ends in time: {}",
        context()
    );
}
