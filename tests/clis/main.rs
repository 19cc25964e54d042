//! The real Claude Code, Codex and Gemini CLI against scripted models: `make test-clis`; in their images
//! ([`in_docker`]: `make test-docker-clis`) and in pods ([`in_kubernetes`]: `make test-k8s-clis`).

mod claude;
mod codex;
mod gemini;
mod in_docker;
mod in_kubernetes;
mod patterns;
mod together;
mod workspaces;
