//! What the agent serves: who listens, and a stream to it.

use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use parallax_api::ports::{AgentPorts, TUNNEL};
use parallax_api::{Code, Problem};

use super::{HostClient, QUICK, accepted, away, read, within};

impl HostClient {
    /// The agent's ports, and who listens.
    pub async fn ports(&self) -> Result<AgentPorts, Problem> {
        let call = async { read(knows_ports(self.call(Method::GET, "/ports", None, QUICK).await?)?).await };
        within(QUICK, call).await
    }

    /// A stream of bytes to a port of the agent.
    pub async fn tunnel(&self, port: u16) -> Result<Upgraded, Problem> {
        let request = Request::builder()
            .uri(format!("/ports/{port}/tunnel"))
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, TUNNEL);
        let open = async {
            let answer = accepted(knows_ports(self.exchange(request, Bytes::new(), QUICK).await?)?).await?;
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(Problem::internal(format!(
                    "the agent's host answered {} to a tunnel",
                    answer.status()
                )));
            }
            hyper::upgrade::on(answer).await.map_err(away)
        };
        within(QUICK, open).await
    }
}

/// Refuses for a host that knows nothing of ports.
fn knows_ports(answer: Response<Incoming>) -> Result<Response<Incoming>, Problem> {
    if answer.status() == StatusCode::NOT_FOUND && !answer.headers().contains_key(CONTENT_TYPE) {
        let detail = "the agent was started by a version of Parallax that did not have ports";
        return Err(Problem::new(Code::Unsupported, detail));
    }
    Ok(answer)
}
