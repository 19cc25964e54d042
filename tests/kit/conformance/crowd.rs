//! Many agents, and nothing left of them.

use futures::StreamExt;
use futures::stream::iter;

use super::nothing_is_left;
use crate::backend::{TestBackend, fake};
use crate::wait::{PATIENCE, until};

/// How many agents make a crowd, unless `PARALLAX_TEST_CROWD` says otherwise: enough to see what each one leaves.
const CROWD: usize = 20;
/// Agents that are started at the same time.
const AT_ONCE: usize = 10;

/// A crowd spawned, used and stopped, twice over: no process, socket, directory or descriptor is left.
pub async fn hundred_agents_twice(backend: &impl TestBackend) {
    let crowd =
        std::env::var("PARALLAX_TEST_CROWD").ok().and_then(|count| count.parse().ok()).unwrap_or(CROWD);
    backend.user().spawn_ready(fake("first", &[])).await.stop().await;
    nothing_is_left(backend).await;
    let before = settled_holdings(backend).await;
    for round in 0..2 {
        let user = backend.user();
        let agents: Vec<_> = iter(0..crowd)
            .map(|number| {
                let user = user.clone();
                async move { user.spawn_ready(fake(&format!("agent-{round}-{number}"), &[])).await }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        assert_eq!(agents.len(), crowd);
        iter(&agents)
            .for_each_concurrent(AT_ONCE, async |agent| {
                assert_eq!(
                    agent.say(format!("hello from {}", agent.id)).await,
                    format!("echo: hello from {}", agent.id)
                );
            })
            .await;
        iter(&agents).for_each_concurrent(AT_ONCE, async |agent| drop(agent.stop().await)).await;
        drop(agents);
        nothing_is_left(backend).await;
    }
    // A connection or two may not be closed yet; what leaks, leaks for each agent, and stays.
    until("the server to let go of what it held", PATIENCE, async || {
        let after = backend.server_holdings().await;
        if after <= before + 8 { Ok(()) } else { Err(format!("{before} descriptors before, {after} after")) }
    })
    .await;
}

/// What the server holds when it holds the same three times in a row.
async fn settled_holdings(backend: &impl TestBackend) -> usize {
    let mut last = Vec::new();
    until("the server's descriptors to settle", PATIENCE, async || {
        last.push(backend.server_holdings().await);
        match last.as_slice() {
            [.., a, b, c] if a == b && b == c => Ok(*c),
            _ => Err(last.len()),
        }
    })
    .await
}
