//! Kubernetes Events: what `kubectl describe` lists of an agent.

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource as _, ResourceExt as _};

use crate::cluster::Cluster;
use crate::names::MANAGER;
use crate::resource::ParallaxAgent;

/// Writes Events about resources.
pub(crate) struct EventRecorder(Recorder);

impl EventRecorder {
    pub(crate) fn new(cluster: &Cluster, replica: &str) -> Self {
        let reporter = Reporter { controller: MANAGER.into(), instance: Some(replica.to_owned()) };
        Self(Recorder::new(cluster.client.clone(), reporter))
    }

    /// Writes one Event. Events are best effort: a failure is logged and nothing else.
    pub(crate) async fn emit_event(
        &self,
        resource: &ParallaxAgent,
        kind: EventType,
        reason: &str,
        note: String,
    ) {
        let event = Event {
            type_: kind,
            reason: reason.into(),
            note: Some(note).filter(|note| !note.is_empty()),
            action: reason.into(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, &resource.object_ref(&())).await {
            tracing::debug!(resource = resource.name_any(), %error, "failed to write a Kubernetes Event");
        }
    }
}
