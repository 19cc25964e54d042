//! What this backend needs, looked at for `parallax doctor`: the engine, images, and from inside a container what agents reach.

mod reach;

use bollard::Docker;
use parallax_api::check::{Check, CheckState};
use parallax_profile::Profiles;

use crate::context::Context;
use crate::engine;
use crate::network::Network;

/// The engine, the host's program, images and the network.
pub(crate) async fn examine(context: &Context, profiles: &Profiles) -> Vec<Check> {
    let docker = match context.docker() {
        Ok(docker) => docker,
        Err(problem) => return vec![Check::bad("engine", problem.detail)],
    };
    let engine = engine(docker).await;
    if engine.state == CheckState::Bad {
        // Everything else would only say it again.
        return vec![engine];
    }
    let mut checks = vec![engine, host(context, docker).await];
    checks.extend(users(context).await);
    let (images, some_image) = images(context, docker, profiles).await;
    checks.extend(images);
    checks.extend(network(context, docker, some_image.as_deref()).await);
    checks
}

async fn engine(docker: &Docker) -> Check {
    const WHAT: &str = "engine";
    match docker.version().await {
        Err(error) => Check::bad(WHAT, engine::problem("tell its version", &error).detail),
        Ok(version) => {
            let or = |text: Option<String>| text.unwrap_or_else(|| "?".into());
            let (os, version, api, arch) =
                (or(version.os), or(version.version), or(version.api_version), or(version.arch));
            match os.as_str() {
                "linux" => Check::good(WHAT, format!("Docker {version} (API {api}) on {os}/{arch}")),
                _ => Check::bad(WHAT, format!("it runs containers of {os}, not of Linux")),
            }
        }
    }
}

async fn host(context: &Context, docker: &Docker) -> Check {
    match context.host_volume.program(docker).await {
        Ok(program) => Check::good("agent host", program.path.display().to_string()),
        Err(problem) => Check::bad("agent host", problem.detail),
    }
}

async fn users(context: &Context) -> Option<Check> {
    let remaps = context.remaps_users().await.unwrap_or_default();
    remaps.then(|| {
        Check::note("users", "the engine gives the users of containers other numbers (userns-remap)")
            .advise("agents can work in volumes; a directory of the machine as workdir is refused")
    })
}

/// The image of each type; and one that the engine has.
async fn images(context: &Context, docker: &Docker, profiles: &Profiles) -> (Vec<Check>, Option<String>) {
    let mut some = None;
    let types = match context.images.types(docker, profiles).await {
        Ok(types) => types,
        Err(error) => {
            return (vec![Check::bad("images", engine::problem("list its images", &error).detail)], None);
        }
    };
    let mut checks = Vec::new();
    for info in types {
        let (what, image) = (format!("image of {}", info.name), context.images.of_type(&info.name));
        let is_here = docker.inspect_image(&image).await.is_ok();
        checks.push(match (is_here, info.reason) {
            (true, _) => Check::good(&what, image.clone()),
            (false, None) => Check::note(&what, format!("{image} is fetched with the first agent")),
            (false, Some(reason)) => Check::note(&what, reason),
        });
        some = some.or(is_here.then_some(image));
    }
    if some.is_none() && checks.iter().all(|check| check.found.starts_with("the engine has no image")) {
        // No agent at all can be run.
        checks.iter_mut().for_each(|check| check.state = CheckState::Bad);
    }
    (checks, some)
}

async fn network(context: &Context, docker: &Docker, image: Option<&str>) -> Vec<Check> {
    const WHAT: &str = "network";
    let name = match context.network.ensure(docker).await {
        Ok(name) => name,
        Err(problem) => return vec![Check::bad(WHAT, problem.detail)],
    };
    let (found, is_restricted) = match &context.network {
        Network::None => return vec![Check::good(WHAT, "agents have none")],
        Network::Named(name) => (format!("`{name}`: what agents reach in it is yours to restrict"), false),
        Network::Own(egress) if egress.is_open() => ("agents reach everything (--egress all)".into(), false),
        Network::Own(_) => ("agents reach names and public addresses, and what --egress adds".into(), true),
    };
    let mut checks = vec![match is_restricted {
        true => Check::good(WHAT, found),
        false => Check::note(WHAT, found),
    }];
    match image {
        Some(image) => checks.extend(reach::examine(context, docker, &name, image, is_restricted).await),
        None => checks.push(Check::note("reach", "not tried: there is no image to make a container of")),
    }
    checks
}
