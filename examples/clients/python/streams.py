"""What a generator cannot make of the description: events with resuming, and the terminal protocol.

Needs `httpx` and `websockets`.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PROTOCOL = "parallax.terminal.v1"


def events(base: str, since: str | None = None, agent: str | None = None, token: str | None = None) -> Iterator[dict]:
    """Events after the one with the id `since` (`"0"`: from the oldest that is kept), for ever.

    Goes on where it was after a connection broke, and waits for a server that is away. `event["id"]` is the cursor to
    keep. An event `reset` says that some were lost: ask for what you show again.
    """
    headers = {"accept": "text/event-stream"} | ({"authorization": f"Bearer {token}"} if token else {})
    pause = 0.2
    while True:
        query = {name: value for name, value in {"since": since, "agentId": agent}.items() if value is not None}
        timeout = httpx.Timeout(10, read=60)
        try:
            with httpx.stream(
                "GET", f"{base}/api/managed-agents/events", params=query, headers=headers, timeout=timeout
            ) as answer:
                if 400 <= answer.status_code < 500 and answer.status_code != 429:
                    answer.read()
                    answer.raise_for_status()
                answer.raise_for_status()
                pause = 0.2
                for line in answer.iter_lines():
                    # A server-sent event of this server has its JSON in one line; the id is in there, too.
                    if line.startswith("data:"):
                        event = json.loads(line.removeprefix("data:"))
                        since = event["id"] or since
                        yield event
        except httpx.HTTPStatusError as error:
            if 400 <= error.response.status_code < 500 and error.response.status_code != 429:
                raise
        except httpx.TransportError:
            pass
        time.sleep(pause)
        pause = min(pause * 2, 5)


@dataclass
class Terminal:
    """One agent's terminal over `parallax.terminal.v1`. `offset` is the cursor: a new one with `since` goes on there.

    A server that goes away, or a connection that breaks, is waited for: the frames go on where they were.
    """

    base: str
    agent: str
    since: int | None = None
    view: bool = False
    token: str | None = None
    offset: int = field(default=0, init=False)

    def __enter__(self) -> "Terminal":
        self._connect(self.since)
        return self

    def _connect(self, since: int | None) -> None:
        query = [f"since={since}"] if since is not None else []
        query += ["mode=view"] if self.view else []
        url = f"{self.base.replace('http', 'ws', 1)}/api/managed-agents/{self.agent}/terminal?{'&'.join(query)}"
        headers = {"authorization": f"Bearer {self.token}"} if self.token else None
        self._socket = connect(url, subprotocols=[PROTOCOL], additional_headers=headers, max_size=2**21)

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def type(self, text: str) -> None:
        """Types, as a person would."""
        self._socket.send(text.encode())

    def frames(self) -> Iterator[tuple[str, bytes | dict]]:
        """`("output", bytes)`, or the name of a control frame and the frame itself, until the agent has ended."""
        while True:
            try:
                frame = self._socket.recv()
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else None
                # 1001: the server goes away; 4503: it does not reach the agent's; none: the connection broke.
                if code not in (None, 1001, 4503):
                    if code != 4000:
                        raise
                    return
                self._connect_again()
                continue
            if isinstance(frame, bytes):
                self.offset = int.from_bytes(frame[:8], "big") + len(frame) - 8
                yield "output", frame[8:]
                continue
            control = json.loads(frame)
            if "offset" in control:
                self.offset = control["offset"]
            yield control["type"], control

    def _connect_again(self) -> None:
        pause = 0.2
        while True:
            time.sleep(pause)
            try:
                return self._connect(self.offset)
            except (OSError, InvalidStatus) as refused:
                if isinstance(refused, InvalidStatus) and refused.response.status_code not in (429, 503):
                    raise
                pause = min(pause * 2, 5)
