"""Servers on this machine are found by looking, and nothing makes the look fail."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest

from florilegium.chat_models.openai.servers import USUAL_PORTS, FoundServer, find_servers
from tests.misbehaving_server import PATIENCE, MisbehavingServer, listing, says


def _find(models: object, *, name: str = "something") -> list[FoundServer]:
    with MisbehavingServer(says("a"), models=models) as server:
        found = find_servers(timeout=PATIENCE, ports={server.port: name})
        for entry in found:
            assert entry.base_url == server.base_url
        return found


def test_a_server_is_found_with_its_models() -> None:
    found = _find(listing("rose", "lily"), name="llama-server")

    assert [(server.name, server.models) for server in found] == [
        ("llama-server", ("rose", "lily"))
    ]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("library", "Ollama"),
        ("llamacpp", "llama-server"),
        ("vllm", "vLLM"),
        ("organization_owner", "LM Studio"),
        ("somebody", "what usually listens here"),
    ],
)
def test_what_a_server_says_of_itself_is_more_than_its_port(owner: str, name: str) -> None:
    (found,) = _find(listing("m", owned_by=owner), name="what usually listens here")

    assert found.name == name


def test_a_server_without_models_is_found_too() -> None:
    (found,) = _find({"object": "list", "data": None})

    assert found.models == ()
    assert not found.needs_key


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_key_is_found_without_its_models(status: int) -> None:
    refusal = {"error": {"message": "Invalid API Key"}}
    with MisbehavingServer(says("a"), models=refusal, models_status=status) as server:
        found = find_servers(timeout=PATIENCE, ports={server.port: "vLLM"})

    assert found == [FoundServer(name="vLLM", base_url=server.base_url, models=(), needs_key=True)]


@pytest.mark.parametrize("answer", [None, "<html></html>", {"hello": "world"}, [1], "[" * 99999])
def test_what_is_no_chat_server_is_left_out(answer: object) -> None:
    assert _find(answer) == []


def test_closed_ports_are_left_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert find_servers(ports={port: "x"}) == []
    assert find_servers(ports={}) == []


def test_silent_ports_cost_no_more_than_one_timeout_together() -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(60)]
        started = time.monotonic()

        found = find_servers(timeout=0.3, ports={s.getsockname()[1]: "x" for s in silent})

        assert found == []
        assert time.monotonic() - started < 15  # one after another they would take 18


def test_servers_come_in_the_order_of_the_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # never for this machine
    with (
        MisbehavingServer(says("a"), models=listing("a")) as first,
        MisbehavingServer(says("a"), models=listing("b")) as second,
    ):
        found = find_servers(timeout=PATIENCE, ports={second.port: "two", first.port: "one"})

    assert [server.name for server in found] == ["two", "one"]


def test_the_usual_ports_are_those_of_the_usual_servers() -> None:
    assert USUAL_PORTS[11434] == "Ollama"
    assert USUAL_PORTS[8080] == "llama-server"
    assert USUAL_PORTS[8000] == "vLLM"
    assert USUAL_PORTS[1234] == "LM Studio"
