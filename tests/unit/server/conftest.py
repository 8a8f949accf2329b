"""A library that is served, and a client in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from tests.unit.server.samples import HERE


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The key of sessions of whoever runs the tests stays out of it.
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def config() -> ServerConfig:
    """Return the settings of the server; a module with others has a fixture of its own."""
    return ServerConfig(uploads=True)


@pytest.fixture
def client(tiny_library: Library, config: ServerConfig) -> Iterator[TestClient]:
    """Return a client of the tiny library's server."""
    with TestClient(create_app(tiny_library, config=config), base_url=HERE) as client:
        yield client
