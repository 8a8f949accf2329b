"""Nothing is reached without a user but the log-in, the health and the scripts of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nicegui import __version__
from starlette.websockets import WebSocketDisconnect

from florilegium.config_sections import ServerConfig
from florilegium.server.account_book import Users
from florilegium.server.guard import is_public
from tests.unit.server.access_samples import (
    ANNA_KEY,
    PASSWORD,
    SOCKET,
    account,
    client_of,
    guarded,
    log_in,
    users_file,
    write_users,
)
from tests.unit.server.samples import HERE, assert_error

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HEADERS = {"Authorization": f"Bearer {ANNA_KEY}"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return users_file(tmp_path)


@pytest.fixture
def app(file: Path) -> Any:
    return guarded(ServerConfig(), Users(file))


@pytest.mark.parametrize("path", ["/api/me", "/page", "/absent", "/docs", "/openapi.json"])
def test_a_program_without_a_key_gets_an_error(app: Any, path: str) -> None:
    answer = client_of(app).get(path)

    assert_error(answer, 401, "request_unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_person_is_sent_to_the_log_in_and_back(app: Any) -> None:
    answer = client_of(app).get("/page?library=a&x=%E8%8A%B1", headers=BROWSER)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fpage%3Flibrary%3Da%26x%3D%25E8%258A%25B1"


@pytest.mark.parametrize("path", ["/api/me", "/v1/models", "/mcp", "/metrics", "/openapi.json"])
def test_an_address_for_programs_never_sends_to_the_log_in(app: Any, path: str) -> None:
    answer = client_of(app).get(path, headers=BROWSER)

    assert_error(answer, 401, "request_unauthenticated", path=path)


def test_only_looking_sends_to_the_log_in(app: Any) -> None:
    assert client_of(app).post("/page", headers=BROWSER).status_code == 401


def test_the_health_is_for_everybody(app: Any) -> None:
    assert client_of(app).get("/api/health").json() == "up"


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("/login", True),
        ("/logout", True),
        ("/api/health", True),
        (f"/_nicegui/{__version__}/static/nicegui.js", True),
        (f"/_nicegui/{__version__}/components/abc", True),
        ("/_nicegui/3/static/nicegui.js", False),
        ("/_nicegui/x/components/abc", False),
        ("/", False),
        ("/login/", False),
        ("/login/../api/me", False),
        ("//login", False),
        ("/LOGIN", False),
        ("/api/health/x", False),
        ("/_nicegui/client/static/abc", False),
        (f"/_nicegui/{__version__}/other/static/x", False),
        ("/x/_nicegui/3/static/y", False),
        ("/_nicegui_ws/socket.io", False),
    ],
)
def test_few_addresses_are_public(path: str, public: bool) -> None:
    assert is_public({"type": "http", "path": path}) is public
    assert not is_public({"type": "websocket", "path": path})


def test_the_user_of_a_key_is_told_to_routes(app: Any) -> None:
    assert client_of(app).get("/api/me", headers=HEADERS).json() == "anna"


def test_who_tried_too_many_keys_is_told_when_to_come_again(app: Any) -> None:
    client = client_of(app)
    wrong = {"Authorization": "Bearer wrong"}
    assert {client.get("/api/me", headers=wrong).status_code for _ in range(20)} == {401}

    answer = client.get("/api/me", headers=wrong)

    assert_error(answer, 429, "server_busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert client.get("/api/me", headers=HEADERS).json() == "anna"


def test_a_damaged_file_of_accounts_is_told_without_its_place(app: Any, file: Path) -> None:
    file.write_text("[users", encoding="utf-8")

    answer = client_of(app).get("/api/me", headers=HEADERS)

    error = assert_error(answer, 500, "config_invalid")
    assert str(file) not in str(error)


def test_a_websocket_needs_a_user(app: Any) -> None:
    with pytest.raises(WebSocketDisconnect), client_of(app).websocket_connect(SOCKET):
        pass


@pytest.mark.parametrize("change", ["password", "removal", "rights", "damage"])
def test_an_open_websocket_ends_when_the_account_changes(app: Any, file: Path, change: str) -> None:
    client = client_of(app)
    assert log_in(client, name="ben", password=PASSWORD) == 303

    with client.websocket_connect(SOCKET, headers={"Origin": HERE}) as socket:
        socket.send_text("a")
        assert socket.receive_text() == "ben: a"
        if change == "password":
            write_users(file, account("ben", password="another one"))
        elif change == "removal":
            write_users(file, account("anna"))
        elif change == "rights":
            text = file.read_text(encoding="utf-8").replace('["tiny"]', '["other"]')
            file.write_text(text, encoding="utf-8")
        else:
            file.write_text("[", encoding="utf-8")
        socket.send_text("b")

        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
