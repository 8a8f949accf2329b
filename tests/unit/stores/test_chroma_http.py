"""Speaking with a Chroma server: what it refuses, and what it never answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from florilegium.stores import chroma_http
from florilegium.stores.chroma_http import ChromaHttp, ChromaRefusedError
from florilegium.testing.store_samples import EAST, NORTH, record, row
from tests.chroma_server import running_chroma


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaHttp]:
    with running_chroma(tmp_path_factory.mktemp("server")) as address:
        opened = ChromaHttp(urlsplit(address))
        yield opened
        opened.close()


def test_what_is_written_is_found(server: ChromaHttp) -> None:
    made = server.make("written", metadata={"manifest": "m"})

    made.upsert([record("a", EAST), record("b", NORTH)])
    made.delete(["b", "unknown"])

    found = server.find("written")
    assert found is not None
    assert (found.metadata["manifest"], found.count(), found.ids()) == ("m", 1, ["a"])
    ids, distances = found.nearest(row(EAST), 5)
    assert ids == ["a"]
    assert distances == pytest.approx([0.0], abs=1e-5)


def test_making_a_collection_again_keeps_what_is_in_it(server: ChromaHttp) -> None:
    server.make("kept", metadata={"manifest": "first"}).upsert([record("a", EAST)])

    again = server.make("kept", metadata={"manifest": "second"})

    assert again.ids() == ["a"]


def test_a_collection_that_is_not_there_is_none(server: ChromaHttp) -> None:
    assert server.find("absent") is None


def test_what_the_server_refuses_is_told(server: ChromaHttp) -> None:
    with pytest.raises(ChromaRefusedError, match="404"):
        server.remove("absent")


def test_all_names_are_listed_page_by_page(
    server: ChromaHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chroma_http, "_PAGE", 2)
    for number in range(5):
        server.make(f"page-{number}", metadata={"manifest": ""})

    names = server.names()

    assert {f"page-{number}" for number in range(5)} <= set(names)
    assert len(names) == len(set(names))


def test_a_server_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"http://127.0.0.1:{silent.getsockname()[1]}"
        server = ChromaHttp(urlsplit(at), seconds=0.2)
        with pytest.raises(httpx.TimeoutException):
            server.names()
        server.close()


def test_requests_to_this_machine_pass_by_any_proxy(
    server: ChromaHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    address = urlsplit(str(server._http.base_url.copy_with(path="")))

    again = ChromaHttp(address)

    assert "default" not in again.names()
    again.close()
