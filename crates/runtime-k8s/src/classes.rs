//! Classes that are resources: watched, checked like those of the configuration file and against its policy, and applied as they change.
//!
//! A class that is of no use gets the condition `Ready: False` with the reason, and all others are as they were. One whose name a
//! class of the file has is such a class: the file wins. Objects are read one by one and without a type, so that one that a later or
//! earlier definition let through does not end the watch.

mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::ResourceExt as _;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher::{self, Event, watcher};
use parallax_api::check::Check;
use parallax_api::retry::Backoff;
use parallax_runtime_core::policy::Rules;
use parallax_service::shutdown::Shutdown;
use serde_json::json;
use tokio::sync::watch;

use crate::cluster;
use crate::context::Context;
use crate::policy::PodPlace;
use crate::resource::ParallaxAgentClassSpec;
use status::{READY, status_of, write_status};

/// How long the first list may take before the server serves without it.
const READY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the status of one class may take: those that change meanwhile wait.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
/// Between two tries to watch. Long at last: a cluster may not have the definition.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
/// What installs the definition.
const INSTALL: &str = "kubectl apply --server-side --filename deploy/kubernetes/definition/crd.yaml";

/// A class as it is applied.
type Class = (Rules, PodPlace);
/// Why one is not: a word, and more of them for people.
type Refusal = (&'static str, String);
/// The resources, by their names.
type Objects = BTreeMap<String, DynamicObject>;

/// Follows the classes until the shutdown. Returns when those that are there are applied, or it is not known whether there are any.
pub(crate) async fn follow(context: &Arc<Context>, shutdown: &Shutdown) {
    let (ready_tx, mut ready_rx) = watch::channel(false);
    let (following, shutdown) = (context.clone(), shutdown.clone());
    shutdown.tracker().clone().spawn(async move {
        tokio::select! {
            () = reflect(&following, &ready_tx) => {}
            () = shutdown.begun() => {}
        }
    });
    if tokio::time::timeout(READY_TIMEOUT, ready_rx.wait_for(|ready| *ready)).await.is_err() {
        tracing::warn!(
            "the cluster has not listed the classes yet; agents of such classes wait, or are refused"
        );
    }
}

/// What there is of classes that are resources, for `parallax doctor`. They are nothing that agents need.
pub(crate) async fn examine(context: &Context) -> Check {
    const WHAT: &str = "classes";
    let found = match context.cluster.classes().list(&ListParams::default()).await {
        Ok(found) => found.items,
        Err(error) if cluster::is_missing(&error) => {
            return Check::note(WHAT, "the cluster has no ParallaxAgentClass resources; classes are those of the configuration file")
                .advise(INSTALL);
        }
        Err(error) => {
            let why = cluster::message(&error);
            return Check::note(WHAT, format!("classes that are resources cannot be listed ({why})"))
                .advise("deploy/kubernetes/rbac.yaml has the role");
        }
    };
    let refused: Vec<String> = found
        .iter()
        .filter(|object| context.cache.is_ours_by(object.labels()))
        .filter_map(|object| {
            let status = status_of(object);
            let condition = status.conditions.iter().find(|condition| condition.r#type == READY)?;
            let why = condition.message.as_deref().unwrap_or_default();
            (condition.status != "True").then(|| format!("`{}` is not used: {why}", object.name_any()))
        })
        .collect();
    let known =
        context.pods.policy.classes().into_iter().map(|class| class.name).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "there are none".into() } else { format!("agents may be of {known}") };
    match refused.is_empty() {
        true => Check::good(WHAT, known),
        false => Check::note(WHAT, format!("{known}; {}", refused.join("; "))),
    }
}

async fn reflect(context: &Context, ready_tx: &watch::Sender<bool>) {
    let mut events = std::pin::pin!(watcher(context.cluster.classes(), watcher::Config::default()));
    let (mut objects, mut listed) = (Objects::new(), Objects::new());
    let mut backoff = RETRY;
    let mut failing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => drop(listed.insert(object.name_any(), object)),
            Ok(event) => {
                (failing, backoff) = (false, RETRY);
                let refusals = take(&mut objects, &mut listed, event).then(|| settle(context, &objects));
                ready_tx.send_replace(true);
                if let Some(refusals) = refusals {
                    tell(context, &objects, refusals).await;
                }
            }
            // The classes stay as they were last seen.
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let error = watch_error(&error);
                    tracing::warn!(
                        error,
                        "classes cannot be watched; those of the configuration file are there"
                    );
                }
                ready_tx.send_replace(true);
                backoff.wait().await;
            }
        }
    }
}

/// Takes in what was reported. False: nothing of it matters here, such as our own change of a status.
fn take(objects: &mut Objects, listed: &mut Objects, event: Event<DynamicObject>) -> bool {
    match event {
        Event::InitDone => *objects = std::mem::take(listed),
        Event::Delete(object) => drop(objects.remove(&object.name_any())),
        Event::Apply(object) => {
            let now = (object.metadata.generation, object.metadata.uid.clone(), object.labels().clone());
            let before = objects.insert(object.name_any(), object);
            return before.is_none_or(|before| {
                now != (before.metadata.generation, before.metadata.uid.clone(), before.labels().clone())
            });
        }
        Event::Init | Event::InitApply(_) => return false,
    }
    true
}

fn watch_error(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match cluster::is_missing(error) {
            true => format!("there is no kind ParallaxAgentClass; install it with `{INSTALL}`"),
            false => cluster::message(error),
        },
        other => other.to_string(),
    }
}

fn ours<'a>(context: &Context, objects: &'a Objects) -> Vec<&'a DynamicObject> {
    objects.values().filter(|object| context.cache.is_ours_by(object.labels())).collect()
}

/// Applies what is of use. Answers why others are not.
fn settle(context: &Context, objects: &Objects) -> BTreeMap<String, Refusal> {
    let (mut rules, mut places, mut refusals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    // The oldest first: when there are too many, a new one takes no name away.
    let mut ours = ours(context, objects);
    ours.sort_by_key(|object| (object.creation_timestamp().map(|at| at.0), object.name_any()));
    for object in ours {
        let name = object.name_any();
        match read(context, &name, object, rules.len()) {
            Ok((of_class, place)) => {
                rules.insert(name.clone(), of_class);
                places.insert(name, place);
            }
            Err(refusal) => drop(refusals.insert(name, refusal)),
        }
    }
    let names = |context: &Context| -> BTreeSet<String> {
        context.pods.policy.classes().into_iter().map(|class| class.name).collect()
    };
    let before = names(context);
    context.pods.apply_classes(rules, places);
    let now = names(context);
    look_again(context, &before.symmetric_difference(&now).cloned().collect());
    refusals
}

/// Says of each class whether it is of use.
async fn tell(context: &Context, objects: &Objects, mut refusals: BTreeMap<String, Refusal>) {
    for object in ours(context, objects) {
        let writing = write_status(context, object, refusals.remove(&object.name_any()));
        if tokio::time::timeout(WRITE_TIMEOUT, writing).await.is_err() {
            return tracing::warn!(
                "the API server does not take what is said of classes; it is said at the next change"
            );
        }
    }
}

/// Has the agents of classes that came or went looked at: some wait for theirs, and those that have lost it are told.
fn look_again(context: &Context, classes: &BTreeSet<String>) {
    for resource in context.cache.store().state() {
        if resource.spec.class.as_ref().is_some_and(|class| classes.contains(class)) {
            context.cache.enqueue(&resource.name_any());
        }
    }
}

fn read(context: &Context, name: &str, object: &DynamicObject, applied: usize) -> Result<Class, Refusal> {
    let spec = object.data.get("spec").cloned().unwrap_or_else(|| json!({}));
    let spec: ParallaxAgentClassSpec =
        serde_json::from_value(spec).map_err(|error| ("NotUnderstood", format!("spec: {error}")))?;
    let section = spec.section();
    let pods = &context.pods;
    if pods.policy.is_configured(name) {
        return Err((
            "NameTaken",
            "the configuration file of the runtime has a class of this name, which counts".into(),
        ));
    }
    let refused = |error: anyhow::Error| ("Refused", format!("{error:#}"));
    let rules = pods.policy.class(name, &section, applied).map_err(refused)?;
    let place = PodPlace::resolve_within(&section, &pods.places).map_err(refused)?;
    Ok((rules, place))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use parallax_api::check::CheckState;
    use serde_json::Value;

    use super::*;
    use crate::config::KubernetesConfig;
    use crate::scripted::{self, Answer, Asked};

    fn class(name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "parallax.io/v1alpha1", "kind": "ParallaxAgentClass",
            "metadata": {"name": name, "namespace": "team", "resourceVersion": "7", "generation": 1,
                "uid": "0f4e2d6b-0000-4000-8000-000000000000", "creationTimestamp": "2026-11-22T10:00:00Z"},
            "spec": spec,
        })
    }

    /// A context over a server that lists classes as this says.
    async fn context(classes: impl Fn() -> Answer + Send + 'static) -> (Arc<Context>, Asked, Shutdown) {
        let (cluster, asked) = scripted::cluster(move |method, path| match (method, path) {
            ("GET", path) if path.contains("watch=true") => Answer::Watch { lines: vec![], cut: false },
            ("GET", path) if path.contains("/secrets/") => Answer::Json(
                200,
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                    "data": {"key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}),
            ),
            ("GET", path) if path.contains("/parallaxagentclasses") => classes(),
            ("GET", _) => scripted::list("10", &[]),
            _ => Answer::Json(200, class("any", &json!({}))),
        });
        let shutdown = Shutdown::new();
        let (context, _events_rx) =
            Context::open(cluster, &KubernetesConfig::for_tests(), &shutdown).await.unwrap();
        context.cache.wait_until_ready().await.unwrap();
        (context, asked, shutdown)
    }

    #[tokio::test]
    async fn a_cluster_without_the_definition_has_the_classes_of_the_file() {
        for (code, reason, advice) in [(404, "NotFound", "crd.yaml"), (403, "Forbidden", "rbac.yaml")] {
            let (context, _asked, shutdown) = context(move || scripted::refusal(code, reason, "no")).await;
            let began = tokio::time::Instant::now();
            follow(&context, &shutdown).await;
            assert!(began.elapsed() < READY_TIMEOUT, "nobody waits for it");
            assert!(context.pods.policy.classes().is_empty());
            let check = examine(&context).await;
            assert_eq!(check.state, CheckState::Note, "{check:?}");
            assert!(check.advice.as_ref().is_some_and(|told| told.contains(advice)), "{check:?}");
            shutdown.begin();
        }
    }

    /// What a later definition lets through is told, and the other classes are there.
    #[tokio::test]
    async fn each_is_read_by_itself() {
        let listed = Arc::new(Mutex::new(vec![
            class("good", &json!({"env": {"TEAM": "blue"}})),
            class("later", &json!({"colour": "blue"})),
            class("Not-A-Name", &json!({})),
        ]));
        let (context, asked, shutdown) = context(move || scripted::list("10", &listed.lock().unwrap())).await;
        follow(&context, &shutdown).await;
        let names: Vec<String> = context.pods.policy.classes().into_iter().map(|class| class.name).collect();
        assert_eq!(names, ["good"]);
        let told = |name: &str| {
            let path = format!("/parallaxagentclasses/{name}/status");
            asked.lock().unwrap().iter().any(|asked| asked.contains("PATCH") && asked.contains(&path))
        };
        for name in ["good", "later", "Not-A-Name"] {
            for _ in 0..500 {
                if told(name) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert!(told(name), "{name}: {:?}", asked.lock().unwrap());
        }
        shutdown.begin();
    }

    #[tokio::test]
    async fn there_are_no_more_than_a_runtime_has() {
        let many: Vec<Value> = (0..70).map(|number| class(&format!("c{number:02}"), &json!({}))).collect();
        let (context, _asked, shutdown) = context(move || scripted::list("10", &many)).await;
        follow(&context, &shutdown).await;
        let names: Vec<String> = context.pods.policy.classes().into_iter().map(|class| class.name).collect();
        assert_eq!((names.len(), names.last().map(String::as_str)), (64, Some("c63")));
        shutdown.begin();
    }
}
