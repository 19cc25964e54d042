# The three CLIs, each an image of its own: `make images` builds them with the versions that the profiles were checked with.
#
#   docker build --target claude --build-arg CLAUDE=… --tag parallax-agent-claude --file agents.Dockerfile CONTEXT
#
# CONTEXT is a directory with `certificates/`: the certificate authorities to trust beside the usual ones while fetching
# (`*.crt`, may be empty), for builds behind a proxy that looks into connections. They are not in the images.
#
# The host is not in them: a runtime brings it. Each runs as user 1000, with a home where it may write.
ARG BASE=debian:bookworm-slim

# npm, to fetch with; nothing of it is in the images.
FROM ${BASE} AS npm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates npm \
 && rm -rf /var/lib/apt/lists/*
COPY certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
ENV npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_loglevel=error

# What agents work with, whichever CLI they are.
FROM ${BASE} AS agent
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git procps ripgrep \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home --shell /bin/bash agent
ENV LANG=C.UTF-8 HOME=/home/agent
WORKDIR /home/agent

# The platform's package alone: one native program.
FROM npm AS fetch-claude
ARG CLAUDE
RUN npm install --prefix /cli "@anthropic-ai/claude-code-linux-$(node -p process.arch)@${CLAUDE:?names the version}" \
 && mv /cli/node_modules/@anthropic-ai/claude-code-linux-*/claude /opt/claude

FROM agent AS claude
ARG CLAUDE
LABEL org.opencontainers.image.title="parallax-agent-claude" org.opencontainers.image.version="${CLAUDE}"
COPY --from=fetch-claude /opt/claude /usr/local/bin/claude
USER 1000:1000
RUN claude --version | grep --fixed-strings "${CLAUDE:?names the version}"

# The native program without its Node.js wrapper, with what it looks for beside itself.
FROM npm AS fetch-codex
ARG CODEX
RUN npm install --prefix /cli "@openai/codex@${CODEX:?names the version}" \
 && mv "/cli/node_modules/@openai/codex-linux-$(node -p process.arch)"/vendor/*-linux-* /opt/codex \
 && rm -rf /opt/codex/codex-resources/voice

FROM agent AS codex
ARG CODEX
LABEL org.opencontainers.image.title="parallax-agent-codex" org.opencontainers.image.version="${CODEX}"
COPY --from=fetch-codex /opt/codex /opt/codex
RUN ln -s /opt/codex/bin/codex /usr/local/bin/codex
USER 1000:1000
RUN codex --version | grep --fixed-strings "${CODEX:?names the version}"

# JavaScript, and the Node.js that it needs, which is newer than Debian's.
FROM npm AS fetch-gemini
ARG GEMINI
ARG NODE
RUN npm install --prefix /cli --omit=dev "@google/gemini-cli@${GEMINI:?names the version}" \
 && npm install --prefix /node "node-linux-$(node -p process.arch)@${NODE:?names the version}" \
 && mv /node/node_modules/node-linux-*/bin/node /opt/node

FROM agent AS gemini
ARG GEMINI
LABEL org.opencontainers.image.title="parallax-agent-gemini" org.opencontainers.image.version="${GEMINI}"
COPY --from=fetch-gemini /opt/node /usr/local/bin/node
COPY --from=fetch-gemini /cli /opt/gemini
RUN ln -s /opt/gemini/node_modules/.bin/gemini /usr/local/bin/gemini
USER 1000:1000
RUN gemini --version | grep --fixed-strings "${GEMINI:?names the version}"
