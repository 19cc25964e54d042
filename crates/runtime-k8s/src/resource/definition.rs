//! The definition of the resource, for the API server.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt;

use super::{ParallaxAgent, ParallaxAgentClass};

/// The name of the definition.
pub const NAME: &str = "parallaxagents.parallax.io";

/// A resource's name becomes a pod's name with nine characters behind it, and both must be good for a label.
const MAX_NAME: i64 = 52;
/// A class's name is good for a label.
const MAX_CLASS_NAME: i64 = 63;
const NAMES: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// The definition, with what the types cannot say: which names there may be, and that a workspace is one thing.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = ParallaxAgent::crd();
    for version in &mut definition.spec.versions {
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(properties) = schema.and_then(|schema| schema.properties.as_mut()) else { continue };
        properties.insert("metadata".into(), named(MAX_NAME));
        let spec = properties.get_mut("spec").and_then(|spec| spec.properties.as_mut());
        if let Some(workspace) = spec.and_then(|spec| spec.get_mut("workspace")) {
            workspace.max_properties = Some(1);
        }
    }
    definition
}

/// The definition of the resource form of a class.
pub fn class_definition() -> CustomResourceDefinition {
    let mut definition = ParallaxAgentClass::crd();
    for version in &mut definition.spec.versions {
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(properties) = schema.and_then(|schema| schema.properties.as_mut()) else { continue };
        properties.insert("metadata".into(), named(MAX_CLASS_NAME));
    }
    definition
}

/// The schema of metadata with a name that is no longer than this.
fn named(longest: i64) -> JSONSchemaProps {
    let name = JSONSchemaProps {
        type_: Some("string".into()),
        max_length: Some(longest),
        pattern: Some(NAMES.into()),
        ..JSONSchemaProps::default()
    };
    JSONSchemaProps {
        type_: Some("object".into()),
        properties: Some([("name".to_owned(), name)].into()),
        ..JSONSchemaProps::default()
    }
}

/// The definitions as a file for `kubectl apply`.
///
/// # Errors
/// When it cannot be written as YAML, which would be a mistake of ours.
pub fn yaml() -> anyhow::Result<String> {
    // By way of JSON, whose fields keep their order and whose absent ones are absent.
    let text = |definition| anyhow::Ok(serde_saphyr::to_string(&serde_json::to_value(definition)?)?);
    Ok(format!(
        "# Made by `make crd` from the types in crates/runtime-k8s/src/resource.rs.\n{}---\n{}",
        text(definition())?,
        text(class_definition())?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `make crd` brings it up to date.
    #[test]
    fn the_file_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/definition/crd.yaml");
        let checked_in = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            checked_in == yaml().unwrap(),
            "deploy/kubernetes/definition/crd.yaml is not current: run `make crd`"
        );
    }

    #[test]
    fn is_what_the_oldest_cluster_takes() {
        let text = yaml().unwrap();
        assert_eq!(definition().metadata.name.as_deref(), Some(NAME));
        for absent in ["x-kubernetes-validations", "selectableFields", "$ref", "oneOf"] {
            assert!(!text.contains(absent), "{absent}");
        }
        for present in ["maxProperties: 1", "maxLength: 52", "shortNames"] {
            assert!(text.contains(present), "{present}\n{text}");
        }
    }
}
