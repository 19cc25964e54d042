use super::*;

#[derive(serde::Deserialize, Default)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    policy: PolicySection<NoPlace>,
    classes: BTreeMap<String, PolicySection<NoPlace>>,
}

/// What a container has without a policy.
const BUILTIN: Amounts =
    Amounts::new(&[(Amount::Cpu, 2_000_000_000), (Amount::Memory, 2 << 30), (Amount::Pids, 512)]);

fn read(text: &str) -> anyhow::Result<Policy> {
    let file: File = toml::from_str(text)?;
    let traits = PolicyTraits { holds: &Amount::ALL, builtin: BUILTIN, ..PolicyTraits::default() };
    Policy::new(&file.policy, &file.classes, traits)
}

fn admitted(policy: &Policy, request: serde_json::Value) -> Result<SpawnRequest, Problem> {
    let mut whole = serde_json::json!({"name": "one", "type": "shell"});
    whole.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    let mut request: SpawnRequest = serde_json::from_value(whole).unwrap();
    policy.admit(&mut request).map(|()| request)
}

const POLICY: &str = r#"
[policy]
max = {cpu = 4, memory = "8Gi", pids = 1024, lifetime = "8h"}
default = {memory = "1Gi", idle = "30m"}
allow-image = ["registry.example/**"]
agent-env = {TEAM = "blue"}
https-proxy = "http://proxy:3128"
default-class = "small"

[classes.small]
description = "for reading"
max = {cpu = "500m", memory = "512Mi"}

[classes.gpu]
max = {cpu = 16, memory = "64Gi", lifetime = "2d"}
default = {cpu = 8}
agent-env = ["TEAM=red"]
allow-image = ["registry.example/gpu/*"]
"#;

#[test]
fn what_a_request_leaves_out_is_filled_in() {
    let policy = read(POLICY).unwrap();
    let request = admitted(&policy, serde_json::json!({"class": "gpu"})).unwrap();
    let resources = request.resources.unwrap();
    assert_eq!(resources.cpu, Some(CpuQuantity::Text("8".into())));
    assert_eq!(
        (resources.memory.as_deref(), resources.pids),
        (Some("1Gi"), None),
        "the policy's, and the place's own"
    );
    assert_eq!((request.max_lifetime_seconds, request.idle_timeout_seconds), (Some(172_800), Some(1800)));
    assert_eq!(request.env["TEAM"].expose(), "red");
    assert_eq!(request.env["https_proxy"].expose(), "http://proxy:3128");

    let asked = serde_json::json!({"class": "gpu", "resources": {"memory": "3Gi"}, "env": {"TEAM": "mine"}, "maxLifetimeSeconds": 5});
    let request = admitted(&policy, asked).unwrap();
    assert_eq!(request.resources.unwrap().memory.as_deref(), Some("3Gi"));
    assert_eq!((request.env["TEAM"].expose(), request.max_lifetime_seconds), ("mine", Some(5)));

    let request = admitted(&policy, serde_json::json!({})).unwrap();
    assert_eq!(request.class.as_deref(), Some("small"), "the default class");
    let resources = request.resources.unwrap();
    assert_eq!(
        resources.cpu,
        Some(CpuQuantity::Text("500m".into())),
        "a maximum below what there is otherwise"
    );
    assert_eq!(resources.memory.as_deref(), Some("512Mi"), "below the policy's default");
    assert_eq!(read("").unwrap().classes().len(), 0);
    assert!(admitted(&read("").unwrap(), serde_json::json!({})).unwrap().resources.is_none());
}

#[test]
fn what_is_too_much_is_refused_with_the_maximum() {
    let policy = read(POLICY).unwrap();
    for (asked, field, maximum) in [
        (serde_json::json!({"resources": {"cpu": 0.75}}), "resources.cpu", "500m"),
        (serde_json::json!({"resources": {"memory": "513Mi"}}), "resources.memory", "512Mi"),
        (serde_json::json!({"class": "gpu", "resources": {"memory": "65Gi"}}), "resources.memory", "64Gi"),
        (serde_json::json!({"class": "gpu", "resources": {"pids": 1025}}), "resources.pids", "1024"),
        (serde_json::json!({"maxLifetimeSeconds": 28801}), "maxLifetimeSeconds", "28800"),
    ] {
        let problem = admitted(&policy, asked.clone()).unwrap_err();
        assert_eq!((problem.code, &problem.more["field"]), (Code::PolicyDenied, &field.into()), "{asked}");
        assert_eq!(problem.more["maximum"], maximum, "{problem:?}");
        assert!(problem.detail.contains(maximum), "{problem:?}");
    }
    let image = |class: &str, image: &str| {
        admitted(&policy, serde_json::json!({"class": class, "image": image})).map_err(|problem| problem.code)
    };
    assert!(
        image("small", "registry.example/a/b:1").is_ok() && image("gpu", "registry.example/gpu/b").is_ok()
    );
    for (class, name) in [("small", "debian:12"), ("gpu", "registry.example/a/b:1")] {
        assert_eq!(image(class, name).unwrap_err(), Code::PolicyDenied, "{class} {name}");
    }
    let unknown = admitted(&policy, serde_json::json!({"class": "huge"})).unwrap_err();
    assert_eq!(
        (unknown.code, &unknown.more["classes"]),
        (Code::Validation, &serde_json::json!(["gpu", "small"]))
    );
    let known: Vec<String> = policy.classes().into_iter().map(|class| class.name).collect();
    assert_eq!(known, ["gpu", "small"]);
}

#[test]
fn a_policy_that_makes_no_sense_is_refused() {
    for (text, said) in [
        ("[policy]\nmax = {gpu = 1}", "gpu"),
        ("[policy]\nmax = {cpu = 1}\ndefault = {cpu = 2}", "more than its maximum"),
        ("[policy]\ndefault-class = 'small'", "small"),
        ("[policy]\nagent-env = {PARALLAX_AGENT_ID = 'x'}", "PARALLAX_AGENT_ID"),
        ("[classes.Big]", "Big"),
        ("[classes.a]\ndefault-class = 'a'", "[classes.a]"),
        ("[classes.a]\nrunclass = 'x'", "runclass"),
        ("[policy]\nmax = {cpu = [1]}", "cpu"),
    ] {
        let error = format!("{:#}", read(text).unwrap_err());
        assert!(error.contains(said), "{text}: {error}");
    }
    let file: File = toml::from_str("[policy]\nmax = {pids = 5}").unwrap();
    let local = PolicyTraits { holds: &Amount::TIMES, ..PolicyTraits::default() };
    assert!(Policy::new(&file.policy, &file.classes, local).is_err(), "a plain process is not held to it");
}

/// Whoever applies a class is not the operator: it has no more than the policy, and takes nothing from a class of the operator's.
#[test]
fn classes_that_are_applied_later_are_within_the_policy() {
    let policy = read(POLICY).unwrap();
    let shared = policy.clone();
    let made = |name: &str, text: &str| {
        let section: PolicySection<NoPlace> = toml::from_str(text).unwrap();
        policy.class(name, &section, 0).map_err(|error| format!("{error:#}"))
    };
    for (text, said) in [
        ("max = {cpu = 5}", "the maximum of cpu is 5, and the policy's is 4"),
        ("max = {lifetime = '9h'}", "lifetime"),
        ("default = {memory = '9Gi'}", "more than its maximum"),
        (
            "agent-env = {https_proxy = 'http://mine'}",
            "`https_proxy`: the proxies of agents are the policy's",
        ),
        // Not set there, and a way past it.
        ("agent-env = {no_proxy = '*'}", "no_proxy"),
        ("agent-env = {Http_Proxy = 'http://mine'}", "Http_Proxy"),
        ("agent-env = {ALL_PROXY = 'http://mine'}", "ALL_PROXY"),
    ] {
        assert!(made("later", text).unwrap_err().contains(said), "{text}");
    }
    assert!(made("Later", "").is_err());
    let section = PolicySection::<NoPlace>::default();
    assert!(policy.class("later", &section, MAX_CLASSES - 2).unwrap_err().to_string().contains("64"));

    // The policy has no certificates.
    assert!(made("later", "agent-env = {SSL_CERT_FILE = '/mine'}").is_ok());
    let strict = read("[policy]\nca-bundle = '/ca.crt'").unwrap();
    for (name, is_refused) in [("SSL_CERT_FILE", true), ("ssl_cert_dir", true), ("NO_PROXY", false)] {
        let section: PolicySection<NoPlace> =
            toml::from_str(&format!("agent-env = {{{name} = '/mine'}}")).unwrap();
        assert_eq!(strict.class("later", &section, 0).is_err(), is_refused, "{name}");
    }

    let later = made("later", "max = {cpu = 3}\nallow-image = ['registry.example/a/*', 'other/*']").unwrap();
    let gpu = made("gpu", "max = {cpu = 1}").unwrap();
    assert!(policy.is_configured("gpu") && !policy.is_configured("later"));
    policy.apply_classes([("later".to_owned(), later), ("gpu".to_owned(), gpu)].into());
    let known: Vec<String> = shared.classes().into_iter().map(|class| class.name).collect();
    assert_eq!(known, ["gpu", "later", "small"]);
    assert_eq!(shared.rules(Some("gpu")).unwrap().maximum.text(Amount::Cpu), "16", "the operator's");
    for (image, is_allowed) in
        [("registry.example/a/b", true), ("registry.example/b", false), ("other/b", false)]
    {
        let asked = admitted(&shared, serde_json::json!({"class": "later", "image": image}));
        assert_eq!(asked.is_ok(), is_allowed, "{image}");
    }
    policy.apply_classes(BTreeMap::new());
    assert_eq!(admitted(&shared, serde_json::json!({"class": "later"})).unwrap_err().code, Code::Validation);
}
