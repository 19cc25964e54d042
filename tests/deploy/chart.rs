//! The chart, rendered for many values.

use parallax_testkit::chart::{Chart, directory};
use serde_json::{Value, json};

fn chart(values: Value) -> Chart<'static> {
    Chart { release: "parallax", namespace: "team", values, cluster: Vec::new() }
}

fn rendered(values: Value) -> Vec<Value> {
    chart(values.clone()).render().unwrap_or_else(|error| panic!("{values}: {error}"))
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// Every text in `value` under a key, at any depth.
fn each_text(value: &Value, found: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if let Value::String(text) = value {
                    found(key, text);
                }
                each_text(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_text(item, found)),
        _ => {}
    }
}

/// Values that people set, each alone: what comes out is YAML with names and labels that a cluster takes.
#[test]
#[ignore = "needs Go and its libraries: make test-deploy"]
fn every_value_renders() {
    for values in [
        json!({}),
        json!({"networkPolicy": {"egress": []}}),
        json!({"networkPolicy": {"enabled": false}, "controlPlane": {"enabled": false}}),
        json!({"images": {"pullSecrets": ["one", "two"], "agents": {"claude": "r.example/claude@sha256:0123"}}}),
        json!({"images": {"server": "r.example:5000/parallax-server@sha256:0123"}}),
        json!({"runtime": {"args": ["--allow-origin=https://a.example", "--flag=a: b # c"], "replicas": 2}}),
        json!({"runtime": {"requests": {}, "limits": {"cpu": 2, "memory": 2_000_000_000}, "maxAgents": 1_000_000}}),
        json!({"runtime": {"storage": {"className": "fast"}, "resources": {}}}),
        json!({"podDisruptionBudget": {"enabled": true}, "serviceMonitor": {"enabled": true}}),
        json!({"prePull": {"enabled": true}, "runtime": {
            "policy": {"max": {"cpu": 4, "memory": "8Gi"}, "allow-image": ["r.example/**"]},
            "classes": {"gpu": {"max": {"cpu": "16"}, "node-selector": {"accelerator": "nvidia"}}},
        }}),
        json!({"runtime": {"pool": [{"type": "claude", "size": 2}, {"type": "claude", "class": "gpu", "size": 1}]}}),
        json!({"runtime": {"profiles": {"aider.toml": "# a comment\n[agent]\nname = \"aider\"\n"}}}),
        json!({"runtime": {"profiles": {"aider.toml": "x"}, "classes": {"small": {}}}}),
        json!({"api": {"generate": true, "existingSecret": ""}}),
        json!({"agents": {"namespace": "agents", "createNamespace": true}, "podDisruptionBudget": {"enabled": true}}),
    ] {
        for release in ["p", "a-release-whose-name-has-as-many-letters-as-helm-allows"] {
            let release = &release[..release.len().min(53)];
            let objects = Chart { release, ..chart(values.clone()) }.render();
            let objects = objects.unwrap_or_else(|error| panic!("{values}: {error}"));
            for object in &objects {
                let name = object["metadata"]["name"].as_str().expect("each has a name");
                let longest = if object["kind"] == "StatefulSet" { 52 } else { 63 };
                let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(name.len() <= longest && name.chars().all(is_word), "{values}: {name}");
                let labels = object["metadata"]["labels"].as_object().expect("each has labels");
                for (label, value) in labels {
                    let value = value.as_str().expect("a label is a text");
                    assert!(value.len() <= 63 && !value.ends_with('-'), "{label}: {value}");
                }
                each_text(object, &mut |_, text| assert!(!text.contains("e+0"), "{values}: {text}"));
            }
            for set in of_kind(&objects, "StatefulSet") {
                for arg in
                    set["spec"]["template"]["spec"]["containers"][0]["args"].as_array().expect("a list")
                {
                    let arg = arg.as_str().expect("an argument is a text");
                    assert!(arg.starts_with("--") && !arg.ends_with('='), "{values}: {arg}");
                }
            }
        }
    }
}

/// A value that nothing reads is a promise that is not kept. Each leaf of values.yaml, changed, changes what comes out.
#[test]
#[ignore = "needs Go and its libraries: make test-deploy"]
fn every_value_is_read() {
    let schema = std::fs::read_to_string(directory().join("values.schema.json")).expect("it is there");
    let schema: Value = serde_json::from_str(&schema).expect("it is JSON");
    // With all that is off by itself.
    let base = json!({
        "podDisruptionBudget": {"enabled": true}, "serviceMonitor": {"enabled": true}, "agents": {"namespace": "agents"},
    });
    let plain = rendered(base.clone());
    let mut leaves = 0;
    each_leaf(&schema["properties"], &mut Vec::new(), &mut |path, leaf| {
        leaves += 1;
        let mut values = base.clone();
        let mut place = &mut values;
        for key in path {
            place = &mut place[*key];
        }
        *place = another(path, leaf);
        assert!(rendered(values) != plain, "{path:?} changes nothing");
    });
    assert!(leaves > 20, "{leaves}");
}

fn each_leaf<'a>(properties: &'a Value, path: &mut Vec<&'a str>, found: &mut impl FnMut(&[&'a str], &Value)) {
    for (name, schema) in properties.as_object().expect("they are named") {
        if name == "global" {
            continue;
        }
        path.push(name);
        match &schema["properties"] {
            Value::Null => found(path, schema),
            inner => each_leaf(inner, path, found),
        }
        path.pop();
    }
}

/// A value that is allowed there, and not the one of values.yaml.
fn another(path: &[&str], schema: &Value) -> Value {
    match (path, schema["type"].as_str()) {
        ([.., "pullPolicy"], _) => json!("Always"),
        ([.., "egress"], _) => json!([]),
        (["podDisruptionBudget" | "serviceMonitor" | "networkPolicy" | "controlPlane", "enabled"], _) => {
            // Those that are on in values.yaml or above.
            json!(false)
        }
        ([.., "pool"], _) => json!([{"type": "claude", "size": 7}]),
        ([.., "size"], _) => json!("77Gi"),
        (_, Some("boolean")) => json!(true),
        (_, Some("integer")) => json!(77),
        (_, Some("array")) => json!(["another"]),
        ([.., "profiles"], _) => json!({"aider.toml": "name = 'aider'"}),
        ([.., "classes"], _) => json!({"small": {"description": "for reading"}}),
        (_, Some("object")) => json!({"cpu": "77m"}),
        _ => json!("another"),
    }
}

/// What is not meant is said, and not passed over.
#[test]
#[ignore = "needs Go and its libraries: make test-deploy"]
fn what_is_not_meant_is_refused() {
    for (values, word) in [
        (json!({"runtime": {"replica": 2}}), "replica"),
        (json!({"runtime": {"replicas": "two"}}), "replicas"),
        (json!({"runtime": {"instance": "With Space"}}), "instance"),
        (json!({"runtime": {"limits": {"memory": "2 GB"}}}), "memory"),
        (json!({"networkPolicy": {"egress": {}}}), "egress"),
        (json!({"images": {"pullPolicy": "Sometimes"}}), "pullPolicy"),
        (json!({"runtime": {"pool": [{"type": "claude", "size": 99}]}}), "pool"),
        (json!({"runtime": {"profiles": {"../aider": "x"}}}), "aider"),
        (json!({"api": {"existingSecret": ""}}), "existingSecret"),
        (json!({"agents": {"namespace": "With Space"}}), "namespace"),
        (json!({"apis": {}}), "apis"),
    ] {
        let error = chart(values.clone()).render().expect_err(&values.to_string());
        assert!(error.contains(word), "{values}: {error}");
    }
}

/// Agents in a namespace of their own: what is about them is there, the servers and what they may read are not.
#[test]
#[ignore = "needs Go and its libraries: make test-deploy"]
fn agents_apart() {
    let objects = rendered(json!({
        "agents": {"namespace": "agents", "createNamespace": true}, "podDisruptionBudget": {"enabled": true},
    }));
    let mut there: Vec<String> = objects
        .iter()
        .filter(|object| object["metadata"]["namespace"] == "agents")
        .map(|object| object["kind"].as_str().expect("each has a kind").to_owned())
        .collect();
    there.sort();
    assert_eq!(there, ["NetworkPolicy", "PodDisruptionBudget", "Role", "RoleBinding"]);
    let namespace = of_kind(&objects, "Namespace")[0];
    assert_eq!(namespace["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    for role in of_kind(&objects, "Role") {
        let is_theirs = role["metadata"]["namespace"] == "agents";
        let rules = role["rules"].as_array().expect("a list");
        let reads_secrets = rules
            .iter()
            .any(|rule| rule["resources"] == json!(["secrets"]) && rule["verbs"] == json!(["get"]));
        assert!(reads_secrets != is_theirs, "the key is with the servers: {role}");
    }
    let runtime = of_kind(&objects, "StatefulSet")
        .into_iter()
        .find(|set| set["metadata"]["name"] == "parallax-runtime")
        .expect("there is a runtime");
    let args = runtime["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(args.contains("--namespace=agents") && args.contains("--server-namespace=team"), "{args}");
    // The release's own namespace is none of their own.
    assert_eq!(rendered(json!({"agents": {"namespace": "team"}})), rendered(json!({})));
}

/// Renderings are the same, so that a tool that compares them finds nothing to do; a token that was made once stays.
#[test]
#[ignore = "needs Go and its libraries: make test-deploy"]
fn the_token_stays() {
    let plain = rendered(json!({}));
    assert_eq!(plain, rendered(json!({})));
    assert!(of_kind(&plain, "Secret").is_empty(), "the token is not the chart's");
    let values = json!({"api": {"generate": true}});
    let first = rendered(values.clone());
    let mut secret = of_kind(&first, "Secret")[0].clone();
    assert_ne!(of_kind(&rendered(values.clone()), "Secret")[0], &secret, "it is made up");
    secret["metadata"]["namespace"] = "team".into();
    let again = Chart { cluster: vec![secret.clone()], ..chart(values) }.render().expect("it renders");
    assert_eq!(of_kind(&again, "Secret")[0]["data"], secret["data"]);
}
