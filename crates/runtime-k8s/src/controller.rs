//! The controller: brings what there is of each agent to what its resource says. It looks at the whole state every time, so
//! that a missed event does no harm.
//!
//! ```text
//!  POST /api/agents        kubectl apply
//!        │                       │
//!        │ launch                ▼                    (a resource of a person: the server is asked to launch it)
//!        └──────────────►  ParallaxAgent ──► cache ──► work queue ──► reconcile ──┬─ pending  ── SpawnRequested ─► launch
//!                                ▲                                                ├─ create   ── claim, pod
//!                                │ status, Events                                 ├─ starting ── connector ─► host
//!                                └────────────────────────────────────────────────┼─ suspend  ── host, pod
//!                                                                                 ├─ lost     ── pod
//!                                                                                 └─ cleanup  ── host, pod
//!  launch: Secret, phase Creating, then waits in the cache for the pod, and asks its host through the connector.
//! ```
//!
//! `reconcile` picks the next step by the resource's phase; `pending`, `create`, `starting`, `suspend`, `lost` and `cleanup` do it; `status`
//! writes what came of it. They run in kube-rs's applier, which is what its `Controller` is made of: the watches are those
//! of the cache, which the rest of the runtime reads as well.

mod cleanup;
mod conditions;
mod create;
mod lost;
mod pending;
mod reconcile;
mod starting;
mod status;
mod suspend;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt;
use kube::ResourceExt as _;
use kube::runtime::controller::{Action, Config, Error};
use kube::runtime::reflector::ObjectRef;
use parallax_api::Problem;
use parallax_api::retry::Backoff;

use crate::context::{Context, ReconcileLabels};
use crate::resource::ParallaxAgent;

/// Resources that are reconciled at once.
const CONCURRENCY: u16 = 32;
/// Changes of a resource within this time are reconciled together.
const DEBOUNCE: Duration = Duration::from_millis(30);
/// Between two tries of a reconciliation that failed.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));

/// Reconciles the resources of a runtime.
pub(crate) struct Controller {
    context: Arc<Context>,
    retries: Mutex<HashMap<String, Backoff>>,
}

impl Controller {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context, retries: Mutex::default() }
    }

    /// Reconciles until it is dropped. To be started once, when the server has adopted its agents.
    pub(crate) async fn run(self) {
        let cache = self.context.cache.clone();
        let queue = cache.work_queue().map(Ok::<_, Infallible>);
        let reconcile = |resource: Arc<ParallaxAgent>, controller: Arc<Self>| {
            Box::pin(async move { reconcile::reconcile(&controller.context, &resource).await })
        };
        let on_error = |resource: Arc<ParallaxAgent>, problem: &Problem, controller: Arc<Self>| {
            controller.retry(&resource, problem)
        };
        let config = Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY);
        let controller = Arc::new(self);
        let outcomes =
            kube::runtime::applier(reconcile, on_error, controller.clone(), cache.store(), queue, config);
        outcomes
            .for_each(async |outcome| {
                if let Err(Error::ObjectNotFound(resource)) = &outcome {
                    let (context, name) = (controller.context.clone(), resource.name.clone());
                    tokio::spawn(async move { cleanup::end_orphans(&context, &name).await });
                }
                controller.count(outcome);
            })
            .await;
    }

    fn retry(&self, resource: &ParallaxAgent, problem: &Problem) -> Action {
        let name = resource.name_any();
        tracing::warn!(resource = name, %problem, "failed to reconcile a resource; trying again");
        let mut retries = self.retries();
        let backoff = retries.entry(name).or_insert(RETRY);
        Action::requeue(backoff.next_delay())
    }

    fn count(&self, outcome: Result<(ObjectRef<ParallaxAgent>, Action), Error<Problem, Infallible>>) {
        let outcome = match outcome {
            Ok((resource, _)) => {
                self.retries().remove(&resource.name);
                "done"
            }
            // Deleted before it was reconciled.
            Err(Error::ObjectNotFound(resource)) => {
                self.retries().remove(&resource.name);
                "gone"
            }
            // Logged by `retry`.
            Err(_) => "failed",
        };
        self.context.reconciles.get_or_create(&ReconcileLabels { outcome }).inc();
    }

    fn retries(&self) -> MutexGuard<'_, HashMap<String, Backoff>> {
        self.retries.lock().expect("nothing panics while it is locked")
    }
}
