//! Pattern files: what is wrong with one is said at once, each with line, field and what to do.

use parallax_api::pattern::Finding;
use parallax_patterns::check::{given_inputs, inputs, read};
use serde_json::json;

/// `LINE FIELD: MESSAGE | SUGGESTION`
fn told(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let Finding { line, field, message, suggestion, .. } = finding;
            format!("{line} {field}: {message} | {}", suggestion.as_deref().unwrap_or("-"))
        })
        .collect()
}

const BAD: &str = r#"name: Bad Name
versoin: "1"
structure:
  roles:
    lead:
      agentType: claude
      managed: true
      reportsTo: developer
    developer:
      agentType: [codex, 7]
      managed: true
      reportsTo: lead
      minInstances: 3
      maxInstances: 2
    tester:
      managed: true
      reportsTo: laed
    watcher:
      capabilities: [watching]
      model: big
  routing:
    - from: "*"
      to: nobody
      messageTypes: [question, gossip]
  escalation:
    defaultBehavior: route_to_report_to
    maxDepth: 0
workflow:
  steps:
    - id: build
      type: asign
      role: developer
    - id: check
      type: review
      reviewer: user
      subject: ${bild} and ${build
    - type: condition
      if: ${check.aproved} && ${check.verdict} == true && input.task
      then:
        - type: assign
          id: build
          role: dev
          task: ${step_1_result.comments} ${step_9_result}
    - type: condition
      if: 1 > 2
      then:
        - {type: approve, approver: user, subject: never}
    - type: parallel
      steps:
        - {id: a, type: assign, role: lead, task: "${b}"}
        - {id: b, type: assign, role: lead, task: x}
    - {type: aggregate, strategy: best, of: [a, c]}
"#;

#[test]
fn everything_wrong_is_said_at_once() {
    let findings = told(&read(BAD).unwrap_err());
    for expected in [
        "1 name: `Bad Name` cannot be a name",
        "2 versoin: there is no field `versoin` here | did you mean `version`?",
        "10 structure.roles.developer.agentType[1]: this is a number, and should be a text | put it in quotes",
        "12 structure.roles.developer.reportsTo: these roles report to each other: developer → lead → developer",
        "13 structure.roles.developer.minInstances: minInstances (3) is more than maxInstances (2)",
        "16 structure.roles.tester.agentType: a managed role needs an agent type",
        "17 structure.roles.tester.reportsTo: there is no role `laed` | did you mean `lead`?",
        "20 structure.roles.watcher.model: `model` is for agents that are spawned",
        "23 structure.routing[0].to: there is no role `nobody`",
        "24 structure.routing[0].messageTypes[1]: `gossip` is none of the words",
        "26 structure.escalation.defaultBehavior: `route_to_report_to` is none of the words that may stand here | did \
         you mean `route_to_reports_to`?",
        "27 structure.escalation.maxDepth: 0 is out of range | allowed is 1 to 32",
        "31 workflow.steps[0].type: `asign` is none of the words that may stand here | did you mean `assign`?",
        "35 workflow.steps[1].reviewer: `user` is the person, and cannot do this",
        "36 workflow.steps[1].subject: a `${` has no `}`",
        "38 workflow.steps[2].if: `check` has no field `aproved` | did you mean `approved`?",
        "38 workflow.steps[2].if: `==` compares a text with true or false: that never holds",
        "41 workflow.steps[2].then[0].id: the id `build` is taken by workflow.steps[0].id",
        "42 workflow.steps[2].then[0].role: there is no role `dev`",
        "43 workflow.steps[2].then[0].task: there is no variable `step_9_result` here",
        "47 workflow.steps[3].then: no run reaches these steps: the condition is always false",
        "50 workflow.steps[4].steps[0].task: `b` may have no result here: it is done at the same time",
        "52 workflow.steps[5].of[1]: no step before this one has the id `c`",
        "52 workflow.steps[5].judge: `best` needs a judge",
    ] {
        assert!(findings.iter().any(|finding| finding.starts_with(expected)), "{expected}\n{findings:#?}");
    }
    assert_eq!(findings.len(), 24, "nothing follows from something else: {findings:#?}");
}

#[test]
fn one_mistake_is_one_finding() {
    let good = include_str!("data/good.yaml");
    read(good).unwrap_or_else(|findings| panic!("{:#?}", told(&findings)));
    for (from, to, expected) in [
        ("reportsTo: lead", "reportsTo: leed", "did you mean `lead`?"),
        ("type: review", "type: revue", "did you mean `review`?"),
        ("gate: false", "gate: no", "should be `true` or `false`"),
        ("${check.approved} == false", "${check.approved} == 'no'", "without quotes"),
        ("${score.value} >= 7", "${score.value} >= true", "numbers or texts"),
        ("of: [one, two]", "of: [one, tow]", "did you mean `two`?"),
        ("retries: 2", "retries: 99", "allowed is 0 to 10"),
        ("${input.task}", "${input.tsak}", "did you mean `task`?"),
        ("${context.executionId}", "${context.execution}", "executionId"),
        ("task: Judge it", "tusk: Judge it", "missing"),
        ("    lead:\n", "    user:\n", "cannot be a role"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let findings = told(&read(&bad).unwrap_err());
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{to}: {findings:#?}");
    }
}

#[test]
fn inputs_are_checked_before_a_run() {
    let pattern = read(include_str!("data/good.yaml")).unwrap();
    let given = |value: serde_json::Value| given_inputs(&pattern, &serde_json::from_value(value).unwrap());
    assert_eq!(
        given(json!({"task": "x"})).unwrap(),
        serde_json::from_value(json!({"task": "x", "rounds": 3})).unwrap()
    );
    assert_eq!(given(json!({})).unwrap_err().0, "task");
    assert_eq!(given(json!({"task": 7})).unwrap_err().0, "task");
    assert!(given(json!({"task": "x", "taks": "y"})).unwrap_err().1.contains("did you mean `task`"));
    let undeclared = read(
        "name: a\nstructure: {roles: {r: {agentType: claude, managed: true}}}\nworkflow:\n  steps:\n    \
         - {type: assign, role: r, task: '${input.x} $${input.z}'}\n    - {type: condition, if: \"input.y == 'a'\", \
         then: [{type: assign, role: r, task: t}]}\n",
    )
    .unwrap();
    assert_eq!(inputs(&undeclared).into_keys().collect::<Vec<_>>(), ["x", "y"]);
}

/// The schema that editors read is the one of the types. `UPDATE_SCHEMA=1` writes it.
#[test]
fn the_published_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/patterns/pattern.schema.json");
    let current = serde_json::to_string_pretty(&parallax_patterns::schema::schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(published, current, "write it: UPDATE_SCHEMA=1 cargo test -p parallax-patterns --test files");
}

#[test]
fn the_examples_are_in_order() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/patterns");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let pattern = read(&std::fs::read_to_string(&path).unwrap())
                .unwrap_or_else(|findings| panic!("{}: {:#?}", path.display(), told(&findings)));
            assert_eq!(path.file_stem().unwrap(), pattern.name.as_str());
            count += 1;
        }
    }
    assert_eq!(count, 3);
}

/// What a workspace may be, and whose can be looked at.
#[test]
fn workspaces_are_checked() {
    let file = |role: &str, step: &str| {
        format!(
            "name: w\nstructure:\n  roles:\n    dev: {{agentType: fake, managed: true, {role}}}\nworkflow:\n  steps:\n    - {step}\n"
        )
    };
    let diff = "{type: diff, role: dev}";
    let merge = "{id: m, type: merge, role: dev, into: '${input.into}', strategy: ff}";
    for (role, step, expected) in [
        ("workspace: {}", diff, None),
        ("workspace: {repo: '${input.repo}', shared: true}, maxInstances: 3", merge, None),
        ("workspace: {repo: 'https://example.com/x', depth: 1}", diff, None),
        ("workspace: {repo: '${input.repo}', depth: 1}", diff, None),
        ("workspace: {repo: /r, depth: 1}", diff, Some("history")),
        ("workspace: {}, maxInstances: 2", diff, Some("not clear which")),
        (
            "workspace: {branch: x}, maxInstances: 2",
            "{type: assign, role: dev, task: t}",
            Some("only the first can"),
        ),
        ("workspace: {}, workdir: /x", diff, Some("not both")),
        ("model: x", diff, Some("has no workspace")),
        ("workspace: {setup: ' '}", diff, Some("blank")),
        ("workspace: {repo: '${step_0_result}'}", diff, Some("step_0_result")),
        ("workspace: {}", "{type: merge, role: dev, into: ' '}", Some("blank")),
    ] {
        match (read(&file(role, step)), expected) {
            (Ok(_), None) => {}
            (Err(findings), Some(word)) => {
                assert!(
                    told(&findings).iter().any(|line| line.contains(word)),
                    "{role}: {:#?}",
                    told(&findings)
                );
            }
            (other, _) => panic!("{role} {step}: {other:#?}"),
        }
    }
    let pattern =
        read(&file("workspace: {repo: '${input.repo}', branch: 'b/${input.name}'}", merge)).unwrap();
    assert_eq!(inputs(&pattern).into_keys().collect::<Vec<_>>(), ["into", "name", "repo"]);
}
