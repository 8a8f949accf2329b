"""Every route of the API keeps what its description promises, whatever is sent to it.

Schemathesis makes requests from the OpenAPI document, right ones and wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server import attempts
from florilegium.server.app import create_app
from tests.conftest import FAKES, write_tiny_folder

EXAMPLES = 30
KEY = SecretStr("a key of the tests")
HEADERS = {"Authorization": f"Bearer {KEY.get_secret_value()}"}


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    """Yield a monkeypatch that lasts as long as the app."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def app(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch_module: pytest.MonkeyPatch
) -> Iterator[FastAPI]:
    """Return an app that takes no uploads, so that its library stays what it is."""
    # Its modules are rewritten by pytest, which must not happen while a server's threads import.
    import_module("schemathesis.python.asgi")
    folder = tmp_path_factory.mktemp("contract") / "flowers"
    write_tiny_folder(folder)
    # Each request is sent again with a wrong key, by one client that would be made to wait.
    monkeypatch_module.setattr(attempts, "WRONG_KEYS_OF_ADDRESS", 1_000_000)
    with Library.create(folder, overrides=FAKES) as library:
        library.ingest()
        # The name of the host that clients in a process ask for is none of this machine.
        config = ServerConfig(page=False, allowed_hosts=("testserver",)).with_api_key(KEY)
        app = create_app(library, config=config)
        with TestClient(app):
            yield app


def operations() -> list[str]:
    """Return the operations of the API; those that start processes have tests of their own."""
    paths = create_app({}, config=ServerConfig(page=False)).openapi()["paths"]
    found = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert len(found) > 10
    return [name for name in found if not name.endswith("/ingest") or name.startswith("GET")]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation", operations())
def test_every_answer_is_one_that_is_described(
    app: FastAPI, operation: str, mode: GenerationMode
) -> None:
    method, _, path = operation.partition(" ")
    described = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)[path][method]

    @hypothesis.given(case=described.as_strategy(generation_mode=mode))
    @hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        # No description can say which bytes are a picture, or which folder is in the library.
        case.call_and_validate(headers=HEADERS, excluded_checks=[positive_data_acceptance])

    try:
        check()
    except Unsatisfiable:
        pytest.skip("there is no wrong request: it has no parameter")
