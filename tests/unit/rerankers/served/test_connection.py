from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from florilegium.config_sections import RerankConfig
from florilegium.errors import (
    ConfigError,
    RerankError,
    RerankRejectedError,
    RerankTimeoutError,
    RerankUnavailableError,
)
from florilegium.rerankers.served.connection import LONGEST_WAIT, Connection, Refused
from tests.misbehaving_server import (
    PATIENCE,
    Behaviour,
    MisbehavingServer,
    Pings,
    drops,
    hangs,
    hangs_up,
    refuses,
    sends,
)
from tests.unit.worker_samples import wait_until

Connect = Callable[..., tuple[Connection, MisbehavingServer]]
KEY = "s3cr3t-key"
SCORES = [{"index": 0, "score": 1.0}]


@pytest.fixture
def waits() -> list[float]:
    """Return where the waits between tries are noted; they take no time."""
    return []


@pytest.fixture
def connect(waits: list[float]) -> Iterator[Connect]:
    with ExitStack() as stack:

        def start(
            *script: Behaviour, key: str = "", **settings: object
        ) -> tuple[Connection, MisbehavingServer]:
            server = stack.enter_context(MisbehavingServer(*script))
            values = {"base_url": server.base_url, "timeout": PATIENCE, **settings}
            config = RerankConfig.model_validate(values)
            config = config.with_api_key(SecretStr(key)) if key else config
            connection = Connection(config, sleep=waits.append)
            stack.callback(connection.close)
            return connection, server

        yield start


def refusal(outcome: str | Refused) -> RerankError:
    assert isinstance(outcome, Refused)
    return outcome.error


def test_the_reply_is_the_body_and_the_request_has_the_key(connect: Connect) -> None:
    connection, server = connect(refuses(200, SCORES), key="sk-123")

    assert connection.post({"query": "Füße"}) == '[{"index": 0, "score": 1.0}]'

    (request,) = server.asked
    assert (request.path, request.body) == ("/v1/rerank", {"query": "Füße"})
    assert request.headers["authorization"] == "Bearer sk-123"


@pytest.mark.parametrize("ending", ["/v1", "/v1/", "/v1/rerank", ""])
def test_the_path_is_put_behind_the_address_once(connect: Connect, ending: str) -> None:
    _, server = connect(refuses(200, SCORES))
    address = server.base_url.removesuffix("/v1") + ending

    with ExitStack() as stack:
        connection = Connection(RerankConfig(base_url=address))
        stack.callback(connection.close)
        connection.post({})

    assert server.asked[-1].path == ("/v1/rerank" if "v1" in ending else "/rerank")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_failing_server_is_asked_again(connect: Connect, status: int) -> None:
    connection, server = connect(refuses(status, {"error": "later"}), refuses(200, SCORES))

    assert isinstance(connection.post({}), str)
    assert len(server.asked) == 2


def test_a_server_that_stays_down_is_given_up_after_the_retries(connect: Connect) -> None:
    connection, server = connect(refuses(503, {"error": "loading"}), retries=3)

    error = refusal(connection.post({}))

    assert isinstance(error, RerankUnavailableError)
    assert "status 503" in error.message
    assert "loading" in error.message
    assert len(server.asked) == 4


def test_a_server_says_how_long_to_wait_up_to_a_limit(connect: Connect, waits: list[float]) -> None:
    busy: list[Any] = [refuses(429, "", retry_after=after) for after in ("7", "9999")]
    connection, _ = connect(*busy, refuses(200, SCORES))

    connection.post({})

    assert waits == [7.0, LONGEST_WAIT]


def test_a_server_that_is_not_there_is_tried_again_and_named(waits: list[float]) -> None:
    with MisbehavingServer(hangs) as server:
        address = server.base_url
    connection = Connection(RerankConfig(base_url=address, retries=1), sleep=waits.append)

    error = refusal(connection.post({}))

    assert isinstance(error, RerankUnavailableError)
    assert address in error.message
    assert len(waits) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
def test_a_refusal_is_final(connect: Connect, status: int) -> None:
    connection, server = connect(refuses(status, {"message": "not so"}))

    error = refusal(connection.post({}))

    assert isinstance(error, RerankRejectedError)
    assert f"status {status}): not so" in error.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "settings", "hint"),
    [
        (401, {}, "Set rerank.api_key_env"),
        (403, {"api_key_env": "MY_KEY"}, "'MY_KEY'"),
        (404, {}, "before /rerank"),
        (413, {}, "Lower rerank.batch_size"),
        (400, {}, r"section \[rerank\]"),
    ],
)
def test_the_hint_fits_the_refusal(
    connect: Connect, status: int, settings: dict[str, object], hint: str
) -> None:
    connection, _ = connect(refuses(status, {"message": "no"}), **settings)

    with pytest.raises(RerankRejectedError) as caught:
        raise refusal(connection.post({}))

    assert re.search(hint, str(caught.value.hint))


def test_the_key_is_never_repeated(connect: Connect) -> None:
    connection, _ = connect(refuses(401, {"message": "wrong key sk-123"}), key="sk-123")

    assert "sk-123" not in refusal(connection.post({})).message


def test_a_server_that_moved_says_where(connect: Connect) -> None:
    connection, _ = connect(refuses(308, {}, location="http://elsewhere/"))

    assert "it moved to 'http://elsewhere/'" in refusal(connection.post({})).message


@pytest.mark.parametrize("silent", [hangs, Pings()])
def test_a_server_that_is_silent_or_drips_is_given_up_once(
    connect: Connect, silent: Behaviour
) -> None:
    connection, server = connect(silent, timeout=0.3)

    error = refusal(connection.post({}))

    assert isinstance(error, RerankTimeoutError)
    assert "rerank.timeout" in str(error.hint)
    wait_until(lambda: len(server.asked) > 0)
    assert len(server.asked) == 1


@pytest.mark.parametrize("broken", [hangs_up, drops(b'[{"index"')])
def test_a_connection_that_breaks_off_is_an_error_of_its_own(
    connect: Connect, broken: Behaviour
) -> None:
    connection, server = connect(broken)

    error = refusal(connection.post({}))

    assert type(error) is RerankError
    assert "broke off" in error.message
    assert len(server.asked) == 1


def test_closing_leaves_the_connection_ready_for_the_next(connect: Connect) -> None:
    connection, server = connect(sends(b"[]", kind="application/json"))
    connection.post({})
    connection.close()
    connection.close()

    assert connection.post({}) == "[]"
    assert server.connections == 2


def test_without_an_address_the_usual_ones_are_named() -> None:
    with pytest.raises(
        ConfigError, match=r"'served' needs a server, and rerank\.base_url"
    ) as caught:
        Connection(RerankConfig())

    assert "llama-server" in str(caught.value.hint)


def test_a_key_that_cannot_be_one_is_refused_and_not_repeated() -> None:
    config = RerankConfig(base_url="http://localhost/v1", api_key_env="MY_KEY")

    with pytest.raises(ConfigError, match="'MY_KEY'") as caught:
        Connection(config.with_api_key(SecretStr("sk 123")))

    assert "sk 123" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    "behaviour",
    [
        refuses(307, {}, Location=f"https://elsewhere/v1?api-key={KEY}"),
        refuses(404, {"detail": f"Cannot POST /v1/rerank?api-key={KEY}"}),
        refuses(401, {"error": {"message": f"the key {KEY} is unknown"}}),
        hangs_up,
    ],
)
def test_a_key_in_the_query_of_the_address_is_sent_and_never_told(
    connect: Connect, caplog: pytest.LogCaptureFixture, behaviour: Behaviour
) -> None:
    caplog.set_level(logging.INFO)
    _, server = connect(behaviour)
    connection = Connection(RerankConfig(base_url=f"{server.base_url}?api-key={KEY}", retries=0))

    error = refusal(connection.post({}))
    connection.close()

    assert f"api-key={KEY}" in server.asked[0].path
    assert KEY not in f"{error} {error.hint} {caplog.text} {connection.server}"
    assert KEY in connection.secrets
