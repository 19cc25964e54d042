# Every server, the host they start, and the program for a person's hands. Say which one runs: it is the command.
#
# The context has a directory for each architecture, as Docker calls it: `make images-context`.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home parallax \
 && install --directory --owner=1000 --group=1000 /var/lib/parallax
ARG TARGETARCH
COPY ${TARGETARCH}/ /usr/local/bin/
RUN parallax --version && parallax-control-plane --version && parallax-runtime-docker --version \
 && parallax-runtime-k8s --version
LABEL org.opencontainers.image.title="parallax-server" org.opencontainers.image.description="Parallax servers and the program parallax" \
      org.opencontainers.image.licenses="Apache-2.0"
# By it the Docker runtime knows which volumes servers run on.
LABEL io.parallax.component=server
ENV PARALLAX_STATE_DIR=/var/lib/parallax LANG=C.UTF-8
VOLUME /var/lib/parallax
USER 1000:1000
# Nothing of the machine has this path: what agents may mount is what the operator says.
WORKDIR /home/parallax
CMD ["parallax-control-plane"]
