# The agent host alone: one static file. Runtimes that cannot put it into a volume themselves copy it from here.
#
# The context has a directory for each architecture, as Docker calls it (`make images-context`); nodes get the one of theirs.
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/parallax-agent-host /parallax-agent-host
LABEL org.opencontainers.image.title="parallax-host" org.opencontainers.image.description="The host of Parallax agents: one static program" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 1000:1000
ENTRYPOINT ["/parallax-agent-host"]
