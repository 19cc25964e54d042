"""Spawns a shell, asks it something, follows its events, resumes, looks at its terminal, and stops it.

`parallax_client` is generated: `openapi-python-client generate --url http://localhost:3000/api/openapi.json --meta none
--output-path parallax_client`.
"""

import sys

from parallax_client import Client
from parallax_client.api.agents import spawn, stop
from parallax_client.api.conversation import send
from parallax_client.models import Agent, EventAgentStopped, EventMessage, SendRequest, SendResponse, SpawnRequest

from streams import Terminal, events

base = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:3000"
client = Client(base_url=base)

agent = spawn.sync(client=client, body=SpawnRequest(name="from-python", type_="shell"))
assert isinstance(agent, Agent), agent


def ask(text: str) -> str:
    request = SendRequest(message=text, expect_response=True, timeout_ms=30_000)
    answer = send.sync(id=agent.id, client=client, body=request)
    assert isinstance(answer, SendResponse), answer
    return answer.response.content


assert ask("echo $((6 * 7))") == "42"

# Until the answer comes by, and then from there on in another stream: nothing is missed and nothing comes twice.
told, cursor = [], None
for event in events(base, since="0", agent=agent.id):
    cursor = event["id"]
    told.append(cursor)
    if event["event"] == "message" and EventMessage.from_dict(event).data.message.content == "42":
        break
assert ask("echo again") == "again"
for event in events(base, since=cursor, agent=agent.id):
    assert event["id"] not in told
    if event["event"] == "message" and EventMessage.from_dict(event).data.message.content == "again":
        break

with Terminal(base, agent.id) as terminal:
    terminal.type("echo typed-$((1 + 1))\r")
    seen = b""
    for kind, frame in terminal.frames():
        seen += frame if kind == "output" else b""
        if b"typed-2" in seen:
            break
    cursor = terminal.offset
with Terminal(base, agent.id, since=cursor) as terminal:
    terminal.type("exit\r")
    ended = [frame for kind, frame in terminal.frames() if kind == "exit"]
assert ended and ended[0]["exit"]["reason"] == "exited", ended

for event in events(base, since="0", agent=agent.id):
    if event["event"] == "agent_stopped":
        assert EventAgentStopped.from_dict(event).data.reason == "exited"
        break
stop.sync_detailed(id=agent.id, client=client)
print("done")
