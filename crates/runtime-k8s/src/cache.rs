//! The namespace as two watches report it: resources and pods. However many agents and readers there are, each kind has one
//! watch, so an idle agent costs the API server nothing.
//!
//! Changes are pushed to the controller's work queue.

mod recent_exits;
mod work_queue;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use parallax_api::retry::Backoff;
use parallax_api::{AgentExit, AgentId, Problem, Time};
use parallax_service::shutdown::Shutdown;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use self::recent_exits::RecentExits;
use self::work_queue::WorkQueue;
use crate::cluster::{self, Cluster};
use crate::names::{self, CLAIMED, DEFAULT_INSTANCE, label};
use crate::pod_state;
use crate::resource::ParallaxAgent;

/// How long the first list of each kind may take.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries to watch: the API server may be starting.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// The namespace, kept up to date. Clones share one state.
#[derive(Clone)]
pub(crate) struct ClusterCache(Arc<Shared>);

struct Shared {
    agents: Store<ParallaxAgent>,
    pods: Store<Pod>,
    instance: String,
    namespace: String,
    /// Counts changes, to wake tasks that wait for one.
    changed_tx: watch::Sender<u64>,
    queue: WorkQueue,
    exits: RecentExits,
    /// Why a watch does not work, by the kind that it watches.
    errors: Mutex<HashMap<&'static str, String>>,
}

impl ClusterCache {
    /// Starts the watches; they end with the server.
    pub(crate) fn open(cluster: &Cluster, instance: &str, shutdown: &Shutdown) -> Self {
        let ((agents, agents_writer), (pods, pods_writer)) = (store(), store());
        let cache = Self(Arc::new(Shared {
            agents,
            pods,
            instance: instance.to_owned(),
            namespace: cluster.namespace.clone(),
            changed_tx: watch::Sender::new(0),
            queue: WorkQueue::default(),
            exits: RecentExits::default(),
            errors: Mutex::default(),
        }));
        let ours = format!("{}={instance}", label::RUNTIME);
        // Resources without a label are the default instance's.
        let resources = match instance == DEFAULT_INSTANCE {
            true => watcher::Config::default(),
            false => watcher::Config::default().labels(&ours),
        };
        let observer = cache.clone();
        let agents =
            reflect(cache.clone(), "resources", cluster.agents(), resources, agents_writer, move |event| {
                observer.on_resource(event);
            });
        let observer = cache.clone();
        let pods = watcher::Config::default().labels(&ours);
        let pods = reflect(cache.clone(), "pods", cluster.pods(), pods, pods_writer, move |event| {
            observer.on_pod(event);
        });
        for reflecting in [futures::future::Either::Left(agents), futures::future::Either::Right(pods)] {
            let shutdown = shutdown.clone();
            shutdown.tracker().clone().spawn(async move {
                tokio::select! {
                    () = reflecting => {}
                    () = shutdown.begun() => {}
                }
            });
        }
        cache
    }

    /// Waits for the first list of each kind. Fails with `RUNTIME_UNAVAILABLE` and the reason after ten seconds.
    pub(crate) async fn wait_until_ready(&self) -> Result<(), Problem> {
        let ready = async {
            let (agents, pods) =
                tokio::join!(self.0.agents.wait_until_ready(), self.0.pods.wait_until_ready());
            agents.and(pods)
        };
        match tokio::time::timeout(READY_TIMEOUT, ready).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(cluster::away(
                &self.watch_error().unwrap_or_else(|| "it has not listed its resources yet".into()),
            )),
        }
    }

    /// Why the cache may be out of date.
    pub(crate) fn watch_error(&self) -> Option<String> {
        let errors = lock(&self.0.errors);
        errors.iter().next().map(|(what, error)| format!("the cluster's {what} cannot be watched: {error}"))
    }

    /// The resources, for the controller.
    pub(crate) fn store(&self) -> Store<ParallaxAgent> {
        self.0.agents.clone()
    }

    /// A resource by its name.
    pub(crate) fn resource(&self, name: &str) -> Option<Arc<ParallaxAgent>> {
        self.0
            .agents
            .get(&ObjectRef::new(name).within(&self.0.namespace))
            .filter(|resource| self.is_ours(resource))
    }

    /// The resource of an agent.
    pub(crate) fn resource_of(&self, id: &AgentId) -> Option<Arc<ParallaxAgent>> {
        // A resource of the API is named by the id; a person's, by the id without the digits of the uid.
        let name = id.as_str();
        let shorter = name.rsplit_once('-').map(|(name, _)| name);
        [Some(name), shorter]
            .into_iter()
            .flatten()
            .filter_map(|name| self.resource(name))
            .find(|resource| names::agent_id(resource).as_ref() == Some(id))
    }

    /// Whether this runtime is responsible for a resource.
    pub(crate) fn is_ours(&self, resource: &ParallaxAgent) -> bool {
        self.is_ours_by(resource.labels())
    }

    /// Whether this runtime is responsible for an object with these labels.
    pub(crate) fn is_ours_by(&self, labels: &BTreeMap<String, String>) -> bool {
        match labels.get(label::RUNTIME) {
            Some(instance) => *instance == self.0.instance,
            None => self.0.instance == DEFAULT_INSTANCE,
        }
    }

    /// The pod of an agent.
    pub(crate) fn pod(&self, id: &AgentId) -> Option<Arc<Pod>> {
        let own = self.0.pods.get(&ObjectRef::new(&names::pod(id)).within(&self.0.namespace));
        let is_claimed = |pod: &Arc<Pod>| is_in_pool(pod, CLAIMED) && agent_of(pod).as_ref() == Some(id);
        own.or_else(|| self.0.pods.state().into_iter().find(is_claimed))
    }

    /// Every pod of the warm pool: those that wait, or those that agents got from it.
    pub(crate) fn pool_pods(&self, state: &str) -> Vec<Arc<Pod>> {
        self.0.pods.state().into_iter().filter(|pod| is_in_pool(pod, state)).collect()
    }

    /// Every pod of this runtime, with its agent.
    pub(crate) fn pods(&self) -> Vec<(AgentId, Arc<Pod>)> {
        let pods = self.0.pods.state().into_iter();
        pods.filter_map(|pod| Some((agent_of(&pod)?, pod))).collect()
    }

    /// How a pod ended that was deleted recently.
    pub(crate) fn recent_exit(&self, id: &AgentId) -> Option<AgentExit> {
        self.0.exits.get(id)
    }

    /// Wakes at every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed_tx.subscribe()
    }

    /// Has the controller reconcile a resource again.
    pub(crate) fn enqueue(&self, resource: &str) {
        self.0.queue.push(resource);
    }

    /// The resources to reconcile, as they are enqueued.
    pub(crate) fn work_queue(&self) -> impl Stream<Item = ObjectRef<ParallaxAgent>> + Send + 'static {
        let batches = stream::unfold(self.clone(), |cache| async move {
            let names = cache.0.queue.take().await;
            Some((names, cache))
        });
        let namespace = self.0.namespace.clone();
        batches.flat_map(stream::iter).map(move |name| ObjectRef::new(&name).within(&namespace))
    }

    fn on_resource(&self, event: &Event<ParallaxAgent>) {
        match event {
            Event::Apply(resource) | Event::Delete(resource) => self.enqueue(&resource.name_any()),
            Event::InitDone => self.enqueue_all(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn on_pod(&self, event: &Event<Pod>) {
        match event {
            Event::Apply(pod) => self.enqueue_owner(pod),
            Event::Delete(pod) => {
                self.remember_exit(pod);
                self.enqueue_owner(pod);
            }
            // Deletions between two watches are not reported.
            Event::InitDone => self.enqueue_all(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    /// The agents whose pods belong to this resource, which may be gone.
    pub(crate) fn agents_of(&self, resource: &str) -> Vec<(AgentId, Arc<Pod>)> {
        let is_owned = |pod: &Pod| pod.owner_references().iter().any(|owner| owner.name == resource);
        self.pods().into_iter().filter(|(_, pod)| is_owned(pod)).collect()
    }

    fn enqueue_owner(&self, pod: &Pod) {
        // Pods that wait in the pool belong to a server.
        for owner in pod.owner_references().iter().filter(|owner| owner.kind == ParallaxAgent::kind(&())) {
            self.enqueue(&owner.name);
        }
    }

    fn enqueue_all(&self) {
        for resource in self.0.agents.state() {
            self.enqueue(&resource.name_any());
        }
        // Resources that were deleted meanwhile may have left pods.
        for pod in self.0.pods.state() {
            self.enqueue_owner(&pod);
        }
    }

    fn remember_exit(&self, pod: &Pod) {
        let Some(id) = agent_of(pod) else { return };
        let exit = pod_state::exit(pod).unwrap_or_else(|| AgentExit::for_reason("pod_deleted", Time::now()));
        self.0.exits.push(id, exit);
    }
}

/// Keeps a store up to date from a watch, for ever.
async fn reflect<K>(
    cache: ClusterCache,
    what: &'static str,
    api: Api<K>,
    config: watcher::Config,
    writer: Writer<K>,
    observe: impl Fn(&Event<K>),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let mut events = std::pin::pin!(kube::runtime::reflector(writer, watcher(api, config)));
    let mut backoff = RETRY;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // `Init` only says that a list begins, not that it succeeded.
                if !matches!(event, Event::Init) {
                    backoff.reset();
                    lock(&cache.0.errors).remove(what);
                }
                observe(&event);
                cache.0.changed_tx.send_modify(|changes| *changes += 1);
            }
            Err(error) => {
                let message = watch_error(&error);
                // A watch that expires and is started anew logs nothing: only the first error in a row is logged.
                if lock(&cache.0.errors).insert(what, message.clone()).is_none() {
                    tracing::warn!(what, error = message, "a watch failed; trying again");
                }
                backoff.wait().await;
            }
        }
    }
}

fn watch_error(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match cluster::is_missing(error) {
            true => "there is no such kind; install it with `kubectl apply -f deploy/kubernetes/definition/crd.yaml`".into(),
            false => cluster::message(error),
        },
        other => other.to_string(),
    }
}

fn is_in_pool(pod: &Pod, state: &str) -> bool {
    pod.labels().get(label::POOL).is_some_and(|is| is == state)
}

fn agent_of(pod: &Pod) -> Option<AgentId> {
    pod.labels().get(label::AGENT)?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is locked")
}
