//! Doing what resources say, over and over: whatever was missed, the next look sees.
//!
//! `reconcile` decides and does the next step of one resource, `create` makes its pod, `cleanup` sees it to its end, `show`
//! writes its status. They run in kube-rs's applier, which is what its `Controller` is made of: here the watches are the
//! view's, which the rest of the runtime reads, too.

mod cleanup;
mod create;
mod reconcile;
mod show;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::controller::{Action, Config, Error};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::Problem;
use parallax_service::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::backend::KubernetesBackend;
use crate::cluster::Cluster;
use crate::names::MANAGER;
use crate::pause::Growing;
use crate::resource::ParallaxAgent;

/// Resources that are worked on at once.
const AT_ONCE: u16 = 32;
/// Changes of a resource within this time are looked at together.
const TOGETHER: Duration = Duration::from_millis(30);
/// Between two tries of what failed.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// What reconciling has beside the backend.
pub(crate) struct Controller {
    recorder: Recorder,
    retries: Mutex<HashMap<String, Growing>>,
    reconciles: Family<Reconciled, Counter>,
}

/// Labels of `parallax_kubernetes_reconciles_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconciled {
    outcome: &'static str,
}

impl Controller {
    pub(crate) fn new(cluster: &Cluster, replica: &str) -> Self {
        let reporter = Reporter { controller: MANAGER.into(), instance: Some(replica.to_owned()) };
        Self {
            recorder: Recorder::new(cluster.client.clone(), reporter),
            retries: Mutex::default(),
            reconciles: Family::default(),
        }
    }

    pub(crate) fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            registry.register(
                "kubernetes_reconciles",
                "Looks at a resource, and what came of them",
                self.reconciles.clone(),
            );
        });
    }

    /// Works until it is dropped.
    pub(crate) async fn run(&self, backend: &Arc<KubernetesBackend>) {
        let queue = backend.view.stirred().map(Ok::<_, Infallible>);
        let look = |resource: Arc<ParallaxAgent>, backend: Arc<KubernetesBackend>| {
            Box::pin(async move { reconcile::reconcile(&backend, &resource).await })
        };
        let config = Config::default().debounce(TOGETHER).concurrency(AT_ONCE);
        let again = |resource: Arc<ParallaxAgent>, problem: &Problem, backend: Arc<KubernetesBackend>| {
            backend.controller().retry(&resource, problem)
        };
        let looks = kube::runtime::applier(look, again, backend.clone(), backend.view.store(), queue, config);
        looks.for_each(async |looked| self.count(looked)).await;
    }

    /// What happened to an agent, for `kubectl describe`. Its loss would be no harm.
    pub(crate) async fn tell(&self, resource: &ParallaxAgent, kind: EventType, reason: &str, note: String) {
        let event = Event {
            type_: kind,
            reason: reason.into(),
            note: Some(note).filter(|note| !note.is_empty()),
            action: reason.into(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &resource.object_ref(&())).await {
            tracing::debug!(resource = resource.name_any(), %error, "an event was not taken");
        }
    }

    fn retry(&self, resource: &ParallaxAgent, problem: &Problem) -> Action {
        let name = resource.name_any();
        tracing::warn!(resource = name, %problem, "failed to do what a resource says; trying again");
        let mut retries = self.retries.lock().expect("nothing panics while it is locked");
        let pauses = retries.entry(name).or_insert_with(|| Growing::new(RETRY.0, RETRY.1));
        Action::requeue(pauses.next().unwrap_or(RETRY.1))
    }

    fn count(&self, looked: Result<(ObjectRef<ParallaxAgent>, Action), Error<Problem, Infallible>>) {
        let outcome = match looked {
            Ok((resource, _)) => {
                self.retries.lock().expect("nothing panics while it is locked").remove(&resource.name);
                "done"
            }
            // It went before it was looked at.
            Err(Error::ObjectNotFound(resource)) => {
                self.retries.lock().expect("nothing panics while it is locked").remove(&resource.name);
                "gone"
            }
            // Told where it is retried.
            Err(_) => "failed",
        };
        self.reconciles.get_or_create(&Reconciled { outcome }).inc();
    }
}
