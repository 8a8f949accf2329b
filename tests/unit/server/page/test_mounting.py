"""The page lies behind all routes, needs nothing from elsewhere, and is each user's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from nicegui import Client, __version__
from pydantic import SecretStr
from starlette.websockets import WebSocketDisconnect

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError
from florilegium.server.app import create_app
from florilegium.server.authentication import Authentication
from florilegium.server.chats import Chats
from florilegium.server.page.mounting import CHATS_FILE, POLICY
from florilegium.server.served import identity_of
from florilegium.server.users import User
from tests.unit.server.samples import HERE, assert_error
from tests.unit.server.test_chats import write_schema_1


def test_the_page_is_at_the_root_and_lets_nothing_in_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    addresses = re.findall(r"https?://[^\s\"'<>\\)]+", answer.text)
    assert [one for one in addresses if not one.startswith("http://www.w3.org/")] == []
    assert "set-cookie" not in answer.headers


def test_a_header_moves_no_address_of_the_page_below_a_path(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Authentication, "user", lambda *_: User(name="anna"))
    answer = client.get("/", headers={"X-Forwarded-Prefix": "/museum"})

    assert answer.status_code == 200
    assert "museum" not in answer.text


def test_what_is_no_page_has_the_one_shape_of_errors(client: TestClient) -> None:
    assert_error(client.get("/nothing"), 404, "not_found")
    assert_error(client.get("/api/nothing"), 404, "not_found")
    assert_error(client.post("/api/health"), 405, "request_refused")


def test_scripts_and_the_sign_of_the_page_are_there(client: TestClient) -> None:
    script = re.search(r"/_nicegui/[^\"]+/static/nicegui\.js", client.get("/").text)

    assert script is not None
    assert client.get(script[0]).status_code == 200
    assert client.get("/favicon.ico").headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    "path",
    [
        "/_nicegui/nothing",
        "/_nicegui/0.0.1/static/nicegui.js",
        "/_nicegui/auto/static/x",
        f"/_nicegui/{__version__}/nothing",
        f"/_nicegui/{__version__}/static/nothing",
        f"/_nicegui/{__version__}/libraries/nothing",
        f"/_nicegui/{__version__}/esm/nothing/index.js",
        "/_nicegui/client/nobody/upload/1",
    ],
)
def test_an_unknown_address_of_the_toolkit_makes_no_page(client: TestClient, path: str) -> None:
    before = set(Client.instances)

    assert_error(client.get(path), 404, "not_found")

    assert set(Client.instances) == before


def test_a_wrong_method_for_the_toolkit_has_the_one_shape_of_errors(client: TestClient) -> None:
    path = f"/_nicegui/{__version__}/libraries/x"

    assert_error(client.post(path), 405, "request_refused")


def test_without_a_page_there_is_none(tiny_library: Library, tmp_path: Path) -> None:
    config = ServerConfig(page=False, folder=str(tmp_path))
    with TestClient(create_app(tiny_library, config=config), base_url=HERE) as client:
        assert_error(client.get("/"), 404, "not_found")
    assert not (tmp_path / CHATS_FILE).exists()


def test_nothing_is_written_into_the_current_folder(
    tiny_library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    config = ServerConfig(folder=str(tmp_path / "server"))

    with TestClient(create_app(tiny_library, config=config), base_url=HERE) as client:
        client.get("/")

    assert list(here.iterdir()) == []
    assert (tmp_path / "server" / CHATS_FILE).exists()


def test_chats_follow_a_library_when_it_is_served_under_another_name(
    tiny_library: Library, tmp_path: Path
) -> None:
    config = ServerConfig(folder=str(tmp_path))
    file = tmp_path / CHATS_FILE
    write_schema_1(file)  # with a chat of anna's about "flowers"

    seen = []
    for name in ("flowers", "roses"):
        with TestClient(create_app({name: tiny_library}, config=config), base_url=HERE):
            chats = Chats(file, max_chats=9)
            chats.open()
            seen.append(len(chats.all_of("anna", identity_of(tiny_library.root))))
            chats.close()

    assert seen == [1, 1]


def test_one_server_with_a_page_runs_in_a_process_at_a_time(tiny_library: Library) -> None:
    first, second = create_app(tiny_library), create_app(tiny_library)

    with TestClient(first, base_url=HERE) as client:
        with pytest.raises(ConfigError, match="Another server"), TestClient(second):
            pass
        assert client.get("/").status_code == 200
    with TestClient(second, base_url=HERE) as client:
        assert client.get("/").status_code == 200


def test_each_app_shows_its_own_libraries(tiny_library: Library) -> None:
    for count in (1, 2, 1):
        app = create_app({f"library-{number}": tiny_library for number in range(count)})
        with TestClient(app, base_url=HERE) as client:
            # The style sheet, which names everything, is in the page too.
            shown = client.get("/").text.rsplit("</style>", 1)[1]
            assert ("fl-libraries" in shown) == (count == 2)


@pytest.fixture
def guarded(tiny_library: Library) -> TestClient:
    config = ServerConfig().with_api_key(SecretStr("a-long-enough-key-for-tests"))
    return TestClient(create_app(tiny_library, config=config), base_url=HERE)


def test_without_a_log_in_the_page_and_its_parts_are_closed(guarded: TestClient) -> None:
    with guarded as client:
        html = client.get("/", headers={"accept": "text/html"}, follow_redirects=False)
        upload = client.post("/_nicegui/client/x/upload/1")

        assert html.status_code == 303
        assert html.headers["location"].startswith("/login")
        assert_error(upload, 401, "request_unauthenticated")
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("ws://localhost/_nicegui_ws/socket.io/?client_id=x"),
        ):
            pass


def test_an_opened_page_is_reached_by_its_own_user_alone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = [User(name="anna")]
    monkeypatch.setattr(Authentication, "user", lambda *_: asking[0])
    found = re.search(r"client_id[^0-9a-f]+([0-9a-f-]{36})", client.get("/").text)
    assert found is not None
    upload = f"/_nicegui/client/{found[1]}/upload/1"
    socket = f"ws://localhost/_nicegui_ws/socket.io/?client_id={found[1]}&EIO=4&transport=websocket"

    assert client.post(upload).status_code == 404  # it is hers, and has no such element
    upgrade = {"upgrade": "websocket", "connection": "Upgrade"}
    with client.websocket_connect(socket, headers=upgrade) as opened:
        assert opened.receive_text().startswith("0")
    asking[0] = User(name="berta")

    assert_error(client.post(upload), 403, "request_forbidden")
    for address in (socket, "ws://localhost/_nicegui_ws/socket.io/?EIO=4&transport=websocket"):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(address):
            pass


def test_with_other_rights_a_user_does_not_reach_a_page_opened_before(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = [User(name="anna", may_write=True)]
    monkeypatch.setattr(Authentication, "user", lambda *_: asking[0])
    found = re.search(r"client_id[^0-9a-f]+([0-9a-f-]{36})", client.get("/").text)
    assert found is not None
    upload = f"/_nicegui/client/{found[1]}/upload/1"

    assert client.post(upload).status_code == 404  # it is hers, and has no such element
    asking[0] = User(name="anna")

    assert_error(client.post(upload), 403, "request_forbidden")


def test_a_socket_of_one_page_says_nothing_for_another(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(
        Client, "handle_javascript_response", lambda page, message: heard.append(page.id)
    )
    pages = [
        found[1]
        for found in (
            re.search(r"client_id[^0-9a-f]+([0-9a-f-]{36})", client.get("/").text) for _ in range(2)
        )
        if found is not None
    ]
    assert len(set(pages)) == 2
    socket = f"ws://localhost/_nicegui_ws/socket.io/?client_id={pages[0]}&EIO=4&transport=websocket"

    upgrade = {"upgrade": "websocket", "connection": "Upgrade"}
    with client.websocket_connect(socket, headers=upgrade) as opened:
        assert opened.receive_text().startswith("0")
        opened.send_text("40")
        assert opened.receive_text().startswith("40")
        for number, page in enumerate((pages[1], pages[0])):
            opened.send_text(f'42{number}["javascript_response",{{"client_id":"{page}"}}]')
            assert opened.receive_text().startswith(f"43{number}")

    assert heard == [pages[0]]
