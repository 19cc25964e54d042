# The agent host alone: one static file. Runtimes that cannot put it into a volume themselves copy it from here.
FROM scratch
COPY parallax-agent-host /parallax-agent-host
USER 1000:1000
ENTRYPOINT ["/parallax-agent-host"]
