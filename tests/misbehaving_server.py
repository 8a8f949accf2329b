"""A server on loopback that chats or reranks as a script tells it to, be it right or wrong.

Plain sockets: what breaks off, stalls or garbles cannot be said with a web framework.
"""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Self

import numpy as np
from PIL import Image

from florilegium.chat_models.openai.probe import NUMBERS, SIDE, draw_number

Json = dict[str, Any]
PATIENCE = 60.0  # seconds until a test that hangs is a test that fails
PAUSE = 0.02
_PATHS = ("/v1/chat/completions", "/v1/rerank", "/rerank")
EVENTS = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}


class Request:
    """What a client sent: method, path, headers with small letters, and the JSON of the body."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ", 2)
        pairs = [line.partition(":") for line in lines if line]
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.body: Json = json.loads(body) if body else {}

    @property
    def pictures(self) -> list[Image.Image]:
        """The pictures of all messages."""
        contents = [message["content"] for message in self.body["messages"]]
        parts = [part for content in contents if isinstance(content, list) for part in content]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        data = [base64.b64decode(url.partition(",")[2]) for url in urls]
        return [Image.open(io.BytesIO(picture)) for picture in data]


class Exchange:
    """One request and the connection on which it is answered."""

    def __init__(self, connection: socket.socket, request: Request) -> None:
        self.request = request
        self.keeps_alive = True
        self._connection = connection

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Because", *(f"{k}: {v}" for k, v in headers.items())]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        """Send a piece of a body with `Transfer-Encoding: chunked`; an empty one is the last."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def wait_until_gone(self) -> bool:
        """Return whether the client closes the connection."""
        self.keeps_alive = False
        try:
            return self._connection.recv(1) == b""
        except ConnectionError:
            return True


Behaviour = Callable[[Exchange], None]


def event(chunk: object) -> bytes:
    """Return a chunk as an event of a stream."""
    return f"data: {json.dumps(chunk)}\n\n".encode()


def piece(text: str | None = None, *, finish: str | None = None, **more: object) -> Json:
    """Return a chunk of a reply."""
    return {"choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": finish}]}


def reply(*texts: str, finish: str | None = "stop") -> bytes:
    """Return the whole stream of a reply."""
    events = [event(piece(text)) for text in texts]
    return b"".join([*events, event(piece(finish=finish)), b"data: [DONE]\n\n"])


def says(*texts: str, finish: str | None = "stop") -> Behaviour:
    """Give a right reply."""
    return sends(reply(*texts, finish=finish))


def sends(*pieces: bytes, kind: str = "text/event-stream") -> Behaviour:
    """Send the body of a stream, which ends as it should, whatever is in it."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {**EVENTS, "Content-Type": kind})
        for data in pieces:
            exchange.chunk(data)
        exchange.chunk(b"")

    return behave


def drops(*pieces: bytes) -> Behaviour:
    """Send pieces of a body, and close the connection in the middle of it."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, EVENTS)
        for data in pieces:
            exchange.chunk(data)
        exchange.keeps_alive = False

    return behave


def hangs_up(exchange: Exchange) -> None:
    """Close the connection without an answer."""
    exchange.keeps_alive = False


def hangs(exchange: Exchange) -> None:
    """Answer nothing, for as long as the client waits."""
    exchange.wait_until_gone()


def refuses(status: int, body: object, **headers: str) -> Behaviour:
    """Refuse with a status and a body: JSON, or a text as it is."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = "text/html" if isinstance(body, str) else "application/json"

    def behave(exchange: Exchange) -> None:
        size = str(len(content))
        exchange.head(status, {"Content-Type": kind, "Content-Length": size, **named})
        exchange.send(content)

    return behave


class Stalls:
    """Send pieces of a body, then none; remembers whether the client went away."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.gone = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        exchange.head(200, EVENTS)
        for data in self._pieces:
            exchange.chunk(data)
        if exchange.wait_until_gone():
            self.gone.set()


class Pings:
    """Send nothing but lines that keep the connection alive, until the client is gone."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        exchange.keeps_alive = False
        exchange.head(200, EVENTS)
        with suppress(OSError):
            for _ in range(int(PATIENCE / PAUSE)):
                exchange.chunk(b": still here\n\n")
                time.sleep(PAUSE)
            return
        self.gone.set()


def sees(exchange: Exchange) -> None:
    """Reply as a model that sees: with the number in the one picture, or with a sentence."""
    pictures = exchange.request.pictures
    number = read_number(pictures[0]) if len(pictures) == 1 else None
    says("It ", "is ", "this." if number is None else f"{number}.")(exchange)


def read_number(picture: Image.Image) -> int | None:
    """Return which number `draw_number` drew; None for another picture."""
    if picture.size != (SIDE, SIDE):
        return None
    pixels = np.asarray(picture.convert("L"), dtype=np.int16)
    numbers, drawn = _drawn()
    return numbers[int(np.abs(drawn - pixels).mean(axis=(1, 2)).argmin())]


@cache
def _drawn() -> tuple[tuple[int, ...], np.ndarray[Any, Any]]:
    drawn = [np.asarray(draw_number(number).convert("L"), dtype=np.int16) for number in NUMBERS]
    return tuple(NUMBERS), np.stack(drawn)


class MisbehavingServer:
    """Answer each request for a chat completion or scores with the next behaviour of the script.

    The last behaviour stays. `models` is what `/v1/models` answers; None has no such page.
    """

    def __init__(self, *script: Behaviour, models: object = None, models_status: int = 200) -> None:
        self.script = list(script)
        self.models = models
        self.models_status = models_status
        self.received: list[Request] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> list[Request]:
        """The requests for chat completions or scores."""
        return [request for request in self.received if request.method == "POST"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Waking `accept` by closing its socket from another thread works on no system for sure.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(PATIENCE)
                self.connections += 1
                self._open.add(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            for request in _read_requests(connection):
                self.received.append(request)
                exchange = Exchange(connection, request)
                self._behaviour(request)(exchange)
                if not exchange.keeps_alive:
                    break
        self._open.discard(connection)

    def _behaviour(self, request: Request) -> Behaviour:
        if request.method == "POST" and request.path.startswith(_PATHS):
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if request.path.startswith("/v1/models") and self.models is not None:
            return refuses(self.models_status, self.models)
        return refuses(404, {"detail": "Not Found"})


def listing(*ids: str, **facts: object) -> Json:
    """Return what a server answers to a request for its models."""
    return {"object": "list", "data": [{"id": name, "object": "model", **facts} for name in ids]}


def _read_requests(connection: socket.socket) -> Iterator[Request]:
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            if not (data := connection.recv(1 << 16)):
                return
            pending += data
        head, _, pending = pending.partition(b"\r\n\r\n")
        size = _content_length(head.split(b"\r\n"))
        while len(pending) < size:
            pending += connection.recv(1 << 16)
        body, pending = pending[:size], pending[size:]
        yield Request(head, body)


def _content_length(lines: Sequence[bytes]) -> int:
    for line in lines:
        if line.lower().startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
