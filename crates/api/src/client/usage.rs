//! What agents use over time, one method a route.

use reqwest::Method;

use super::Client;
use crate::Problem;
use crate::usage::{AgentUsageList, UsageQuery, UsageSeries};

impl Client {
    /// `GET /api/usage`: of one agent or of all together, a point a minute or an hour.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageSeries, Problem> {
        self.fetch(self.request(Method::GET, "/api/usage").query(query)).await
    }

    /// `GET /api/usage/agents`: what each agent used when it was last measured.
    pub async fn agents_usage(&self) -> Result<AgentUsageList, Problem> {
        self.fetch(self.request(Method::GET, "/api/usage/agents")).await
    }
}
