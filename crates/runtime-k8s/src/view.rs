//! What there is in the namespace: resources and pods as the watches last told. One watch a kind, however many agents and
//! whoever asks: an agent costs the API server nothing while nothing happens to it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::utils::Backoff as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use parallax_api::{AgentExit, AgentId, Problem, Time};
use parallax_service::shutdown::Shutdown;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};

use crate::cluster::{self, Cluster};
use crate::names::{self, DEFAULT_INSTANCE, label};
use crate::pause::Growing;
use crate::reasons;
use crate::resource::ParallaxAgent;

/// Ends of pods that are gone, for whoever asks a moment later.
const MAX_ENDS: usize = 1000;
/// How long the first look may take.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// Between two tries to watch: the API server may be starting.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The namespace, kept up to date. Clones see the same.
#[derive(Clone)]
pub(crate) struct View(Arc<Shared>);

struct Shared {
    agents: Store<ParallaxAgent>,
    pods: Store<Pod>,
    instance: String,
    namespace: String,
    /// Counts changes; what wakes those who wait for one.
    changed_tx: watch::Sender<u64>,
    /// Resources to look at again. No more than there are resources.
    stirred: Mutex<HashSet<String>>,
    stir: Notify,
    ends: Mutex<VecDeque<(AgentId, AgentExit)>>,
    /// What keeps a watch from working, by what it watches.
    trouble: Mutex<HashMap<&'static str, String>>,
}

impl View {
    /// Begins to watch, until the server goes.
    pub(crate) fn open(cluster: &Cluster, instance: &str, shutdown: &Shutdown) -> Self {
        let ((agents, agents_writer), (pods, pods_writer)) = (store(), store());
        let view = Self(Arc::new(Shared {
            agents,
            pods,
            instance: instance.to_owned(),
            namespace: cluster.namespace.clone(),
            changed_tx: watch::Sender::new(0),
            stirred: Mutex::default(),
            stir: Notify::new(),
            ends: Mutex::default(),
            trouble: Mutex::default(),
        }));
        let ours = format!("{}={instance}", label::RUNTIME);
        // Resources without a label are the default instance's.
        let resources = match instance == DEFAULT_INSTANCE {
            true => watcher::Config::default(),
            false => watcher::Config::default().labels(&ours),
        };
        let seen = view.clone();
        let agents =
            follow(view.clone(), "resources", cluster.agents(), resources, agents_writer, move |event| {
                seen.on_resource(event);
            });
        let seen = view.clone();
        let pods = watcher::Config::default().labels(&ours);
        let pods =
            follow(view.clone(), "pods", cluster.pods(), pods, pods_writer, move |event| seen.on_pod(event));
        for watching in [futures::future::Either::Left(agents), futures::future::Either::Right(pods)] {
            let shutdown = shutdown.clone();
            shutdown.tracker().clone().spawn(async move {
                tokio::select! {
                    () = watching => {}
                    () = shutdown.begun() => {}
                }
            });
        }
        view
    }

    /// Waits for the first look around. Fails with `RUNTIME_UNAVAILABLE` after ten seconds, saying what the trouble is.
    pub(crate) async fn is_complete(&self) -> Result<(), Problem> {
        let looked = async {
            let (agents, pods) =
                tokio::join!(self.0.agents.wait_until_ready(), self.0.pods.wait_until_ready());
            agents.and(pods)
        };
        match tokio::time::timeout(FIRST_LOOK, looked).await {
            Ok(Ok(())) => Ok(()),
            _ => {
                Err(cluster::away(&self.trouble().unwrap_or_else(|| "it has not told what there is".into())))
            }
        }
    }

    /// What keeps it from being up to date.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = lock(&self.0.trouble);
        trouble.iter().next().map(|(what, words)| format!("the cluster's {what} cannot be watched: {words}"))
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
        // Of the API's making, or somebody's: then its name is the id without the digits of the uid.
        let name = id.as_str();
        let shorter = name.rsplit_once('-').map(|(name, _)| name);
        [Some(name), shorter]
            .into_iter()
            .flatten()
            .filter_map(|name| self.resource(name))
            .find(|resource| names::agent_id(resource).as_ref() == Some(id))
    }

    /// Whether this runtime is responsible.
    pub(crate) fn is_ours(&self, resource: &ParallaxAgent) -> bool {
        match resource.labels().get(label::RUNTIME) {
            Some(instance) => *instance == self.0.instance,
            None => self.0.instance == DEFAULT_INSTANCE,
        }
    }

    /// The pod of an agent.
    pub(crate) fn pod(&self, id: &AgentId) -> Option<Arc<Pod>> {
        self.0.pods.get(&ObjectRef::new(&names::pod(id)).within(&self.0.namespace))
    }

    /// Every pod of this runtime, with its agent.
    pub(crate) fn pods(&self) -> Vec<(AgentId, Arc<Pod>)> {
        let pods = self.0.pods.state().into_iter();
        pods.filter_map(|pod| Some((agent_of(&pod)?, pod))).collect()
    }

    /// How a pod that is gone had ended, if that was seen.
    pub(crate) fn end(&self, id: &AgentId) -> Option<AgentExit> {
        lock(&self.0.ends).iter().rev().find(|(agent, _)| agent == id).map(|(_, end)| end.clone())
    }

    /// What wakes when anything changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed_tx.subscribe()
    }

    /// Has the controller look at a resource again.
    pub(crate) fn stir(&self, resource: &str) {
        lock(&self.0.stirred).insert(resource.to_owned());
        self.0.stir.notify_one();
    }

    /// The resources to look at, as they are stirred.
    pub(crate) fn stirred(&self) -> impl Stream<Item = ObjectRef<ParallaxAgent>> + Send + 'static {
        let view = self.clone();
        let batches = stream::unfold(view, |view| async move {
            loop {
                let stirred = std::mem::take(&mut *lock(&view.0.stirred));
                if !stirred.is_empty() {
                    return Some((stirred, view));
                }
                view.0.stir.notified().await;
            }
        });
        let namespace = self.0.namespace.clone();
        batches.flat_map(stream::iter).map(move |name| ObjectRef::new(&name).within(&namespace))
    }

    fn on_resource(&self, event: &Event<ParallaxAgent>) {
        match event {
            Event::Apply(resource) | Event::Delete(resource) => self.stir(&resource.name_any()),
            Event::InitDone => self.stir_all(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn on_pod(&self, event: &Event<Pod>) {
        match event {
            Event::Apply(pod) => self.stir_owner(pod),
            Event::Delete(pod) => {
                self.remember_end(pod);
                self.stir_owner(pod);
            }
            // What went while nobody watched is not told.
            Event::InitDone => self.stir_all(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn stir_owner(&self, pod: &Pod) {
        for owner in pod.owner_references() {
            self.stir(&owner.name);
        }
    }

    fn stir_all(&self) {
        for resource in self.0.agents.state() {
            self.stir(&resource.name_any());
        }
    }

    fn remember_end(&self, pod: &Pod) {
        let Some(id) = agent_of(pod) else { return };
        let end = reasons::ended(pod).unwrap_or_else(|| AgentExit {
            code: None,
            signal: None,
            reason: "pod_deleted".into(),
            at: Time::now(),
        });
        let mut ends = lock(&self.0.ends);
        ends.push_back((id, end));
        let surplus = ends.len().saturating_sub(MAX_ENDS);
        ends.drain(..surplus);
    }
}

/// Keeps a store as the watch tells, for ever.
async fn follow<K>(
    view: View,
    what: &'static str,
    api: Api<K>,
    config: watcher::Config,
    writer: Writer<K>,
    seen: impl Fn(&Event<K>),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let mut events = std::pin::pin!(kube::runtime::reflector(writer, watcher(api, config)));
    let mut pauses = Growing::new(RETRY.0, RETRY.1);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // A look that begins has not succeeded.
                if !matches!(event, Event::Init) {
                    pauses.reset();
                    lock(&view.0.trouble).remove(what);
                }
                seen(&event);
                view.0.changed_tx.send_modify(|changes| *changes += 1);
            }
            Err(error) => {
                let words = watch_words(&error);
                // A watch that has become too old is begun anew, which is nothing to anybody.
                if lock(&view.0.trouble).insert(what, words.clone()).is_none() {
                    tracing::warn!(what, error = words, "a watch broke; trying again");
                }
                tokio::time::sleep(pauses.next().unwrap_or(RETRY.1)).await;
            }
        }
    }
}

fn watch_words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match cluster::is_missing(error) {
            true => "there is no such kind; install it with `kubectl apply -f deploy/kubernetes/definition/crd.yaml`".into(),
            false => cluster::words(error),
        },
        other => other.to_string(),
    }
}

fn agent_of(pod: &Pod) -> Option<AgentId> {
    pod.labels().get(label::AGENT)?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is locked")
}
