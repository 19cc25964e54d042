# Parallax Agent Runtimes. `make help` lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto

# The agents' own programs, outside of the clone: several gigabytes of other people's code.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/parallax
CLIS := $(CACHE)/clis
CLAUDE := 2.1.332
CODEX := 0.171.0
GEMINI := 0.61.0
# What the image of Gemini CLI brings along.
NODE := 22.23.3
CLIS_STAMP := $(CLIS)/.installed-$(CLAUDE)-$(CODEX)-$(GEMINI)

PLAYWRIGHT := 1.65.1
XTERM := 6.0.0
# The add-on of xterm.js that says how wide characters are.
GRAPHEMES := 0.4.0
BROWSER := $(CACHE)/browser
AXE := 4.14.1
BROWSER_STAMP := $(BROWSER)/.installed-$(PLAYWRIGHT)-$(XTERM)-$(GRAPHEMES)-$(AXE)
REDOCLY := 2.77.0
SCHEMATHESIS := 4.32.5
OPENAPI_VALIDATOR := 0.9.0
HATCHLING := 1.33.0
# Generators of clients, and what their clients need.
PYTHON_CLIENT := hatchling==$(HATCHLING) openapi-python-client==0.29.1 ruff==0.17.6 httpx==0.28.1 websockets==17.4
NPM_CLIENT := openapi-typescript@7.13.0 openapi-fetch@0.17.0 typescript@5.9.3 @types/node@22.20.5 ws@8.23.0
OPENAPI := $(CACHE)/openapi
OPENAPI_STAMP := $(OPENAPI)/.installed-clients-$(HATCHLING)-$(REDOCLY)-$(SCHEMATHESIS)-$(OPENAPI_VALIDATOR)
TERMINAL := $(CACHE)/terminal
TERMINAL_STAMP := $(TERMINAL)/.installed-$(XTERM)-$(GRAPHEMES)

TARGET := $(or $(CARGO_TARGET_DIR),target)
# This machine, as the compiler calls it. Nothing here names a target.
HOST_TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
STATIC_HOST := $(TARGET)/$(HOST_TARGET)/host/parallax-agent-host

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# The environment of a build for another one: Debian's cross compilers are called like this.
cross = $(if $(filter-out $(HOST_TARGET),$(1)),CARGO_TARGET_$(shell echo $(1) | tr a-z- A-Z_)_LINKER=$(subst -unknown,,$(1))-gcc)

.PHONY: up
up: build-up ## Build what this machine needs and start it: control plane and page on :3000, local runtime on :3100
	$(TARGET)/release/parallax up --profiles examples/profiles

# The host shares its dependencies with the program here. As one static file, which containers need, it is built twice as long: where
# `make build` has made that, it stays.
.PHONY: build-up
build-up: ui $(if $(wildcard $(STATIC_HOST)),host)
	$(CARGO) build --release --locked -p parallax-cli $(if $(wildcard $(STATIC_HOST)),,-p parallax-agent-host)
	$(if $(wildcard $(STATIC_HOST)),install -m 755 $(STATIC_HOST) $(TARGET)/release/parallax-agent-host)

UI := crates/control-plane/ui

.PHONY: ui
ui: $(UI)/dist/index.html ## Build the web page that the control plane embeds

$(UI)/dist/index.html: $(shell find $(UI)/src $(UI)/public -type f) $(wildcard $(UI)/*.json $(UI)/*.html $(UI)/*.ts)
	@if command -v npm >/dev/null; then cd $(UI) && npm ci --ignore-scripts --no-audit --no-fund && npm run build; \
	else echo "SKIPPED: npm is not installed; the control plane will work without its page"; fi

RELEASE = CARGO="$(CARGO)" CARGO_TARGET_DIR="$(abspath $(TARGET))" AGENT_HOST="$(abspath $(STATIC_HOST))" bash deploy/release.sh

.PHONY: build
build: host ui ## Build the programs for use (release) and the host as one static file
	$(RELEASE) parallax-cli parallax-control-plane parallax-runtime-local parallax-runtime-docker parallax-runtime-k8s
	install -m 755 $(STATIC_HOST) $(TARGET)/release/parallax-agent-host

.PHONY: host
host: host-$(HOST_TARGET)

# With a target named, the flag is for the host alone and not for build scripts and macros.
host-%:
	$(call cross,$*) RUSTFLAGS="$${RUSTFLAGS:-} -C target-feature=+crt-static" \
	$(CARGO) build --profile host --locked --target $* -p parallax-agent-host

.PHONY: debug
debug:
	$(CARGO) build --workspace --bins --locked

.PHONY: check
check: ## Format, clippy, docs, licenses and sources of dependencies: every warning is an error
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	@if command -v cargo-deny >/dev/null; then \
	  $(CARGO) fetch --locked --quiet && \
	  $(CARGO) deny --offline --workspace check --hide-inclusion-graph bans licenses sources; \
	else echo "SKIPPED: cargo-deny is not installed (cargo install cargo-deny)"; fi

.PHONY: test
test: debug ## Every test that a clone alone can run
	@if command -v cargo-nextest >/dev/null; then \
	  $(CARGO) nextest run --workspace --locked; \
	else \
	  echo "cargo-nextest is not installed (cargo install cargo-nextest): running cargo test"; \
	  $(CARGO) test --workspace --lib --bins --tests --locked; \
	fi
	$(CARGO) test --workspace --doc --locked
	@echo "skipped here, see docs/testing.md:"
	@if command -v cargo-nextest >/dev/null; then \
	  $(CARGO) nextest list --workspace --locked --run-ignored only -T oneline 2>/dev/null \
	  | awk '{ n[$$1]++ } END { for (suite in n) printf "  %s: %d tests\n", suite, n[suite] }' | sort; \
	fi

.PHONY: test-clis
test-clis: debug clis ## The real Claude Code, Codex and Gemini CLI against the scripted models
	PATH="$(CLIS)/bin:$$PATH" $(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(clis) - test(/^in_/)'

# The newest releases, beside the pinned ones.
.PHONY: drift
drift: debug clis ## Run that suite on the pinned and the newest CLIs, and write docs/clis.md
	$(MAKE) clis XDG_CACHE_HOME="$(CACHE)/newest" \
	  CLAUDE="$$(npm view @anthropic-ai/claude-code version)" CODEX="$$(npm view @openai/codex version)" \
	  GEMINI="$$(npm view @google/gemini-cli version)"
	CARGO="$(CARGO)" bash tests/clis/drift.sh "$(CLIS)" "$(CACHE)/newest/parallax/clis"

.PHONY: test-chaos
test-chaos: debug ## Full disks (as root), damaged files, killed hosts; PARALLAX_CHAOS_ROUNDS, PARALLAX_CHAOS_SEED
	$(CARGO) nextest run --workspace --locked --run-ignored only --no-fail-fast -E 'binary(chaos)'

# For each of the targets; an hour by hand is FUZZ_SECONDS=450.
FUZZ_SECONDS ?= 8
.PHONY: fuzz
fuzz: debug ## Mutated input for everything that reads what others wrote: FUZZ_SECONDS a target, FUZZ_SEED
	$(TARGET)/debug/parallax-fuzz --seconds $(FUZZ_SECONDS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

# What is measured is what people install: the programs of `make build`, with the host as one static file.
.PHONY: bench-programs
bench-programs: host
	$(RELEASE) parallax-cli parallax-bench
	install -m 755 $(STATIC_HOST) $(TARGET)/release/parallax-agent-host

# On a quiet machine: a round takes about four minutes, most of it 15 s of a stalled viewer, repaints and floods of each subject; what is
# measured once takes a few more. Of peers it measures those that are on the PATH.
ROUNDS ?= 5
.PHONY: bench
bench: bench-programs ## Measure speed, memory and delivery, ours beside peers and the bare limit: writes docs/benchmarks.md; ROUNDS
	$(TARGET)/release/parallax-bench figures --programs $(TARGET)/release --rounds $(ROUNDS) --out docs/benchmarks.md

# Five gigabytes are needed, and files and processes for a thousand agents; where they are not there it says so.
.PHONY: bench-scale
bench-scale: bench-programs ## 300 and 1,000 agents and 500 viewers: what each costs, and how soon they are back after kill -9
	$(TARGET)/release/parallax-bench scale --programs $(TARGET)/release

.PHONY: bench-simulation
bench-simulation: ## Events of 10,000 and 100,000 agents, from runtimes without agents, through one control plane
	$(CARGO) build --release --locked -p parallax-control-plane -p parallax-bench
	$(TARGET)/release/parallax-bench simulate --programs $(TARGET)/release

# The programs are those of all tests: built alone, their dependencies would have other features, and other counts.
.PHONY: bench-instructions
bench-instructions: debug ## Count the instructions of some work, and hold them against crates/bench/instructions.toml; WRITE=1 writes that
	@if command -v valgrind >/dev/null; then \
	  $(TARGET)/debug/parallax-bench instructions --programs $(TARGET)/debug $(if $(WRITE),--write); \
	else echo "SKIPPED: valgrind is not installed; the counts of instructions were not checked"; fi

.PHONY: test-browser
test-browser: ui debug $(BROWSER_STAMP) ## The page, and the example page, in headless Chromium
	cd $(UI) && npm test
	PATH="$(CLIS)/bin:$$PATH" PARALLAX_BROWSER_MODULES="$(BROWSER)/node_modules" \
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(browser) - test(docker)'

.PHONY: pictures
pictures: ui debug clis $(BROWSER_STAMP) ## Take the pictures of docs/page.md again; smaller where pngquant is installed
	PATH="$(CLIS)/bin:$$PATH" PARALLAX_BROWSER_MODULES="$(BROWSER)/node_modules" PARALLAX_PICTURES="$(CURDIR)/docs/page" \
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(browser) & test(pictures)'
	@if command -v pngquant >/dev/null; then pngquant --force --skip-if-larger --ext .png docs/page/*.png; fi

.PHONY: test-terminal
test-terminal: $(TERMINAL_STAMP) ## The terminal held against xterm.js: generated streams, every code point
	PARALLAX_TERMINAL_MODULES="$(TERMINAL)/node_modules" \
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(terminal)'

.PHONY: test-openapi
test-openapi: debug $(OPENAPI_STAMP) ## The descriptions of both APIs: validated, linted, held against the servers, and clients generated from them
	PARALLAX_OPENAPI_TOOLS="$(OPENAPI)" \
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(openapi)'

.PHONY: test-deploy
test-deploy: debug ## What deploy/ has for operators: dashboard and alerts in Prometheus, the chart in Helm's own libraries
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(deploy)'

.PHONY: test-docker-browser
test-docker-browser: debug host test-images $(BROWSER_STAMP) ## The same page with an agent in a container
	PARALLAX_BROWSER_MODULES="$(BROWSER)/node_modules" \
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(browser) & test(docker)'

.PHONY: test-docker-clis
test-docker-clis: debug host images-agents ## The real CLIs in their images, against scripted models
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(clis) & test(/^in_docker::/)'

.PHONY: test-engine
test-engine: debug host test-images ## The suite that restarts the Docker engine of this machine, and what runs on it
	PARALLAX_TEST_RESTARTS_ENGINE=1 $(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(engine)'

IMAGES_TEST := tests/images
# Debian's package of that name.
STATIC_BASH ?= /bin/bash-static

.PHONY: test-images
test-images: debug host ## The images that the Docker and Kubernetes suites use: the fake agent, the host
	tar -cf - -C $(IMAGES_TEST)/fake Dockerfile -C "$(abspath $(TARGET))/debug" parallax-fake-agent \
	  | docker build --quiet --tag parallax-test-fake -
	tar -cf - -C $(IMAGES_TEST)/scratch Dockerfile -C "$(dir $(STATIC_BASH))" bash-static \
	  | docker build --quiet --tag parallax-test-scratch -
	docker build --quiet --tag parallax-test-git $(IMAGES_TEST)/git
	tar -cf - -C $(IMAGES_TEST)/host Dockerfile \
	  -C "$(abspath $(TARGET))/$(HOST_TARGET)/host" parallax-agent-host \
	  | docker build --quiet --tag parallax-test-host -

# Tests of engines wait most of their time, for containers and pods to start.
ENGINE_THREADS ?= 4

.PHONY: test-docker
test-docker: debug host test-images ## The suites that need a Docker engine (DOCKER_HOST, or the local one)
	$(CARGO) nextest run --workspace --locked --run-ignored only --test-threads $(ENGINE_THREADS) -E 'binary(docker)'

.PHONY: test-k8s
test-k8s: debug host test-images ## The suites that need a Kubernetes cluster (KUBECONFIG) whose node is this machine
	kubectl apply -f deploy/kubernetes/definition/crd.yaml
	kubectl wait --for=condition=Established --timeout=30s crd/parallaxagents.parallax.io crd/parallaxagentclasses.parallax.io
	$(CARGO) nextest run --workspace --locked --run-ignored only --test-threads $(ENGINE_THREADS) -E 'binary(kubernetes)'

.PHONY: test-k8s-clis
test-k8s-clis: debug host test-images images-agents ## The real CLIs in pods, against scripted models
	kubectl apply -f deploy/kubernetes/definition/crd.yaml
	$(CARGO) nextest run --workspace --locked --run-ignored only -E 'binary(clis) & test(/^in_kubernetes::/)'

.PHONY: crd
crd: ## Bring deploy/kubernetes/definition/crd.yaml up to date with the types it is made from
	$(CARGO) run --quiet --locked -p parallax-runtime-k8s -- --print-crd > deploy/kubernetes/definition/crd.yaml.new
	mv deploy/kubernetes/definition/crd.yaml.new deploy/kubernetes/definition/crd.yaml

.PHONY: clis
clis: $(CLIS_STAMP) ## Install the agents' own programs from npm, into the cache
	@echo "to use them: export PATH=$(CLIS)/bin:\$$PATH"

# Claude's platform package: the wrapper package wants a newer node than Debian has.
$(CLIS_STAMP):
	mkdir -p "$(CLIS)/bin"
	npm install --prefix "$(CLIS)" --no-audit --no-fund --loglevel=error \
	  @anthropic-ai/claude-code-linux-$$(node -p process.arch)@$(CLAUDE) @openai/codex@$(CODEX) @google/gemini-cli@$(GEMINI)
	ln -sfn ../node_modules/@anthropic-ai/claude-code-linux-$$(node -p process.arch)/claude "$(CLIS)/bin/claude"
	ln -sfn ../node_modules/.bin/codex "$(CLIS)/bin/codex"
	ln -sfn ../node_modules/.bin/gemini "$(CLIS)/bin/gemini"
	touch "$@"

$(BROWSER_STAMP):
	mkdir -p "$(BROWSER)"
	npm install --prefix "$(BROWSER)" --no-audit --no-fund --loglevel=error \
	  playwright-core@$(PLAYWRIGHT) @xterm/xterm@$(XTERM) @xterm/addon-unicode-graphemes@$(GRAPHEMES) axe-core@$(AXE)
	touch "$@"

$(TERMINAL_STAMP):
	mkdir -p "$(TERMINAL)"
	npm install --prefix "$(TERMINAL)" --no-audit --no-fund --loglevel=error \
	  @xterm/headless@$(XTERM) @xterm/addon-unicode-graphemes@$(GRAPHEMES)
	touch "$@"

$(OPENAPI_STAMP):
	python3 -m venv "$(OPENAPI)"
	"$(OPENAPI)/bin/pip" install --quiet --disable-pip-version-check \
	  schemathesis==$(SCHEMATHESIS) openapi-spec-validator==$(OPENAPI_VALIDATOR) $(PYTHON_CLIENT)
	npm install --prefix "$(OPENAPI)" --no-audit --no-fund --loglevel=error @redocly/cli@$(REDOCLY) $(NPM_CLIENT)
	touch "$@"

# What a build trusts beside the usual authorities: those that this machine was told to.
CERTIFICATES ?= /usr/local/share/ca-certificates
IMAGES := deploy/images
# Not in the Dockerfiles: a new commit would build everything below it anew.
REVISION = --label org.opencontainers.image.revision=$(shell git describe --always --dirty 2>/dev/null || echo unknown)
DESCRIBED = --label org.opencontainers.image.version=$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml) $(REVISION)
# A directory with those alone, in $$context.
with_certificates = context="$$(mktemp -d)"; trap 'rm -rf "$$context"' EXIT; mkdir "$$context/certificates"; \
	find "$(CERTIFICATES)" -name '*.crt' -exec cp {} "$$context/certificates/" ';' 2>/dev/null || true;

.PHONY: images
images: images-agents images-servers ## Build the Docker images: the three CLIs, the host, the servers

.PHONY: images-agents
images-agents: ## Build the image of each CLI
	@$(with_certificates) \
	for agent in claude codex gemini; do \
	  docker build --quiet --target "$$agent" --tag "parallax-agent-$$agent" \
	    $(REVISION) --build-arg CLAUDE=$(CLAUDE) --build-arg CODEX=$(CODEX) --build-arg GEMINI=$(GEMINI) --build-arg NODE=$(NODE) \
	    --file $(IMAGES)/agents.Dockerfile "$$context"; \
	done

# The programs of this machine that were built; PROGRAMS=target/debug makes images and packages of those.
PROGRAMS ?= $(TARGET)/release
# What is shipped beside the host (deploy/dist/common.sh has the same list), and for which targets.
SHIPPED := parallax parallax-control-plane parallax-runtime-local parallax-runtime-docker parallax-runtime-k8s
TARGETS ?= $(HOST_TARGET)
programs_of = $(if $(filter $(HOST_TARGET),$(1)),$(PROGRAMS),$(TARGET)/$(1)/release)
# TARGET=PROGRAMS=HOST of each.
built = $(foreach target,$(TARGETS),"$(target)=$(abspath $(call programs_of,$(target)))=$(abspath $(TARGET))/$(target)/host/parallax-agent-host")

.PHONY: images-servers
images-servers: build images-of-programs

.PHONY: images-of-programs
images-of-programs:
	@context="$$(mktemp -d)"; trap 'rm -rf "$$context"' EXIT; \
	$(MAKE) --no-print-directory images-context CONTEXT="$$context" TARGETS=$(HOST_TARGET); \
	for image in server host; do \
	  docker build --quiet $(DESCRIBED) --tag "parallax-$$image" --file "$$context/$$image.Dockerfile" \
	    --build-arg TARGETARCH="$$(bash $(IMAGES)/arch.sh $(HOST_TARGET))" "$$context"; \
	done

# For `docker buildx build --platform linux/amd64,linux/arm64 --file CONTEXT/server.Dockerfile CONTEXT`: docs/docker.md.
.PHONY: images-context
images-context: ## Lay out what the images of servers and host are built from, for each of TARGETS, in CONTEXT
	@bash $(IMAGES)/context.sh "$(or $(CONTEXT),$(error say CONTEXT=DIR))" $(built)

DIST ?= $(TARGET)/dist

.PHONY: dist
dist: ui $(addprefix programs-,$(TARGETS)) $(addprefix host-,$(TARGETS)) programs-$(HOST_TARGET) ## Make archives, packages, clients, SBOM and checksums of TARGETS into DIST: docs/install.md
	$(MAKE) --no-print-directory dist-packages

# Which functions a program uses is seen where it runs, with a host beside it.
programs-$(HOST_TARGET): host
programs-%:
	$(if $(filter $(HOST_TARGET),$*),$(RELEASE) parallax-cli $(filter-out parallax,$(SHIPPED)),\
	  $(call cross,$*) $(CARGO) build --release --locked --target $* -p parallax-cli $(addprefix -p ,$(filter-out parallax,$(SHIPPED))))

# Of the programs that were built.
.PHONY: dist-packages
dist-packages: $(OPENAPI_STAMP)
	bash deploy/dist/dist.sh "$(abspath $(DIST))" "$(OPENAPI)" "$(abspath $(PROGRAMS))" \
	  $(built)

# Of the programs for tests, which are there: nothing is built for use.
.PHONY: test-dist
test-dist: export DIST_COMPRESSION := 1
test-dist: ui debug host image-npm ## The packages, installed, used and removed in bare containers
	$(MAKE) --no-print-directory dist-packages PROGRAMS="$(or $(DIST_PROGRAMS),$(TARGET)/debug)" DIST="$(TARGET)/dist-tested"
	PARALLAX_DIST="$(abspath $(TARGET))/dist-tested" PARALLAX_OPENAPI_TOOLS="$(OPENAPI)" \
	$(CARGO) nextest run --workspace --locked --run-ignored only --no-fail-fast --test dist $(if $(VERBOSE),--no-capture)

# Debian and its npm; the images of the CLIs begin with it.
.PHONY: image-npm
image-npm:
	@$(with_certificates) docker build --quiet --target npm --tag parallax-test-npm --file $(IMAGES)/agents.Dockerfile "$$context"

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
