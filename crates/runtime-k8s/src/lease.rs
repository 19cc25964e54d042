//! Leader election: of several replicas, the holder of the lease does the work.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease as Resource, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt as _};
use parallax_api::Problem;
use parallax_service::shutdown::Shutdown;
use tokio::time::Instant;

use crate::cluster::{self, Cluster};

/// A lease that was not renewed for this long has expired.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How often the leader renews the lease.
const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// How often a replica that stands by reads the lease: it bounds how long there is no leader when one releases it.
const STANDBY_INTERVAL: Duration = Duration::from_millis(250);
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// The lease of a runtime, as one replica sees it.
pub struct Lease {
    api: Api<Resource>,
    name: String,
    holder: String,
    /// The lease as it last changed, and when this replica saw it: clocks of other machines are not compared.
    observed: Option<(Option<LeaseSpec>, Instant)>,
}

/// The holder of the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leader {
    /// This replica.
    Me,
    /// Another one.
    Other(String),
}

impl Lease {
    pub(crate) fn new(cluster: &Cluster, instance: &str, holder: &str) -> Self {
        Self {
            api: Api::namespaced(cluster.client.clone(), &cluster.namespace),
            name: format!("parallax-runtime-{instance}"),
            holder: holder.to_owned(),
            observed: None,
        }
    }

    /// Acquires the lease if it is free or expired, or renews it.
    ///
    /// # Errors
    /// When the API server refuses or is away.
    pub async fn take(&mut self) -> Result<Leader, Problem> {
        let taking = tokio::time::timeout(REQUEST_TIMEOUT, self.acquire_or_renew()).await;
        taking.unwrap_or_else(|_| Err(cluster::away("not in time")))
    }

    async fn acquire_or_renew(&mut self) -> Result<Leader, Problem> {
        let refused = |error| cluster::problem("take the lease of this runtime", &error);
        let Some(found) = self.api.get_opt(&self.name).await.map_err(refused)? else {
            let new = self.mine(None);
            return match self.api.create(&PostParams::default(), &new).await {
                Ok(_) => Ok(Leader::Me),
                Err(error) if cluster::already_exists(&error) => Ok(Leader::Other("another replica".into())),
                Err(error) => Err(refused(error)),
            };
        };
        let holder = found.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        if holder != self.holder && !holder.is_empty() && !self.has_expired(&found) {
            return Ok(Leader::Other(holder));
        }
        let mine = self.mine(Some(&found));
        // With the version that was read: of two replicas that try, one succeeds.
        match self.api.replace(&self.name, &PostParams::default(), &mine).await {
            Ok(_) => Ok(Leader::Me),
            Err(error) if cluster::is_conflict(&error) => Ok(Leader::Other("another replica".into())),
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether the lease has not changed for its whole duration.
    fn has_expired(&mut self, found: &Resource) -> bool {
        match &self.observed {
            Some((spec, since)) if *spec == found.spec => {
                let seconds = found.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
                let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
                since.elapsed() >= seconds.map_or(LEASE_DURATION, Duration::from_secs)
            }
            _ => {
                self.observed = Some((found.spec.clone(), Instant::now()));
                false
            }
        }
    }

    fn mine(&self, found: Option<&Resource>) -> Resource {
        let before = found.and_then(|found| found.spec.clone()).unwrap_or_default();
        let now = MicroTime(jiff::Timestamp::now());
        let is_mine = before.holder_identity.as_deref() == Some(&self.holder);
        let transitions =
            before.lease_transitions.unwrap_or_default() + i32::from(!is_mine && found.is_some());
        Resource {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                resource_version: found.and_then(kube::ResourceExt::resource_version),
                labels: found.map(|found| found.labels().clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.holder.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: if is_mine { before.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Waits until this replica leads. Calls `on_standby` with the reason meanwhile.
    ///
    /// Never fails: an API server that is away comes back.
    pub async fn lead(&mut self, mut on_standby: impl FnMut(String)) {
        loop {
            match self.take().await {
                Ok(Leader::Me) => return,
                Ok(Leader::Other(holder)) => on_standby(format!("`{holder}` leads")),
                Err(problem) => {
                    tracing::warn!(%problem, "failed to read the lease");
                    on_standby(problem.detail);
                }
            }
            tokio::time::sleep(STANDBY_INTERVAL).await;
        }
    }

    /// Renews the lease until the shutdown, then releases it. A replica that lost the lease shuts down, because the new leader
    /// has its agents. While the API server is away it goes on: no other replica can acquire the lease either.
    pub fn keep(mut self, shutdown: &Shutdown) {
        let shutdown = shutdown.clone();
        shutdown.tracker().clone().spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(RENEW_INTERVAL) => {}
                    () = shutdown.begun() => break,
                }
                match self.take().await {
                    Ok(Leader::Me) => {}
                    Ok(Leader::Other(holder)) => {
                        tracing::error!(holder, "another replica leads now; this one shuts down");
                        return shutdown.begin();
                    }
                    Err(problem) => tracing::warn!(%problem, "failed to renew the lease; trying again"),
                }
            }
            if let Err(problem) = self.release().await {
                tracing::debug!(%problem, "the lease was not released; it will expire");
            }
        });
    }

    async fn release(&self) -> Result<(), Problem> {
        let refused = |error| cluster::problem("release the lease", &error);
        let releasing = async {
            let Some(mut found) = self.api.get_opt(&self.name).await.map_err(refused)? else { return Ok(()) };
            match &mut found.spec {
                Some(spec) if spec.holder_identity.as_deref() == Some(&self.holder) => {
                    spec.holder_identity = Some(String::new());
                }
                _ => return Ok(()),
            }
            self.api.replace(&self.name, &PostParams::default(), &found).await.map(drop).map_err(refused)
        };
        tokio::time::timeout(REQUEST_TIMEOUT, releasing)
            .await
            .unwrap_or_else(|_| Err(cluster::away("not in time")))
    }
}
