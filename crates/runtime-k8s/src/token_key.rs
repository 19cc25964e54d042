//! The key that signs the tokens of hosts: in a Secret, so that all replicas of a runtime share it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use parallax_api::agent::EnvValue;
use parallax_api::{AgentId, Problem};
use sha2::{Digest, Sha256};

use crate::cluster::{self, Cluster};
use crate::names::label;

/// The entry of the Secret with the key.
const ENTRY: &str = "key";

/// Signs the tokens of a runtime's hosts.
#[derive(Clone)]
pub(crate) struct TokenKey(EnvValue);

impl TokenKey {
    /// Reads the key of this runtime, or makes one.
    pub(crate) async fn open(cluster: &Cluster, instance: &str) -> Result<Self, Problem> {
        let name = format!("parallax-runtime-{instance}");
        let new = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some([(label::RUNTIME.to_owned(), instance.to_owned())].into()),
                ..ObjectMeta::default()
            },
            data: Some([(ENTRY.to_owned(), ByteString(new.clone().into_bytes()))].into()),
            ..Secret::default()
        };
        // Read first: an account without the right to create Secrets will do once there is a key.
        let there = match cluster.secrets().get_opt(&name).await {
            Ok(Some(there)) => there,
            Ok(None) => match cluster.secrets().create(&PostParams::default(), &secret).await {
                Ok(made) => made,
                // Another replica made it meanwhile.
                Err(error) if cluster::already_exists(&error) => cluster
                    .secrets()
                    .get(&name)
                    .await
                    .map_err(|error| cluster::problem("read the runtime's key", &error))?,
                Err(error) => return Err(cluster::problem("keep the runtime's key", &error)),
            },
            Err(error) => return Err(cluster::problem("read the runtime's key", &error)),
        };
        let key = there.data.and_then(|mut data| data.remove(ENTRY)).unwrap_or_default();
        match String::from_utf8(key.0) {
            Ok(key) if key.len() >= 32 => Ok(Self(EnvValue::from(key))),
            _ => Err(Problem::internal(format!("the Secret {name} has no `{ENTRY}` of 32 characters"))),
        }
    }

    /// The token of an agent's host.
    pub(crate) fn token(&self, id: &AgentId) -> EnvValue {
        self.sign(id.as_str())
    }

    /// The token of a host of the pool, in the pod of this name, until it has an agent's.
    pub(crate) fn pool_token(&self, pod: &str) -> EnvValue {
        // No id has a slash.
        self.sign(&format!("pool/{pod}"))
    }

    /// Another secret of the runtime, for something else than tokens.
    pub(crate) fn derived(&self, purpose: &str) -> EnvValue {
        // Neither an id nor a pod of the pool.
        self.sign(&format!("{purpose}/"))
    }

    fn sign(&self, what: &str) -> EnvValue {
        let digest =
            Sha256::new().chain_update(self.0.expose()).chain_update(b":").chain_update(what).finalize();
        EnvValue::from(hex::encode(digest))
    }

    /// What the host of an agent checks its token against. An agent can read its launch, which holds this and not the
    /// token.
    pub(crate) fn verifier(&self, id: &AgentId) -> EnvValue {
        verifier(&self.token(id))
    }

    /// What a host of the pool checks its token against: it stands in its pod.
    pub(crate) fn pool_verifier(&self, pod: &str) -> EnvValue {
        verifier(&self.pool_token(pod))
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn of(key: &str) -> Self {
        Self(EnvValue::from(key))
    }
}

fn verifier(token: &EnvValue) -> EnvValue {
    EnvValue::from(format!("sha256:{}", hex::encode(Sha256::digest(token.expose()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_a_token_of_its_own() {
        let (key, other) = (TokenKey::of("a key"), TokenKey::of("another"));
        let (a, b) = (AgentId::generate(), AgentId::generate());
        assert_eq!(key.token(&a).expose(), key.token(&a).expose());
        assert_ne!(key.token(&a).expose(), key.token(&b).expose());
        assert_ne!(key.token(&a).expose(), other.token(&a).expose());
        assert_ne!(
            key.token(&a).expose(),
            key.pool_token(a.as_str()).expose(),
            "a host gets another with its agent"
        );
    }
}
