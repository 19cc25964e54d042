//! The dashboard and the alerts, with a real Prometheus and its `promtool`.

use std::path::{Path, PathBuf};
use std::process::Command;

use parallax_api::{AttentionKind, SpawnRequest};
use parallax_testkit::backend::fake;
use parallax_testkit::local::Directory;
use parallax_testkit::prometheus::{Prometheus, dashboard};
use parallax_testkit::up::Up;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring")
}

fn promtool(args: &[&str]) {
    let output = Command::new("promtool").args(args).current_dir(directory()).output();
    let output = output.expect("Debian's package `prometheus` is installed");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// What may not be in two versions: the alerts for who writes a file and for who has the operator.
#[test]
#[ignore = "needs Prometheus: make test-deploy"]
fn the_alerts_fire_when_they_should() {
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["test", "rules", "rules.test.yaml"]);
    let read = |name: &str| std::fs::read_to_string(directory().join(name)).expect("it is there");
    let (rules, resource) = (read("rules.yaml"), read("prometheus-rule.yaml"));
    let (_, rules) = rules.split_once("groups:\n").expect("it has groups");
    let (_, of_resource) = resource.split_once("spec:\n  groups:\n").expect("it has groups");
    let indented: String = rules.lines().map(|line| format!("  {line}\n")).collect();
    assert_eq!(of_resource, indented, "prometheus-rule.yaml has rules.yaml as its spec");
    let page = read("../../docs/monitoring.md");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.strip_prefix("  - alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(page.contains(&format!("### {alert}\n")), "docs/monitoring.md says what to do about {alert}");
        assert!(
            rules.contains(&format!("docs/monitoring.md#{}\n", alert.to_lowercase())),
            "{alert} has a runbook"
        );
    }
}

/// Every panel that is about a control plane and a runtime shows something once agents were spawned, refused, and wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Prometheus: make test-deploy"]
async fn every_panel_shows_something() {
    let home = Directory::new();
    let mut up = Up::start(&home, &[]).await;
    let targets = [up.server.address(), up.runtime_url.trim_start_matches("http://").to_owned()];
    let prometheus = Prometheus::start(&[("control-plane", &targets[0]), ("runtime", &targets[1])]).await;
    let user = up.user();
    user.spawn_refused(&SpawnRequest { r#type: "nonesuch".into(), ..fake("refused", &[]) }).await;
    let working = user.spawn_ready(fake("working", &[])).await;
    // A rate needs two values: what happens before the first is seen in no panel.
    let started = "sum(parallax_agent_start_duration_seconds_count)";
    prometheus.has("the first agent's start", started).await;
    let mut asking = user.spawn_ready(fake("asking", &[])).await;
    asking.tell("do ask a favour").await;
    asking.asks(AttentionKind::Question).await;
    for query in dashboard() {
        if ["Docker", "Kubernetes"].contains(&query.row.as_str()) {
            continue;
        }
        prometheus.has(&format!("{} / {}", query.row, query.title), &query.expression).await;
    }
    assert_eq!(prometheus.values(r#"sum(parallax_agents_waiting{runtime!=""})"#).await, [1.0]);
    assert_eq!(prometheus.values(r#"sum(parallax_agents_waiting{type!=""})"#).await, [1.0]);
    assert_eq!(prometheus.values(started).await, [2.0]);
    working.stop().await;
    asking.stop().await;
    up.server.end().await;
}
