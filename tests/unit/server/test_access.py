"""The real app as a whole: no route is forgotten, and each user sees their own libraries only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, WebSocketRoute

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError
from florilegium.server.access import open_users
from florilegium.server.app import create_app
from florilegium.server.guard import PUBLIC
from florilegium.server.users import KEY_USER
from tests.unit.server.access_samples import (
    ANNA_KEY,
    PASSWORD,
    SERVER_KEY,
    client_of,
    log_in,
    users_file,
    with_key,
)
from tests.unit.server.samples import assert_error

ANNA = {"Authorization": f"Bearer {ANNA_KEY}"}
OWNER = {"Authorization": f"Bearer {SERVER_KEY}"}


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    settings = ServerConfig(
        users_file=str(users_file(tmp_path)), folder=str(tmp_path / "server"), metrics=True
    )
    return with_key(settings)


@pytest.fixture
def app(tiny_library: Library, config: ServerConfig) -> FastAPI:
    return create_app({"tiny": tiny_library, "other": tiny_library}, config=config)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app) as client:
        yield client


def addresses(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give a method and an address of every route, whatever kind of route it is."""
    for route in routes:
        path = re.sub(r"{[^}]+}", "x", prefix + str(getattr(route, "path", "")))
        if isinstance(route, Mount):
            yield "GET", f"{path}/x"
            yield from addresses(list(route.routes), prefix + route.path)
        elif isinstance(route, WebSocketRoute):
            yield "WEBSOCKET", path
        elif inner := getattr(route, "effective_route_contexts", None):
            # FastAPI keeps the routes of a router that was included as one.
            for one in inner():
                yield from (
                    (method, re.sub(r"{[^}]+}", "x", one.path)) for method in one.methods or ()
                )
        else:
            methods = getattr(route, "methods", None) or ("GET", "POST", "PUT", "DELETE")
            yield from ((method, path) for method in methods)


def test_no_route_is_reached_without_a_user(app: FastAPI, client: TestClient) -> None:
    found = set(addresses(app.routes))
    guarded = {(method, path) for method, path in found if path not in PUBLIC}

    assert {
        ("POST", "/api/libraries/x/search"),
        ("POST", "/api/libraries/x/files"),
        ("GET", "/items/x/x"),
        ("GET", "/openapi.json"),
        ("GET", "/metrics"),
        ("POST", "/mcp"),
        ("POST", "/v1/chat/completions"),
    } <= guarded
    for method, path in sorted(guarded):
        answer = client.request(method, path)
        assert answer.status_code == 401, (method, path)
        if method != "HEAD":
            assert_error(answer, 401, "request_unauthenticated", path=path)


@pytest.mark.parametrize("path", ["/", "/absent", "/_nicegui_ws/socket.io/?EIO=4", "/docs"])
def test_what_stands_behind_all_routes_is_guarded_too(client: TestClient, path: str) -> None:
    assert_error(client.get(path), 401, "request_unauthenticated")


def test_what_the_openapi_document_lists_is_guarded(client: TestClient) -> None:
    paths: dict[str, Any] = client.get("/openapi.json", headers=OWNER).json()["paths"]

    assert len(paths) > 10
    for path, methods in paths.items():
        for method in methods:
            answer = client.request(method, re.sub(r"{[^}]+}", "x", path))
            assert answer.status_code == (200 if path in PUBLIC else 401), (method, path)


def test_a_library_of_others_is_not_there(client: TestClient) -> None:
    for headers, name in ((ANNA, "other"), (ANNA, "absent"), (OWNER, "absent")):
        answer = client.get(f"/api/libraries/{name}", headers=headers)
        error = assert_error(answer, 404, "not_found")
        assert error["message"] == f"There is no library {name!r} here."
        body = {"text": "red"}
        answer = client.post(f"/api/libraries/{name}/search", json=body, headers=headers)
        assert_error(answer, 404, "not_found")
    assert [one["name"] for one in client.get("/api/libraries", headers=ANNA).json()] == ["tiny"]
    assert client.get("/api/libraries/other", headers=OWNER).status_code == 200


def test_who_may_not_write_starts_no_ingest(client: TestClient) -> None:
    answer = client.post("/api/libraries/tiny/ingest", json={}, headers=ANNA)

    assert_error(answer, 403, "request_forbidden")


def test_the_metrics_are_for_who_sees_all_libraries(client: TestClient) -> None:
    assert client.get("/metrics", headers=ANNA).status_code == 403
    assert client.get("/metrics", headers=OWNER).status_code == 200


def test_the_log_says_who_asked_and_never_by_which_key(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        client.get("/api/libraries", headers=ANNA)
        client.get("/api/libraries", headers={"Authorization": "Bearer fl_wrong"})
        log_in(client, name="anna", password=PASSWORD)

    told = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "'user': 'anna'" in told
    assert not any(secret in told for secret in (ANNA_KEY, "fl_wrong", PASSWORD))


def test_answers_of_all_kinds_carry_the_headers(client: TestClient) -> None:
    for path, status in (("/api/libraries", 401), ("/login", 200), ("/api/health", 200)):
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_the_page_gets_the_token_of_its_form_for_logging_out(
    app: FastAPI, client: TestClient
) -> None:
    log_in(client, name="anna", password=PASSWORD)
    cookie = client.cookies["florilegium_session"]
    headers = [(b"cookie", f"florilegium_session={cookie}".encode())]
    request = Request({"type": "http", "scheme": "http", "headers": headers})

    token = app.state.access.log_out_token(request)

    assert app.state.access.has_log_in
    assert client.post("/logout", data={"token": token}).headers["location"] == "/login"


def test_without_keys_and_accounts_nobody_logs_in_or_out(tiny_library: Library) -> None:
    app = create_app(tiny_library)

    assert not app.state.access.has_log_in
    assert app.state.access.log_out_token(Request({"type": "http", "headers": []})) is None


def test_a_server_for_everybody_is_not_made(tiny_library: Library) -> None:
    with pytest.raises(ConfigError, match="let everybody in"):
        create_app(tiny_library, config=ServerConfig(host="0.0.0.0"))
    with pytest.raises(ConfigError, match="is no origin"):
        create_app(tiny_library, config=ServerConfig(cors_origins=("*",)))
    with pytest.raises(ConfigError, match="There is no file of accounts"):
        create_app(tiny_library, config=ServerConfig(users_file="/absent/users.toml"))


def test_libraries_of_accounts_that_are_not_served_are_told(
    tiny_library: Library, config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    config = config.model_copy(update={"page": False})
    create_app({"tiny": tiny_library}, config=config)
    assert "is served" not in caplog.text

    create_app({"other": tiny_library}, config=config)

    [told] = [record for record in caplog.records if "is served" in record.getMessage()]
    assert told.levelname == "WARNING"
    assert "no library 'tiny' is served" in told.getMessage()
    assert told.getMessage().endswith(": anna, ben")


def test_accounts_are_those_of_the_file_that_is_configured(config: ServerConfig) -> None:
    users = open_users(config)

    assert users is not None
    assert set(users.accounts()) == {"anna", "ben"}
    assert open_users(ServerConfig()) is None
    assert KEY_USER.name not in users.accounts()
