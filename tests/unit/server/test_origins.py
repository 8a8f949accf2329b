"""Pages of other origins act for nobody: neither by forms, fetches nor WebSockets (CSRF, CORS)."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError
from florilegium.server.origins import check_origins
from tests.unit.server.access_samples import (
    SERVER_KEY,
    SOCKET,
    client_of,
    guarded,
    log_in,
    with_key,
)
from tests.unit.server.samples import assert_error

KEY = {"Authorization": f"Bearer {SERVER_KEY}"}
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FRIEND = "https://friend.example"
HOSTILE = "https://evil.example"


@pytest.fixture
def config() -> ServerConfig:
    return with_key(ServerConfig(cors_origins=(FRIEND,)))


@pytest.fixture
def client(config: ServerConfig) -> TestClient:
    """Return a browser with a session."""
    client = client_of(guarded(config))
    assert log_in(client, key=SERVER_KEY) == 303
    assert client.get("/api/me").json() == "key"
    return client


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},
    ],
)
def test_pages_of_this_server_and_programs_may_act(
    client: TestClient, headers: dict[str, str]
) -> None:
    assert client.post("/api/me", headers=headers).json() == "key"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": HOSTILE},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://x.localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": HOSTILE},
        {"Origin": "null"},
        {"Origin": "http://localhost:9000"},
        {"Origin": "http://[evil"},
        {"Sec-Fetch-Site": "cross-site", **LINK},
    ],
)  # fmt: skip
def test_pages_of_others_may_not(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/api/me", "/login", "/logout"):
        assert_error(client.post(path, headers=headers), 403, "request_forbidden")
    assert client.get("/api/me").json() == "key"  # nobody was logged out


@pytest.mark.parametrize(
    ("mode", "kind", "status"),
    [("navigate", "document", 200), ("navigate", "iframe", 403), ("no-cors", "image", 403)],
)
def test_a_link_leads_here_and_an_embedding_does_not(
    client: TestClient, mode: str, kind: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": kind}

    assert client.get("/page", headers=headers).status_code == status


def test_an_origin_that_is_allowed_uses_the_api_by_a_key(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}
    without = client_of(client.app)  # type: ignore[arg-type]  # the app of a client

    answer = without.post("/api/me", headers={**headers, **KEY})

    assert answer.json() == "key"
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "access-control-allow-credentials" not in answer.headers


def test_a_cookie_does_not_count_for_an_origin_that_is_allowed(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}

    assert_error(client.post("/api/me", headers=headers), 401, "request_unauthenticated")


def test_an_origin_is_allowed_at_the_api_only(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}

    assert_error(client.post("/login", headers=headers), 403, "request_forbidden")
    assert "access-control-allow-origin" not in client.get("/page", headers=headers).headers


@pytest.mark.parametrize(("origin", "status"), [(FRIEND, 200), (HOSTILE, 403)])
def test_browsers_are_told_who_may_use_the_api(
    client: TestClient, origin: str, status: int
) -> None:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }

    answer = client.options("/api/me", headers=headers)

    assert answer.status_code == status
    assert ("access-control-allow-origin" in answer.headers) is (status == 200)


MCP_HEADERS = (
    "authorization", "content-type", "last-event-id", "mcp-method", "mcp-name",
    "mcp-protocol-version", "mcp-session-id",
)  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_browsers_are_told_that_a_client_of_mcp_may_speak_from_an_origin_that_is_allowed(
    config: ServerConfig, method: str
) -> None:
    headers = {
        "Origin": FRIEND,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ", ".join(MCP_HEADERS),
    }

    answer = client_of(guarded(config)).options("/mcp", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == FRIEND
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(MCP_HEADERS) <= set(allowed)


def test_a_client_of_mcp_in_a_page_that_is_allowed_reads_its_session(config: ServerConfig) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}

    answer = client_of(guarded(config)).post("/mcp", headers={**headers, **KEY})

    assert answer.json() == "key"
    assert answer.headers["access-control-allow-origin"] == FRIEND
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert {"mcp-session-id", "retry-after"} <= set(exposed)


def test_a_cookie_does_not_count_for_a_client_of_mcp(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}

    assert_error(client.post("/mcp", headers=headers), 401, "request_unauthenticated")
    assert client.post("/mcp").json() == "key"  # though it does for a page of this server


@pytest.mark.parametrize(("path", "origin"), [("/mcp", HOSTILE), ("/mcp-else", FRIEND)])
def test_others_may_not_speak_mcp_and_it_is_at_one_path(
    client: TestClient, path: str, origin: str
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": origin}
    asks = {"Access-Control-Request-Method": "POST"}

    for answer in (
        client.post(path, headers=headers),
        client.options(path, headers={**headers, **asks}),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_key_with_a_cookie_is_no_program(client: TestClient) -> None:
    answer = client.post("/api/me", headers={"Origin": HOSTILE, **KEY})

    assert_error(answer, 403, "request_forbidden")


def test_a_key_without_a_cookie_may_come_from_anywhere(config: ServerConfig) -> None:
    # As from an extension of a browser; no page can make a browser send a key it does not know.
    answer = client_of(guarded(config)).post("/api/me", headers={"Origin": HOSTILE, **KEY})

    assert answer.json() == "key"
    assert "access-control-allow-origin" not in answer.headers


def test_a_password_that_a_browser_sends_by_itself_is_no_key(config: ServerConfig) -> None:
    headers = {"Origin": HOSTILE, "Authorization": "Basic YTpi"}

    assert client_of(guarded(config)).post("/api/me", headers=headers).status_code == 403


def test_without_keys_pages_of_others_are_kept_out_too() -> None:
    client = client_of(guarded(ServerConfig()), address="127.0.0.1")

    assert client.post("/api/me").json() == "local"
    assert client.post("/api/me", headers={"Origin": HOSTILE}).status_code == 403
    assert client.get("/api/me", headers={"Origin": HOSTILE}).status_code == 403


@pytest.mark.parametrize("origin", [HOSTILE, FRIEND, "null", "http://localhost:9000"])
def test_no_page_of_another_origin_opens_a_websocket(client: TestClient, origin: str) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(SOCKET, headers={"Origin": origin}),
    ):
        pass


def test_a_page_of_this_server_opens_a_websocket(client: TestClient) -> None:
    with client.websocket_connect(SOCKET, headers={"Origin": "http://localhost"}) as socket:
        socket.send_text("hello")

        assert socket.receive_text() == "key: hello"


@pytest.mark.parametrize(
    "origin", ["*", "friend.example", "https://a.example/", "https://a.example/x", "ftp://a", ""]
)
def test_an_origin_that_is_none_stops_the_start(origin: str) -> None:
    with pytest.raises(ConfigError, match="is no origin"):
        check_origins([origin])


def test_an_origin_may_be_written_with_capitals() -> None:
    config = with_key(ServerConfig(cors_origins=("https://Friend.Example",)))
    headers = {"Origin": "https://friend.example", "Authorization": f"Bearer {SERVER_KEY}"}

    answer = client_of(guarded(config)).get("/api/me", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"


def test_origins_may_have_ports() -> None:
    check_origins(["http://localhost:3000", "https://a.example"])


def test_an_origin_that_is_none_is_told_without_what_is_secret() -> None:
    with pytest.raises(ConfigError, match="is no origin") as caught:
        check_origins(["https://anna:s3cr3t@h?key=s3cr3t"])

    assert "s3cr3t" not in caught.value.message
