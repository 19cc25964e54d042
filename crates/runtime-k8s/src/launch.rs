//! Starting an agent: its resource, a Secret with the launch, and waiting until the host in the pod answers.

pub(crate) mod wait;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::ports::{PORT_VARIABLE, PORTS_VARIABLE};
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::{Launch, MountSource};
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::handshake::launch_line;

use crate::context::Context;
use crate::names::{self, BY_API, label};
use crate::pod::{LAUNCH, WorkspaceVolume};
use crate::pool::claim::Claimed;
use crate::removal::remove_launch;
use crate::resource::{ExistingClaim, ParallaxAgent, ParallaxAgentSpec, Phase, Workspace, requirements};
use crate::{claims, cluster, pool};

/// The largest launch that a Secret can hold, in bytes: a mebibyte, less what is around it.
const MAX_LAUNCH: usize = 1024 * 1024 - 4096;

/// How long the pod of a host that did not answer its launch may take to say why.
const CLAIMED_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts an agent and waits for its host. An agent that a resource asked for gets that resource; otherwise one is made.
pub(crate) async fn launch(context: &Context, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
    context.launches.update(id, |state| {
        (state.launching, state.host_answered, state.waiting_for) = (true, false, None);
        (state.failure, state.is_transient, state.pod) = (None, false, None);
        state.is_over = false;
    });
    let dropped = Dropped { context, id };
    let launched = launch_tracked(context, id, launch).await;
    std::mem::forget(dropped);
    context.launches.update(id, |state| match &launched {
        Ok(_) => (state.host_answered, state.failed_attempts) = (true, 0),
        Err(_) => state.launching = false,
    });
    if let Some(resource) = context.cache.resource_of(id) {
        context.cache.enqueue(&resource.name_any());
    }
    launched
}

/// A launch that is dropped (stopped, or not in time) is not under way any more.
struct Dropped<'a> {
    context: &'a Context,
    id: &'a AgentId,
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.context.launches.update(self.id, |state| state.launching = false);
    }
}

async fn launch_tracked(context: &Context, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
    let requested_by = context.launches.get(id).requested_by;
    let resource = match requested_by.clone() {
        Some(resource) => resource,
        None => create_resource(context, id, launch).await?,
    };
    let given = of_host(context, id, &resource, launch)?;
    if let Some(claimed) = pool::claim::claim(context, id, &resource).await? {
        return start_claimed(context, id, &resource, &given, claimed).await;
    }
    store_launch(context, id, &resource, &given).await?;
    context.cluster.set_phase(&resource.name_any(), Phase::Creating).await?;
    wait::for_host(context, id, requested_by.is_none()).await
}

/// Gives the launch to the host of a pod that waited. Nothing of it is kept in the cluster.
async fn start_claimed(
    context: &Context,
    id: &AgentId,
    resource: &ParallaxAgent,
    given: &Launch,
    claimed: Claimed,
) -> Result<HostAddress, Problem> {
    match claimed.host.start(given).await {
        Ok(()) => {}
        // Its container ended, or the connection broke: the pod says which.
        Err(problem) if problem.code == Code::RuntimeUnavailable => {
            let waiting = wait::for_host(context, id, false);
            tokio::time::timeout(CLAIMED_TIMEOUT, waiting).await.unwrap_or(Err(problem))?;
        }
        Err(problem) => return Err(problem),
    }
    // Only now: a server that leads after this one takes an agent in an earlier phase for one that nobody was told of.
    let note = format!("took the pod {} of the pool", claimed.pod.name_any());
    let name = resource.name_any();
    let (marked, ()) = tokio::join!(
        context.cluster.set_phase(&name, Phase::Starting),
        context.recorder.emit_event(resource, EventType::Normal, "Created", note),
    );
    marked?;
    wait::for_cache(context, id).await?;
    Ok(context.connector.address(id, &claimed.pod).await)
}

/// The resource of an agent that the API was asked for.
async fn create_resource(
    context: &Context,
    id: &AgentId,
    launch: &Launch,
) -> Result<Arc<ParallaxAgent>, Problem> {
    let mut resource = ParallaxAgent::new(id.as_str(), spec(launch, workspace(context, launch).await?)?);
    let ours = [(label::RUNTIME, context.pods.instance.as_str()), (label::ORIGIN, BY_API)];
    let ours = ours.map(|(key, value)| (key.to_owned(), value.to_owned()));
    resource.metadata.labels = Some(names::agent_labels(&launch.agent.labels).chain(ours).collect());
    let created = context.cluster.agents().create(&PostParams::default(), &resource).await;
    Ok(Arc::new(created.map_err(|error| cluster::problem("make the agent's resource", &error))?))
}

/// The spec of an agent that the API was asked for. It shows what the API shows: no variables, arguments or prompt.
///
/// # Errors
/// For amounts that pods cannot have.
pub(crate) fn spec(launch: &Launch, workspace: Option<Workspace>) -> Result<ParallaxAgentSpec, Problem> {
    // No `..`: a field that is new must be honoured or refused here.
    let Launch {
        agent,
        approvals,
        mount: _,
        idle_timeout_seconds,
        max_lifetime_seconds,
        stall_seconds,
        image,
        resources,
        // In the Secret, where the host reads them.
        profile: _,
        args: _,
        prompt: _,
        setup: _,
        checkout: _,
        env: _,
        terminal: _,
        log_limit: _,
        // Set by `of_host`.
        workdir: _,
        token: _,
    } = launch;
    let seconds = |seconds: &Option<u64>| seconds.and_then(|seconds| u32::try_from(seconds).ok());
    Ok(ParallaxAgentSpec {
        r#type: agent.r#type.clone(),
        name: Some(agent.name.clone()),
        role: agent.role.clone(),
        class: agent.class.clone(),
        capabilities: agent.capabilities.clone(),
        labels: agent.labels.clone(),
        image: image.clone(),
        model: agent.model.clone(),
        args: Vec::new(),
        approvals: Some(*approvals),
        prompt: None,
        terminal: None,
        env: Vec::new(),
        env_from: Vec::new(),
        ports: agent.ports.map(|range| range.last - range.first + 1),
        resources: requirements(resources)?,
        workspace,
        service_account_name: None,
        node_selector: [].into(),
        tolerations: Vec::new(),
        affinity: None,
        runtime_class_name: None,
        image_pull_secrets: Vec::new(),
        idle_timeout_seconds: seconds(idle_timeout_seconds),
        max_lifetime_seconds: seconds(max_lifetime_seconds),
        stall_seconds: seconds(stall_seconds),
        suspended: false,
    })
}

/// The claim that the request's workdir names.
async fn workspace(context: &Context, launch: &Launch) -> Result<Option<Workspace>, Problem> {
    let Some(mount) = &launch.mount else { return Ok(None) };
    let MountSource::Volume(name) = &mount.source else {
        return Err(Problem::invalid("workdir", "a pod's working directory is the name of a claim"));
    };
    if launch.checkout.is_some() {
        // Its own, made a moment ago.
        let existing_claim = Some(ExistingClaim { name: name.clone(), read_only: false });
        return Ok(Some(Workspace { existing_claim, ..Workspace::default() }));
    }
    match context.cluster.claims().get_opt(name).await {
        Ok(Some(claim)) => {
            claims::check_allowed(&context.cluster, &claim, &context.allowed_claims).await?;
        }
        Ok(None) => {
            let detail = format!("there is no claim `{name}` in the namespace {}", context.cluster.namespace);
            return Err(Problem::new(Code::WorkdirNotFound, detail).with("field", "workdir"));
        }
        Err(error) => return Err(cluster::problem("look for the claim", &error)),
    }
    let existing_claim = Some(ExistingClaim { name: name.clone(), read_only: mount.read_only });
    Ok(Some(Workspace { existing_claim, ..Workspace::default() }))
}

/// A variable that comes with ports, and that the resource sets as well, would be lost to one of them.
fn check_port_variables(resource: &ParallaxAgent, launch: &Launch) -> Result<(), Problem> {
    let set = |name: &&str| resource.spec.env.iter().any(|own| own.name == **name);
    match [PORT_VARIABLE, PORTS_VARIABLE].iter().find(|name| launch.agent.ports.is_some() && set(name)) {
        Some(name) => {
            let detail = format!("`{name}` is set by `ports`; leave out one of the two");
            Err(Problem::invalid("env", detail))
        }
        None => Ok(()),
    }
}

/// The launch as the host in the pod is given it.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE` for what no Secret holds: a request must not be taken or refused by whether a pod waits.
fn of_host(
    context: &Context,
    id: &AgentId,
    resource: &ParallaxAgent,
    launch: &Launch,
) -> Result<Launch, Problem> {
    check_port_variables(resource, launch)?;
    let volume = WorkspaceVolume::of(&resource.spec, id);
    let mut launch = launch.clone();
    // A checkout stands in that directory.
    if launch.checkout.is_none() {
        launch.agent.workdir = Some(volume.workdir.clone());
        launch.workdir = volume.workdir.into();
    }
    launch.token = Some(context.token_key.verifier(id));
    launch.image = Some(context.pods.images.of(&resource.spec));
    // The kubelet holds it to that.
    launch.resources.disk = None;
    // What the resource sets itself stands above the policy's variables.
    launch.env.retain(|name, _| resource.spec.env.iter().all(|own| own.name != *name));
    if launch_line(&launch)?.len() > MAX_LAUNCH {
        let detail = "prompt, arguments and variables come to more than a Secret of the cluster can hold (1 MiB); \
                      send the prompt as the first message";
        return Err(Problem::new(Code::PayloadTooLarge, detail).with("field", "prompt"));
    }
    Ok(launch)
}

/// Stores the launch, with everything secret in it, in a Secret that the resource owns.
async fn store_launch(
    context: &Context,
    id: &AgentId,
    resource: &ParallaxAgent,
    given: &Launch,
) -> Result<(), Problem> {
    let line = launch_line(given)?;
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(names::launch_secret(id)),
            labels: Some(names::labels(&context.pods.instance, id, &resource.spec.r#type)),
            owner_references: resource.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some([(LAUNCH.to_owned(), ByteString(line))].into()),
        ..Secret::default()
    };
    match context.cluster.secrets().create(&PostParams::default(), &secret).await {
        // Left by a launch whose server died; it may be outdated.
        Err(error) if cluster::already_exists(&error) => {
            remove_launch(context, id).await?;
            context.cluster.secrets().create(&PostParams::default(), &secret).await
        }
        created => created,
    }
    .map(drop)
    .map_err(|error| cluster::problem("keep the agent's launch", &error))
}
