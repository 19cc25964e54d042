//! The API server of a cluster: connecting to it, and its errors as [`Problem`]s.

use std::time::Duration;

use anyhow::Context;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::client::ConfigExt as _;
use kube::{Api, Client, Config, Error};
use parallax_api::{Code, Problem};
use serde_json::{Value, json};
use tower::{BoxError, ServiceBuilder};

use crate::request_metrics::{ApiRequests, CountingLayer};
use crate::resource::{ExitState, ParallaxAgent, ParallaxAgentClass, Phase};

/// How long connecting to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that are kept for the next request, and how long.
const MAX_IDLE: usize = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A namespace of a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// The namespace of the servers: agents' resources cannot name what is in it, unless it is theirs.
    pub(crate) server_namespace: String,
    /// Counts the requests.
    pub(crate) requests: ApiRequests,
}

impl Cluster {
    /// The cluster that a kubeconfig or the service account of this pod names; `namespace` takes precedence over theirs.
    /// Sends no request.
    ///
    /// # Errors
    /// When neither is there, or what they say makes no sense.
    pub(crate) async fn connect(
        namespace: Option<String>,
        server_namespace: Option<String>,
    ) -> anyhow::Result<Self> {
        let config = Config::infer().await.context(
            "there is no cluster: set KUBECONFIG, or run this in a pod that has its service account's token",
        )?;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let requests = ApiRequests::default();
        let client = client(&config, requests.clone()).context("the cluster's address or credentials")?;
        let server_namespace = server_namespace.unwrap_or_else(|| namespace.clone());
        Ok(Self { client, namespace, server_namespace, requests })
    }

    /// The namespace of the servers.
    pub(crate) fn servers(&self) -> Self {
        Self { namespace: self.server_namespace.clone(), ..self.clone() }
    }

    pub(crate) fn agents(&self) -> Api<ParallaxAgent> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Without a type: see [`crate::classes`].
    pub(crate) fn classes(&self) -> Api<DynamicObject> {
        let of = ApiResource::erase::<ParallaxAgentClass>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &of)
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Moves a resource to a phase. Success when the resource is gone.
    pub(crate) async fn set_phase(&self, name: &str, phase: Phase) -> Result<(), Problem> {
        self.set_status(name, json!({"phase": phase})).await
    }

    /// Moves a resource to the phase in which its next pod is made, or to be `Suspended` until then, with how the agent ended in the last
    /// one. Success when the resource is gone.
    pub(crate) async fn set_moving(&self, name: &str, exit: &ExitState, next: Phase) -> Result<(), Problem> {
        // What an earlier end had goes.
        let exit = json!({"code": exit.code, "signal": exit.signal, "reason": exit.reason});
        self.set_status(name, json!({"phase": next, "exit": exit})).await
    }

    async fn set_status(&self, name: &str, status: Value) -> Result<(), Problem> {
        let patch = json!({ "status": status });
        let patched = self.agents().patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        missing_is_success(patched.map(drop)).map_err(|error| problem("note the agent's phase", &error))
    }
}

/// As kube's own client, with fewer idle connections after a burst, and without retries: callers decide about those.
fn client(config: &Config, requests: ApiRequests) -> Result<Client, Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let pooled = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE)
        .build(config.rustls_https_connector_with_connector(connector)?);
    let service = ServiceBuilder::new()
        .layer(CountingLayer::new(requests))
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(BoxError::from)
        .service(pooled);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// Deleting what is gone is a success.
pub(crate) fn missing_is_success(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if is_missing(&error) => Ok(()),
        result => result,
    }
}

/// `404`: there is no such thing.
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404)
}

/// `409`: an object of this name exists.
pub(crate) fn already_exists(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.is_already_exists())
}

/// `409`: the object has changed since it was read.
pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.is_conflict())
}

/// The API server's message, without this client's words around it.
pub(crate) fn message(error: &Error) -> String {
    match error {
        Error::Api(status) => status.message.trim().to_owned(),
        // The outermost error says that a connection failed, the innermost one why.
        other => {
            let mut cause: &dyn std::error::Error = other;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            cause.to_string()
        }
    }
}

/// An error of the API server in our codes: `RESOURCE_LIMIT` for a quota, `SPAWN_FAILED` for what a policy or validation
/// refuses, `RUNTIME_UNAVAILABLE` for what a retry may mend.
pub(crate) fn problem(what: &str, error: &Error) -> Problem {
    let message = message(error);
    let Error::Api(status) = error else { return away(&message) };
    match status.code {
        403 if message.contains("exceeded quota") => Problem::new(Code::ResourceLimit, message),
        403 if message.contains("is forbidden: User") => Problem::internal(format!(
            "this runtime's account may not {what}: {message}; deploy/kubernetes has the role it needs"
        )),
        400 | 403 | 422 => {
            Problem::new(Code::SpawnFailed, format!("the cluster would not {what}: {message}"))
        }
        404 if message.contains("could not find the requested resource") => {
            away("it has no ParallaxAgent resources")
        }
        429 | 500.. => away(&message),
        _ => Problem::internal(format!("the cluster would not {what}: {message}")),
    }
}

/// `RUNTIME_UNAVAILABLE`: the cluster does not answer, or not now.
pub(crate) fn away(message: &str) -> Problem {
    Problem::new(
        Code::RuntimeUnavailable,
        format!("the cluster's API server does not answer ({message}); agents that run go on"),
    )
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn refusals_have_our_codes() {
        let code = |message: &str, reason: &str, code| {
            problem("make a pod", &Error::Api(Status::failure(message, reason).with_code(code).boxed())).code
        };
        assert_eq!(
            code("pods \"a\" is forbidden: exceeded quota: small", "Forbidden", 403),
            Code::ResourceLimit
        );
        assert_eq!(code("pods is forbidden: User \"x\" cannot create", "Forbidden", 403), Code::Internal);
        assert_eq!(code("violates PodSecurity \"restricted\"", "Forbidden", 403), Code::SpawnFailed);
        assert_eq!(code("Pod \"a\" is invalid: spec.x", "Invalid", 422), Code::SpawnFailed);
        assert_eq!(code("slow down", "TooManyRequests", 429), Code::RuntimeUnavailable);
        assert_eq!(code("etcd is away", "InternalError", 500), Code::RuntimeUnavailable);
        assert_eq!(code("it has changed", "Conflict", 409), Code::Internal);
        let unheard = Error::ReadEvents(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert_eq!(problem("x", &unheard).code, Code::RuntimeUnavailable);
    }
}
