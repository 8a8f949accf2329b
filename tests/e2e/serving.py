"""A real port of this machine for tests with real clients, and a chat model that can be watched."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from florilegium.server.service import Service
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import ChatOptions, Delta, Message

WORD_SECONDS = 0.02


class SlowChatModel(FakeChatModel):
    """Speaks without end, a word at a time, and waits a little before each."""

    def __init__(self) -> None:
        super().__init__(generative=False)

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        self.received.append(tuple(messages))
        self.options.append(options)
        return self._without_end()

    def _without_end(self) -> Iterator[Delta]:
        self.open_streams += 1
        try:
            while True:
                time.sleep(WORD_SECONDS)
                yield Delta(text="word ")
        finally:
            self.open_streams -= 1


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an app in a thread, and give its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        )
        # A daemon, so that a server which does not stop fails its test and holds up no other.
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=60)
            assert not thread.is_alive(), "the server does not stop"


def wait_until(is_so: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Wait until something is so. Raises AssertionError when it does not come to be."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


def is_free(service: Service, model: FakeChatModel) -> bool:
    """Return whether no answer is being given any more."""
    return not model.open_streams and not service.answers.running
