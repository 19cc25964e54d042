use k8s_openapi::api::core::v1::EnvVar;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use parallax_api::agent::Resources;
use parallax_runtime_core::Policy;

use super::*;
use crate::resource::{Claim, ExistingClaim, Workspace, requirements};

fn resource(spec: ParallaxAgentSpec) -> ParallaxAgent {
    let mut resource = ParallaxAgent::new("reviewer", ParallaxAgentSpec { r#type: "claude".into(), ..spec });
    resource.metadata.uid = Some("0f4e2d6b-0000-4000-8000-000000000000".into());
    resource.metadata.namespace = Some("team".into());
    resource
}

fn made(spec: ParallaxAgentSpec) -> Pod {
    let resource = resource(spec);
    let id = names::agent_id(&resource).unwrap();
    pod(&resource, &id, &PodConfig::default())
}

fn existing(name: &str, read_only: bool) -> Option<Workspace> {
    let existing_claim = Some(ExistingClaim { name: name.into(), read_only });
    Some(Workspace { existing_claim, ..Workspace::default() })
}

/// What <https://kubernetes.io/docs/concepts/security/pod-security-standards/> asks for under *restricted*.
#[test]
fn passes_the_restricted_standard() {
    let spec = made(ParallaxAgentSpec::default()).spec.unwrap();
    let pod = spec.security_context.unwrap();
    assert_eq!(pod.run_as_non_root, Some(true));
    assert!(pod.run_as_user.unwrap() > 0);
    assert_eq!(pod.seccomp_profile.unwrap().type_, "RuntimeDefault");
    for container in spec.init_containers.unwrap().iter().chain(&spec.containers) {
        let security = container.security_context.clone().unwrap();
        assert_eq!(security.allow_privilege_escalation, Some(false));
        assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        assert_eq!(security.privileged, None);
    }
    for volume in spec.volumes.unwrap() {
        assert!(volume.host_path.is_none(), "{volume:?}");
    }
    assert!(spec.host_network.is_none() && spec.host_pid.is_none() && spec.host_ipc.is_none());
    assert_eq!((spec.automount_service_account_token, spec.enable_service_links), (Some(false), Some(false)));
}

#[test]
fn belongs_to_its_resource() {
    let pod = made(ParallaxAgentSpec::default());
    let owner = &pod.owner_references()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("ParallaxAgent", "reviewer"));
    assert_eq!(owner.controller, Some(true));
    assert_eq!(pod.name_any(), "reviewer-0f4e2d6b");
    assert_eq!(pod.labels()[label::AGENT], "reviewer-0f4e2d6b");
}

#[test]
fn what_cannot_change_is_told_by_field() {
    let spec = ParallaxAgentSpec { model: Some("one".into()), ..ParallaxAgentSpec::default() };
    let pod = made(spec.clone());
    let same = ParallaxAgentSpec { r#type: "claude".into(), suspended: true, ..spec };
    assert_eq!(changed(&same, &pod), Vec::<String>::new());
    let other = ParallaxAgentSpec {
        model: None,
        env: vec![EnvVar { name: "A".into(), ..EnvVar::default() }],
        ..same
    };
    assert_eq!(changed(&other, &pod), ["env", "model"]);
}

#[test]
fn directories_are_where_they_outlive_what_they_should() {
    let id: AgentId = "a".parse().unwrap();
    let directories = |workspace| {
        let volume =
            WorkspaceVolume::of(&ParallaxAgentSpec { workspace, ..ParallaxAgentSpec::default() }, &id);
        let mounts: Vec<String> = volume.mounts().into_iter().map(|mount| mount.mount_path).collect();
        (volume.workdir, volume.host_dir, mounts.join(" "))
    };
    let of = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(directories(None), of("/workspace", "/var/lib/parallax/host", "/workspace /var/lib/parallax"));
    assert_eq!(directories(existing("c", false)), of("/workspace", "/workspace/.parallax/a", "/workspace"));
    assert_eq!(
        directories(existing("c", true)),
        of("/workspace", "/var/lib/parallax/host", "/workspace /var/lib/parallax")
    );
    let claim = Some(Claim { size: Quantity("1Gi".into()), storage_class_name: None, retain: false });
    let own = Some(Workspace { claim, ..Workspace::default() });
    assert_eq!(directories(own), of("/data/workspace", "/data/parallax", "/data"));
}

#[test]
fn a_retained_claim_is_nobodys() {
    let resource = resource(ParallaxAgentSpec::default());
    let id = names::agent_id(&resource).unwrap();
    let asked = |retain| Claim { size: Quantity("1Gi".into()), storage_class_name: None, retain };
    assert_eq!(claim(&resource, &id, &asked(false), "parallax").owner_references().len(), 1);
    assert_eq!(claim(&resource, &id, &asked(true), "parallax").owner_references().len(), 0);
}

#[test]
fn what_is_asked_for_is_set_aside() {
    let asked = Resources { memory: Some("512Mi".into()), ..Resources::default() };
    let given = requirements(&asked).unwrap().unwrap();
    assert_eq!(given.requests, given.limits);
    assert_eq!(given.limits.unwrap()["memory"], Quantity("536870912".into()));
    assert_eq!(requirements(&Resources::default()).unwrap(), None);
    let pids = Resources { pids: Some(5), ..Resources::default() };
    assert_eq!(requirements(&pids).unwrap_err().code, parallax_api::Code::Unsupported);
}

#[test]
fn a_resource_that_tolerates_more_has_its_way() {
    let all = Toleration { operator: Some("Exists".into()), ..Toleration::default() };
    let count = |own: &[Toleration]| tolerations(own).len();
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&[all]), 1);
}

/// The policy and the classes of a configuration file.
fn configured(text: &str) -> PodConfig {
    let args: crate::config::KubernetesArgs = toml::from_str(text).unwrap();
    PodConfig {
        policy: Policy::new(&args.policy, &args.classes, crate::policy::TRAITS).unwrap(),
        places: crate::policy::places(&args.policy, &args.classes, &install_amounts()).unwrap(),
        ..PodConfig::default()
    }
}

const POLICY: &str = r#"
[policy]
default = {memory = "1Gi"}
set-aside = {cpu = "500m", memory = "512Mi"}
init-request = {cpu = "250m", memory = "32Mi"}
init-limit = {cpu = "500m", memory = "64Mi"}
runtime-class = "gvisor"
node-selector = {"kubernetes.io/arch" = "amd64", pool = "agents"}
pod-label = {team = "blue"}

[classes.gpu]
max = {cpu = 1}
priority-class = "high"
node-selector = {pool = "gpu"}
devices = {"nvidia.com/gpu" = 1}
"#;

#[test]
fn a_class_says_where_and_how_much() {
    let config = configured(POLICY);
    let made = |spec| {
        let resource = resource(spec);
        pod(&resource, &names::agent_id(&resource).unwrap(), &config)
    };
    let plain = made(ParallaxAgentSpec::default());
    assert_eq!(plain.labels()["team"], "blue");
    assert_eq!(plain.labels()[label::AGENT], "reviewer-0f4e2d6b", "its own labels stay");
    let spec = plain.spec.unwrap();
    assert_eq!(
        (spec.runtime_class_name.as_deref(), spec.priority_class_name.clone()),
        (Some("gvisor"), None)
    );
    let limits = |spec: &PodSpec, name: &str| {
        let resources = spec.containers[0].resources.clone().unwrap();
        let of =
            |amounts: Option<BTreeMap<String, Quantity>>| amounts?.get(name).map(|amount| amount.0.clone());
        (of(resources.requests).unwrap_or_default(), of(resources.limits).unwrap_or_default())
    };
    let of = |request: &str, limit: &str| (request.to_owned(), limit.to_owned());
    assert_eq!(limits(&spec, "cpu"), of("500m", "2"), "a ratio of four");
    assert_eq!(limits(&spec, "memory"), of("512Mi", "1Gi"));
    assert_eq!(limits(&spec, "ephemeral-storage"), of("64Mi", "10Gi"), "limited by default");
    let init = spec.init_containers.unwrap()[0].resources.clone().unwrap();
    assert_eq!(init.requests.unwrap()["cpu"], Quantity("250m".into()));

    let selector = [("pool".to_owned(), "mine".to_owned())].into();
    let resources = requirements(&Resources { memory: Some("4Gi".into()), ..Resources::default() }).unwrap();
    let class = Some("gpu".to_owned());
    let spec =
        ParallaxAgentSpec { class, resources, node_selector: selector, ..ParallaxAgentSpec::default() };
    let spec = made(spec).spec.unwrap();
    assert_eq!(limits(&spec, "cpu"), of("500m", "1"), "its maximum is less than what there is otherwise");
    assert_eq!(limits(&spec, "memory"), of("4294967296", "4294967296"), "asked for: set aside");
    assert_eq!(limits(&spec, "nvidia.com/gpu"), of("1", "1"));
    let selector = spec.node_selector.unwrap();
    assert_eq!((selector["kubernetes.io/arch"].as_str(), selector["pool"].as_str()), ("amd64", "mine"));
    assert_eq!(spec.priority_class_name.as_deref(), Some("high"));
}

#[test]
fn what_a_resource_asks_for_is_held_against_the_policy() {
    let config = configured("[policy]\nmax = {cpu = 2, memory = '4Gi'}");
    let denied = |resources: Value| {
        let resources = serde_json::from_value(resources).unwrap();
        let spec = ParallaxAgentSpec { r#type: "claude".into(), resources, ..ParallaxAgentSpec::default() };
        let mut request = spec.request("one");
        request.check().and_then(|()| config.policy.admit(&mut request)).err().map(|problem| problem.code)
    };
    use parallax_api::Code;
    assert_eq!(denied(serde_json::json!({"limits": {"cpu": "2", "memory": "4Gi"}})), None);
    assert_eq!(denied(serde_json::json!({"limits": {"cpu": "2001m"}})), Some(Code::PolicyDenied));
    assert_eq!(denied(serde_json::json!({"requests": {"memory": "5e9"}})), Some(Code::PolicyDenied));
    assert_eq!(denied(serde_json::json!({"limits": {"memory": "lots"}})), Some(Code::Validation));
}
