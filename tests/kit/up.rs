//! A control plane and a local runtime in one process, as `parallax up` starts them.

use std::path::Path;

use crate::local::{Directory, write_profiles};
use crate::server::{Server, free_port};
use crate::user::User;

/// `parallax up` in a directory of its own.
#[derive(Debug)]
pub struct Up {
    /// The process; it answers as the control plane.
    pub server: Server,
    /// Where its runtime answers.
    pub runtime_url: String,
}

impl Up {
    /// Starts it with `directory` for a home and these variables.
    pub async fn start(directory: &Directory, env: &[(&str, String)]) -> Self {
        Self::start_with(directory, &write_profiles(directory.path()), &[], env).await
    }

    /// The same with the profiles of this directory and more options.
    pub async fn start_with(
        directory: &Directory,
        profiles: &Path,
        options: &[&str],
        env: &[(&str, String)],
    ) -> Self {
        let runtime = format!("127.0.0.1:{}", free_port());
        let state = directory.path().join("state");
        let mut server = Server::new("parallax", directory.path()).args(&[
            "up",
            "--runtime-listen",
            &runtime,
            "--state-dir",
            &state.to_string_lossy(),
            "--profiles",
            &profiles.to_string_lossy(),
        ]);
        server = server.args(options);
        for (name, value) in env {
            server = server.env(name, value.as_str());
        }
        server.start(&[]).await;
        Self { server, runtime_url: format!("http://{runtime}") }
    }

    /// A user of the control plane.
    pub fn user(&self) -> User {
        User::of_control_plane(&self.server.url())
    }

    /// A user of the runtime without the control plane.
    pub fn runtime_user(&self) -> User {
        User::of_runtime(&self.runtime_url)
    }
}
