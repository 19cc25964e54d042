//! What matters most of the conformance suite once more, through streams that the API server forwards.

use parallax_api::AgentId;
use parallax_api::runtime::RuntimeKind;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::server::Server;
use tokio::sync::Mutex;

/// The Kubernetes backend for a server outside of the pod network.
struct ForwardedBackend(KubernetesBackend);

impl TestBackend for ForwardedBackend {
    const KIND: RuntimeKind = RuntimeKind::Kubernetes;

    async fn start() -> Self {
        Self(KubernetesBackend::start_with(&["--reach", "forward"]).await)
    }

    fn server(&self) -> &Mutex<Server> {
        self.0.server()
    }

    fn url(&self) -> String {
        self.0.url()
    }

    async fn kill_process(&self, agent: &AgentId, pid: u32) {
        self.0.kill_process(agent, pid).await;
    }

    async fn process_lives(&self, agent: &AgentId, pid: u32) -> bool {
        self.0.process_lives(agent, pid).await
    }

    async fn leftovers(&self) -> Vec<String> {
        self.0.leftovers().await
    }
}

macro_rules! forwarded {
    ($($group:ident::$case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a Kubernetes cluster: make test-k8s"]
            async fn $case() {
                let case = async |backend: &ForwardedBackend| {
                    parallax_testkit::conformance::$group::$case(backend).await;
                };
                parallax_testkit::conformance::run(case).await;
            }
        )+
    };
}

forwarded!(
    lifecycle::starts_and_stops,
    lifecycle::ends_by_itself,
    talk::fifty_messages,
    terminal::the_five_lines,
    terminal::resumes_by_offset,
    terminal::a_slow_viewer_slows_nobody,
    survival::every_byte_across_a_kill,
    survival::the_server_is_killed_in_mid_answer,
);
