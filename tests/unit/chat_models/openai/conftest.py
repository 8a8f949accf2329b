"""What the tests of the chat model `openai` share: servers that misbehave, and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from florilegium.chat_models.openai.connection import Connection, Json, NoResponse
from florilegium.config import ChatConfig
from tests.misbehaving_server import PATIENCE, Behaviour, MisbehavingServer

Serve = Callable[..., MisbehavingServer]
Connect = Callable[..., Connection]

BODY: Json = {"model": "rose", "messages": [], "max_tokens": 5, "temperature": 0.0}


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return how to start a server with a script; all are stopped at the end."""
    with ExitStack() as stack:

        def start(*script: Behaviour, models: object = None) -> MisbehavingServer:
            return stack.enter_context(MisbehavingServer(*script, models=models))

        yield start


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return how to connect to a server, or to an address; waits between tries take no time."""
    with ExitStack() as stack:

        def start(server: MisbehavingServer | str, key: str = "", **settings: object) -> Connection:
            base_url = server if isinstance(server, str) else server.base_url
            config = ChatConfig.model_validate(
                {"base_url": base_url, "timeout": PATIENCE, **settings}
            )
            config = config.with_api_key(SecretStr(key)) if key else config
            connection = Connection(config, sleep=lambda seconds: None)
            stack.callback(connection.close)
            return connection

        yield start


def read_reply(connection: Connection) -> list[Json]:
    """Return the chunks of the reply to a request."""
    response = connection.post(BODY)
    if isinstance(response, NoResponse):
        raise response.error
    return list(connection.read(response))
