//! Two replicas of one runtime: one leads, and no agent ever has two pods.

use std::collections::HashSet;
use std::time::Duration;

use parallax_testkit::backend::fake;
use parallax_testkit::k8s::{Namespace, server};
use parallax_testkit::local::Directory;
use parallax_testkit::server::{Server, reqwest_client};
use parallax_testkit::user::User;
use parallax_testkit::wait::{PATIENCE, until};

/// How often the leader is killed, unless `PARALLAX_TEST_LEADERS` says otherwise.
const KILLS: usize = 3;

/// Who of two is ready: the one that leads. Panics when both are.
pub(super) async fn leader(replicas: &[(Server, Directory)]) -> usize {
    let client = reqwest_client();
    until("one replica to lead", PATIENCE * 2, async || {
        let mut ready = Vec::new();
        for (index, (server, _)) in replicas.iter().enumerate() {
            let asked = client.get(format!("{}/ready", server.url())).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                ready.push(index);
            }
        }
        assert!(ready.len() < 2, "both lead");
        ready.pop().ok_or("none")
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn one_leads_and_no_pod_is_made_twice() {
    let kills =
        std::env::var("PARALLAX_TEST_LEADERS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let namespace = Namespace::create().await;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let directory = Directory::new();
        let mut replica = server("parallax-runtime-k8s", &directory, &namespace, &[]);
        replica.start(&[]).await;
        replicas.push((replica, directory));
    }
    let mut pods = HashSet::new();
    for round in 0..kills {
        let leads = leader(&replicas).await;
        let user = User::of_runtime(&replicas[leads].0.url());
        let agent = user.spawn_ready(fake(&format!("agent-{round}"), &[])).await;
        assert_eq!(agent.say("hello").await, "echo: hello");
        // Requested as a resource while no replica leads.
        replicas[leads].0.kill().await;
        let resource = format!(
            "{{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgent, metadata: {{name: orphan-{round}}}, spec: {{type: fake}}}}"
        );
        namespace.apply(&resource).await.expect("the resource is taken");
        replicas[leads].0.start(&[]).await;
        let leads = leader(&replicas).await;
        let user = User::of_runtime(&replicas[leads].0.url());
        let adopted = user.follow(agent.id.clone()).await;
        assert_eq!(adopted.say("still there?").await, "echo: still there?");
        namespace.becomes(&format!("pa/orphan-{round}"), "{.status.phase}", "Running").await;
        let uids = "{range .items[*]}{.metadata.labels.parallax\\.io/agent} {.metadata.uid}{\"\\n\"}{end}";
        let listed = namespace.kubectl(&["get", "pods", "-o", &format!("jsonpath={uids}")]).await;
        pods.extend(listed.expect("pods can be listed").lines().map(ToOwned::to_owned));
        let agents: HashSet<&str> = pods.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!((agents.len(), pods.len()), (2 * (round + 1), 2 * (round + 1)), "a pod each: {pods:#?}");
    }
    namespace.kubectl(&["delete", "pa", "--all", "--timeout=60s"]).await.expect("they can be deleted");
    until("everything to be gone", Duration::from_secs(60), async || {
        let left = namespace.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    for (mut replica, _) in replicas {
        replica.end().await;
    }
}
