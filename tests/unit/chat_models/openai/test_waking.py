"""Cancelling a reply while its server is silent, at every stage, without disturbing others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from florilegium.cancelling import Cancellation, CancelledEarly
from florilegium.chat_models.openai.chat_model import open_chat_model
from florilegium.chat_models.openai.connection import Connection
from florilegium.chat_models.openai.waking import make_cancellable
from florilegium.config import ChatConfig
from tests.misbehaving_server import Exchange, Stalls, event, hangs, piece, refuses, says
from tests.unit.chat_models.openai.conftest import BODY, Connect, Serve, read_reply

SOON = 15.0  # seconds; the servers are silent for as long as their client waits, which is LONG
LONG = 60.0


@contextmanager
def ending_soon(cancellation: Cancellation, when: Callable[[], bool]) -> Iterator[None]:
    """Cancel as soon as something is so; the block has to end by that, and soon."""

    def cancel() -> None:
        while not when():
            time.sleep(0.01)
        time.sleep(0.05)  # until the client waits
        cancellation.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    began = time.monotonic()
    with cancellation.working(), pytest.raises(CancelledEarly):
        yield
    canceller.join()
    assert time.monotonic() - began < SOON


def test_a_server_that_never_answers_is_left_at_once_and_not_asked_again(
    serve: Serve, connect: Connect
) -> None:
    server = serve(hangs)
    connection = connect(server, timeout=LONG, retries=2)

    with ending_soon(Cancellation(), lambda: len(server.asked) == 1):
        connection.post(BODY)

    assert len(server.asked) == 1


@pytest.mark.parametrize("pieces", [(), (event(piece("a")),)])
def test_a_server_that_falls_silent_is_left_at_once(
    serve: Serve, connect: Connect, pieces: tuple[bytes, ...]
) -> None:
    stalls = Stalls(*pieces)
    server = serve(stalls)
    connection = connect(server, timeout=LONG)

    with ending_soon(Cancellation(), lambda: len(server.asked) == 1):
        read_reply(connection)

    assert stalls.gone.wait(SOON)


def test_a_connection_that_was_used_before_is_left_too(serve: Serve, connect: Connect) -> None:
    server = serve(says("a"), hangs)
    connection = connect(server, timeout=LONG)
    read_reply(connection)

    with ending_soon(Cancellation(), lambda: len(server.asked) == 2):
        connection.post(BODY)

    assert server.connections == 1


def test_the_wait_before_another_try_ends(serve: Serve) -> None:
    server = serve(refuses(503, {}, retry_after="20"))
    connection = Connection(ChatConfig(base_url=server.base_url, retries=2))

    with ending_soon(Cancellation(), lambda: len(server.asked) == 1):
        connection.post(BODY)

    connection.close()
    assert len(server.asked) == 1


def test_a_request_that_comes_too_late_is_not_sent(serve: Serve, connect: Connect) -> None:
    server = serve(says("a"))
    cancellation = Cancellation()
    cancellation.cancel()

    with cancellation.working(), pytest.raises(CancelledEarly):
        connect(server).post(BODY)

    assert server.connections == 0


def test_the_answers_of_others_go_on(serve: Serve, connect: Connect) -> None:
    go_on = threading.Event()

    def says_later(exchange: Exchange) -> None:
        go_on.wait(LONG)
        says("a", "b")(exchange)

    server = serve(says_later, hangs, says("c"))
    connection = connect(server, timeout=LONG)
    got: list[int] = []
    other = threading.Thread(target=lambda: got.append(len(read_reply(connection))))
    other.start()
    while len(server.asked) < 1:
        time.sleep(0.01)

    with ending_soon(Cancellation(), lambda: len(server.asked) == 2):
        connection.post(BODY)
    go_on.set()
    other.join(LONG)

    assert got == [len(read_reply(connection)) + 1]


def test_proxies_of_the_environment_are_woken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with httpx.Client() as client:
        make_cancellable(client)
        backends = {
            type(transport._pool._network_backend).__name__
            for transport in (client._transport, *client._mounts.values())
            if isinstance(transport, httpx.HTTPTransport)
        }

    assert backends == {"WakingBackend"}


def test_who_waits_for_what_another_asks_of_a_silent_server_leaves_at_once(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve(hangs)
    config = ChatConfig(name="openai:rose", base_url=server.base_url, timeout=LONG, retries=0)
    model = open_chat_model("rose", config=config, texts=None, cache_folder=tmp_path)
    first = Cancellation()

    def ask_first() -> None:
        with first.working(), suppress(CancelledEarly):
            _ = model.info

    asking = threading.Thread(target=ask_first)
    asking.start()
    try:
        with ending_soon(Cancellation(), lambda: len(server.asked) == 1):
            while not server.asked:
                time.sleep(0.01)
            _ = model.info
        assert asking.is_alive()
    finally:
        first.cancel()
        asking.join()
        model.close()
