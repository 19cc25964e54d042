//! What the help of each command ends with.

pub(super) const UP: &str = "\
Examples:
  parallax up                                   page and API on 127.0.0.1:3000, local runtime on 127.0.0.1:3100
  parallax up --profiles ~/profiles             with agent types of your own
  parallax up --listen 127.0.0.1:4000 --runtime-listen 127.0.0.1:4100";

pub(super) const SPAWN: &str = "\
Examples:
  parallax spawn claude reviewer --wait
  parallax spawn codex --workdir ~/project --prompt \"Fix the failing test\" --approvals edits
  parallax spawn gemini -e GEMINI_API_KEY --runtime docker --memory 2Gi
  parallax spawn claude --repo . --branch fix-login --setup \"npm ci\"
  parallax spawn claude -- --add-dir ../other";

pub(super) const LS: &str = "\
Examples:
  parallax ls --status ready
  parallax stop $(parallax ls -q --label team=red)";

pub(super) const SHOW: &str = "\
Examples:
  parallax show reviewer
  parallax show reviewer --screen";

pub(super) const SEND: &str = "\
Examples:
  parallax send reviewer \"What does this project do?\"
  git diff | parallax send reviewer -
  parallax send reviewer --file shot.png \"What is wrong here?\"
  parallax send reviewer \"Stop that\" --when-busy interrupt";

pub(super) const FILES: &str = "\
Examples:
  parallax files ls developer src
  parallax files get developer src/main.rs > main.rs
  parallax files put developer notes.md docs/notes.md
  parallax files get developer . --tar -o work.tar
  tar c src | parallax files put developer - --tar";

pub(super) const CHANGES: &str = "\
Examples:
  parallax changes developer
  parallax conflicts developer reviewer";

pub(super) const DIFF: &str = "\
Examples:
  parallax diff developer src/main.rs
  parallax diff developer --against head
  parallax diff developer | git apply";

pub(super) const COMMIT: &str = "\
Examples:
  parallax commit developer -m \"Fix the login\"
  parallax push developer
  parallax merge developer next --strategy squash";

pub(super) const PR: &str = "\
Examples:
  parallax pr developer
  parallax pr developer --title \"Fix the login\" --base main --draft
  parallax up --pull-request-command \"gh pr create --repo={repo} --head={branch} --base={base} --title={title} --body-file={body-file} {draft:--draft}\"";

pub(super) const WORKSPACES: &str = "\
Examples:
  parallax workspaces
  parallax workspaces gc";

pub(super) const LOGS: &str = "\
Examples:
  parallax logs reviewer -n 200
  parallax logs reviewer --follow --format ansi
  parallax logs reviewer --format asciicast > session.cast";

pub(super) const EVENTS: &str = "\
Examples:
  parallax events
  parallax events reviewer --json --since 0";

pub(super) const ANSWER: &str = "\
Examples:
  parallax answer reviewer            shows the question and asks you
  parallax answer reviewer yes
  parallax answer reviewer --question ID yes        that question, and no other
  parallax answer reviewer --text \"the code of the login\"";

pub(super) const STOP: &str = "\
Examples:
  parallax stop reviewer
  parallax stop --all --grace 30s";

pub(super) const RUN: &str = "\
Examples:
  parallax run examples/patterns/pair-programming.yaml --input task=\"a function that counts words\"
  parallax run team.yaml --check";

pub(super) const ATTACH: &str = "\
Examples:
  parallax attach reviewer                      Ctrl-] detaches
  parallax attach reviewer --view --detach-key ctrl-q";

pub(super) const RUNS: &str = "\
Examples:
  parallax runs --status running
  parallax runs RUN
  parallax runs RUN --question ID --answer approve
  parallax runs RUN --cancel";

pub(super) const COMPLETIONS: &str = "\
Examples:
  parallax completions bash > ~/.local/share/bash-completion/completions/parallax
  parallax completions zsh > ~/.zfunc/_parallax
  parallax completions fish > ~/.config/fish/completions/parallax.fish";

pub(super) const MAN: &str = "\
Examples:
  parallax man | man -l -
  parallax man --dir ~/.local/share/man/man1";
