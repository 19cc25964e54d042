//! Hostile files: the cost of checking one is linear in its size, and nothing in it deepens a recursion without bound.
//!
//! Every file here is checked on a thread with a small stack, and as large as a file may be.

use std::fmt::Write;

use parallax_api::pattern::{Finding, MAX_SOURCE};
use parallax_patterns::check::read;
use parallax_patterns::pattern::Pattern;
use proptest::prelude::*;

/// The stack of a thread that checks a file: half of tokio's, for a build that is not optimised.
const STACK: usize = 1024 * 1024;
/// No file takes longer: a hundred times what the slowest takes here, and a hundredth of what squares would take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

fn check(source: String) -> Result<Pattern, Vec<Finding>> {
    assert!(source.len() <= MAX_SOURCE, "{} bytes", source.len());
    let started = std::time::Instant::now();
    let checking = std::thread::Builder::new().stack_size(STACK).spawn(move || read(&source));
    let checked = checking.expect("a thread starts").join().expect("the check does not panic");
    assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
    if let Err(findings) = &checked {
        assert!((1..=100).contains(&findings.len()), "{} findings", findings.len());
        let size: usize = findings.iter().map(|one| one.message.len() + one.field.len()).sum();
        assert!(size < 1024 * 1024, "{size} bytes of findings");
    }
    checked
}

/// What the first finding says.
fn first(source: String) -> String {
    let Err(findings) = check(source) else { panic!("there is something wrong") };
    findings.first().map(|finding| finding.message.clone()).unwrap_or_default()
}

fn with_condition(condition: &str) -> String {
    format!(
        "name: x\nstructure:\n  roles:\n    a: {{agentType: shell, managed: true}}\nworkflow:\n  steps:\n    \
         - {{type: assign, id: one, role: a, task: hi}}\n    - type: condition\n      id: c\n      if: \"{condition}\"\n      \
         then: [{{type: assign, role: a, task: x}}]\n"
    )
}

fn with_task(task: &str) -> String {
    format!(
        "name: x\ninputs: {{x: {{type: text}}}}\nstructure: {{roles: {{a: {{agentType: shell, managed: true}}}}}}\n\
         workflow: {{steps: [{{type: assign, role: a, task: \"{task}\"}}]}}\n"
    )
}

fn with_roles(roles: &str) -> String {
    format!(
        "name: x\nstructure:\n  roles:\n{roles}workflow: {{steps: [{{type: assign, role: r0, task: t}}]}}\n"
    )
}

#[test]
fn chains_of_any_length_are_conditions() {
    for sign in ["&&", "||"] {
        let terms = MAX_SOURCE / 20;
        let chain = vec!["one == 'x'"; terms].join(sign);
        check(with_condition(&chain)).expect("a long chain is a condition");
        let mixed = vec!["one == 'x' && !one"; terms / 2].join(" || ");
        check(with_condition(&mixed)).expect("a long chain of chains is a condition");
    }
    assert!(first(with_condition(&vec!["nobody"; 20_000].join("&&"))).contains("there is no variable"));
    check(with_condition(&vec!["true"; 6000].join("&&"))).expect("a constant is a condition");
}

#[test]
fn nesting_has_a_bound_and_says_so() {
    for (open, close) in [("(", ")"), ("!", ""), ("!(", ")"), ("(true && ", ")")] {
        let nested = format!("{}true{}", open.repeat(5000), close.repeat(5000));
        assert!(first(with_condition(&nested)).contains("within each other"), "{open}");
    }
    for steps in ["sequential", "parallel"] {
        let mut text = "{type: assign, role: a, task: t}".to_owned();
        for _ in 0..2000 {
            text = format!("{{type: {steps}, steps: [{text}]}}");
        }
        let source = format!(
            "name: x\nstructure: {{roles: {{a: {{agentType: shell, managed: true}}}}}}\nworkflow: {{steps: [{text}]}}\n"
        );
        let message = first(source);
        assert!(message.contains("within each other"), "{message}");
    }
}

#[test]
fn variables_may_be_many() {
    check(with_task(&"${input.x}".repeat(20_000))).expect("it is text");
    assert!(first(with_task(&"${input.y}".repeat(20_000))).contains("has no field `y`"));
    assert!(first(with_task(&"${".repeat(50_000))).contains("has no `}`"));
    assert!(first(with_task(&"${a b}".repeat(30_000))).contains("no variable"));
    let mut inputs = String::new();
    for number in 0..6000 {
        writeln!(inputs, "  i{number:05}: {{type: text}}").expect("text");
    }
    let mut steps = String::new();
    for number in 0..400 {
        writeln!(steps, "    - {{type: assign, role: a, task: \"${{input.z{number}}}\"}}").expect("text");
    }
    let source = format!(
        "name: x\ninputs:\n{inputs}structure: {{roles: {{a: {{agentType: shell, managed: true}}}}}}\nworkflow:\n  steps:\n\
         \x20   - type: parallel\n      steps:\n{}",
        steps.replace("    - ", "        - ")
    );
    assert!(first(source).contains("has no field"));
}

#[test]
fn charts_may_be_large() {
    // A chain of reports, a circle of all roles, and reports to nobody known.
    for (count, target) in [(1000, "r{next}"), (1000, "r0"), (1000, "nobody{next}"), (4000, "r{next}")] {
        let mut roles = String::new();
        for number in 0..count {
            let next = if number + 1 < count { number + 1 } else { 0 };
            let above = target.replace("{next}", &next.to_string());
            writeln!(roles, "    r{number}: {{agentType: sh, managed: true, reportsTo: {above}}}")
                .expect("text");
        }
        let message = first(with_roles(&roles));
        let expected = match (count, target) {
            (4000, _) => "at most",
            (_, "nobody{next}") => "there is no role",
            _ => "report to each other",
        };
        assert!(message.contains(expected), "{count} {target}: {message}");
    }
    let mut roles = String::new();
    for number in 0..900 {
        writeln!(
            roles,
            "    r{number}: {{agentType: shell, managed: true, minInstances: 64, maxInstances: 64}}"
        )
        .expect("text");
    }
    assert!(first(with_roles(&roles)).contains("at most 1000 agents"));
    // Rules for all, to all, and a rule with all names in it.
    let mut roles = String::new();
    for number in 0..1000 {
        writeln!(roles, "    r{number}: {{agentType: shell, managed: true}}").expect("text");
    }
    let all: Vec<String> = (0..1000).map(|number| format!("r{number}")).collect();
    let mut rules = String::from("  routing:\n");
    for _ in 0..1000 {
        rules.push_str("    - {from: '*', to: '*', topics: [a b c]}\n");
    }
    writeln!(rules, "    - {{from: [{0}], to: [{0}]}}", all.join(", ")).expect("text");
    check(with_roles(&(roles + &rules))).expect("it is a chart");
}

/// Lists in mappings in lists, as deep as a file may be: each has the most of the stack.
#[test]
fn the_deepest_file_is_read() {
    for piece in ["a: [", "a: {", "[", "{a: ", "? [", "- "] {
        check(piece.repeat(60_000 / piece.len())).expect_err("it has no end");
    }
    let deepest = format!("name: {}x{}\n", "[{a: ".repeat(31), "}]".repeat(31));
    assert!(!first(deepest).contains("within each other"));
}

#[test]
fn aliases_do_not_multiply() {
    let mut source = "a0: &a0 {type: assign, role: r, task: t}\n".to_owned();
    for n in 1..30 {
        let last = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(source, "a{n}: &a{n} {{type: sequential, steps: [{last}]}}").expect("text");
    }
    assert!(first(source).contains("20000"));
    let source = format!("name: &a {}\nx: [{}]\n", "n".repeat(100_000), vec!["*a"; 10_000].join(","));
    assert!(first(source).contains("bytes of text"));
}

#[test]
fn long_names_are_cut_in_findings() {
    let name = "n".repeat(100_000);
    check(format!("{name}: 1\n{name}2: 2\n")).expect_err("these are no fields");
    let mut text = format!("name: x\nstructure:\n  roles:\n    {name}:\n      env:\n");
    for number in 0..7000 {
        writeln!(text, "        k{number}: ${{x}}").expect("text");
    }
    check(text).expect_err("there is no workflow");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Random tokens, repeated until the file is full: an answer comes, and the findings are few.
    #[test]
    fn any_repeated_tokens_are_answered(
        tokens in prop::collection::vec(
            prop_oneof![
                Just("{"), Just("["), Just("- "), Just("a: "), Just("&a "), Just("*a "), Just("\n"), Just("  "), Just("? "),
                Just("'"), Just("\""), Just("${input.x}"), Just("&& "), Just("("), Just("!"), Just(","), Just("}"), Just("]"),
                Just("type: sequential, steps: "), Just("|\n"), Just("#"), Just("é"), Just("reportsTo: a"),
            ],
            1..12,
        ),
        at_task in any::<bool>(),
    ) {
        let piece = tokens.concat();
        let body = piece.repeat(60_000 / piece.len());
        let source = if at_task { with_task(&body) } else { body };
        let _answer = check(source);
    }
}
