"""Who makes a request is found by a key or a session, and errors tell nothing of either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError, UnauthenticatedError
from florilegium.server import authentication as module
from florilegium.server.account_book import Users
from florilegium.server.attempts import Attempts
from florilegium.server.authentication import (
    CROSS_ORIGIN,
    Authentication,
    TooManyKeysError,
    bearer,
    check_exposure,
    current_user,
    is_loopback,
)
from florilegium.server.cookies import SESSION
from florilegium.server.sessions import Sessions
from florilegium.server.users import KEY_USER, LOCAL_USER
from tests.unit.server.access_samples import ANNA_KEY, SERVER_KEY, account, users_file, write_users

SESSIONS = Sessions(b"k" * 32, seconds=3600.0)


def scope(
    *,
    key: str | None = None,
    cookie: str | None = None,
    server: str = "127.0.0.1",
    client: str = "192.0.2.7",
) -> dict[str, Any]:
    """Return a request."""
    headers = []
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    if cookie is not None:
        headers.append((b"cookie", f"{SESSION}={cookie}".encode()))
    return {
        "type": "http",
        "scheme": "http",
        "headers": headers,
        "server": (server, 8000),
        "client": (client, 5000),
    }


def make(users: Users | None = None, *, key: str | None = None) -> Authentication:
    config = ServerConfig()
    config = config if key is None else config.with_api_key(SecretStr(key))
    return Authentication(config, users=users, sessions=SESSIONS, attempts=Attempts())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return users_file(tmp_path)


def test_without_key_and_accounts_this_machine_is_let_in_whatever_key_it_sends() -> None:
    authentication = make()

    assert authentication.is_open
    assert authentication.user(scope(client="127.0.0.1")) == LOCAL_USER
    here = scope(server="::1", client="::1", key="sk-whatever")
    assert authentication.user(here) == LOCAL_USER


@pytest.mark.parametrize(
    "header",
    [b"x-forwarded-for", b"x-forwarded-server", b"forwarded", b"via", b"x-real-ip",
     b"cf-connecting-ip"],
)  # fmt: skip
def test_without_key_and_accounts_what_a_proxy_passes_on_is_not_let_in(header: bytes) -> None:
    passed_on = scope(client="127.0.0.1")
    passed_on["headers"].append((header, b"127.0.0.1"))

    with pytest.raises(UnauthenticatedError, match="of this machine"):
        make().user(passed_on)
    with pytest.raises(UnauthenticatedError):
        make().user(scope(client="203.0.113.9"))


def test_without_key_and_accounts_a_page_of_another_origin_is_nobody() -> None:
    crossing = {**scope(client="127.0.0.1"), "state": {CROSS_ORIGIN: True}}

    with pytest.raises(UnauthenticatedError):
        make().user(crossing)


@pytest.mark.parametrize("server", ["192.0.2.1", "10.0.0.1", "testserver", ""])
def test_without_key_and_accounts_no_other_address_is_served(server: str) -> None:
    # An app that is served otherwise than by `florilegium serve` listens where it is not told.
    with pytest.raises(UnauthenticatedError, match="of this machine"):
        make().user(scope(server=server))
    with pytest.raises(UnauthenticatedError):
        make().user({**scope(), "server": None})


def test_the_key_of_the_server_lets_in() -> None:
    authentication = make(key=SERVER_KEY)

    assert not authentication.is_open
    assert authentication.user(scope(key=SERVER_KEY)) == KEY_USER
    assert authentication.user_of_server_key(SERVER_KEY) == KEY_USER


@pytest.mark.parametrize(
    "key", ["", "x", SERVER_KEY[1:], SERVER_KEY + "x", SERVER_KEY.upper(), "é"]
)
def test_another_key_does_not(key: str) -> None:
    authentication = make(key=SERVER_KEY)

    with pytest.raises(UnauthenticatedError, match="not one of this server") as caught:
        authentication.user(scope(key=key))
    assert len(key) < 3 or key not in f"{caught.value.message}{caught.value.hint}"
    assert authentication.user_of_server_key(key) is None


def test_where_there_is_no_server_key_no_key_is_it(file: Path) -> None:
    assert make(Users(file)).user_of_server_key("") is None
    with pytest.raises(UnauthenticatedError):
        make(Users(file)).user(scope(key=""))


def test_the_key_of_a_user_is_that_user(file: Path) -> None:
    authentication = make(Users(file), key=SERVER_KEY)

    assert authentication.user(scope(key=ANNA_KEY)).name == "anna"
    assert authentication.user(scope(key=SERVER_KEY)) == KEY_USER


def test_all_keys_are_compared_whichever_fits(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users(file)
    authentication = make(users, key=SERVER_KEY)
    seen: list[str] = []

    def compare(one: str, other: str) -> bool:
        seen.append("server")
        return one == other

    monkeypatch.setattr(module, "same", compare)
    monkeypatch.setattr(users, "user_of_key", lambda _: seen.append("account"))

    assert authentication.user(scope(key=SERVER_KEY)) == KEY_USER

    assert seen == ["server", "account"]


@pytest.mark.parametrize("value", [b"Basic YTpi", b"fl_anna", b"bearerfl_anna", b""])
def test_what_is_no_bearer_is_no_key(value: bytes) -> None:
    assert bearer({"headers": [(b"authorization", value)]}) is None
    with pytest.raises(UnauthenticatedError, match="has no key"):
        make(key=SERVER_KEY).user({**scope(), "headers": [(b"authorization", value)]})


def test_a_wrong_key_is_not_made_good_by_a_session(file: Path) -> None:
    authentication = make(Users(file))
    anna = authentication.begin_session(account("anna").user)

    assert authentication.user(scope(cookie=anna)).name == "anna"
    with pytest.raises(UnauthenticatedError):
        authentication.user(scope(cookie=anna, key="wrong"))


def test_after_many_wrong_keys_the_next_wrong_one_waits_and_right_ones_do_not(file: Path) -> None:
    authentication = make(Users(file), key=SERVER_KEY)
    for _ in range(20):
        with pytest.raises(UnauthenticatedError):
            authentication.user(scope(key="wrong"))

    for _ in range(2):
        with pytest.raises(TooManyKeysError) as caught:
            authentication.user(scope(key="wrong"))
        assert 1 <= caught.value.seconds <= 60
        assert authentication.user(scope(key=SERVER_KEY)) == KEY_USER
        assert authentication.user(scope(key=ANNA_KEY)).name == "anna"
    with pytest.raises(UnauthenticatedError):
        authentication.user(scope(key="wrong", client="192.0.2.8"))


def test_right_keys_are_not_counted() -> None:
    authentication = make(key=SERVER_KEY)

    assert {authentication.user(scope(key=SERVER_KEY)).name for _ in range(50)} == {"key"}


def test_a_session_ends_with_the_password_and_with_the_account(file: Path) -> None:
    authentication = make(Users(file))
    cookies = [authentication.begin_session(account(name).user) for name in ("anna", "ben")]

    write_users(file, account("anna", password="another one"))

    for cookie in cookies:
        assert authentication.session(scope(cookie=cookie)) is None
        with pytest.raises(UnauthenticatedError):
            authentication.user(scope(cookie=cookie))


def test_a_session_of_the_server_key_ends_with_the_key() -> None:
    cookie = make(key=SERVER_KEY).begin_session(KEY_USER)

    assert make(key=SERVER_KEY).user(scope(cookie=cookie)) == KEY_USER
    with pytest.raises(UnauthenticatedError):
        make(key="another").user(scope(cookie=cookie))


def test_with_accounts_nobody_logs_in_by_the_server_key(file: Path) -> None:
    authentication = make(Users(file), key=SERVER_KEY)

    with pytest.raises(UnauthenticatedError):
        authentication.begin_session(KEY_USER)


def test_a_session_does_not_count_from_another_origin(file: Path) -> None:
    authentication = make(Users(file))
    cookie = authentication.begin_session(account("anna").user)

    with pytest.raises(UnauthenticatedError):
        authentication.user({**scope(cookie=cookie), "state": {CROSS_ORIGIN: True}})


def test_rights_are_those_of_the_account_now(file: Path) -> None:
    authentication = make(Users(file))
    anna = account("anna")
    write_users(file, anna)
    cookie = authentication.begin_session(anna.user)

    assert authentication.user(scope(cookie=cookie)).libraries == frozenset({"tiny"})


def test_a_route_without_a_user_is_refused() -> None:
    with pytest.raises(UnauthenticatedError):
        current_user(Request({**scope(), "state": {}}))
    assert current_user(Request({**scope(), "state": {"user": KEY_USER}})) == KEY_USER


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_a_host_of_this_machine_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    check_exposure(ServerConfig(host=host), None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "localhost.example"])
def test_another_host_needs_a_key_or_accounts(host: str, file: Path) -> None:
    config = ServerConfig(host=host)

    with pytest.raises(ConfigError, match="let everybody in") as caught:
        check_exposure(config, None)
    assert "server.api_key_env" in str(caught.value.hint)
    check_exposure(config, Users(file))
    check_exposure(config.with_api_key(SecretStr("k" * 16)), None)


def test_a_name_of_the_network_needs_a_key_or_accounts(file: Path) -> None:
    config = ServerConfig(allowed_hosts=("localhost", "flowers.example.org"))

    with pytest.raises(ConfigError, match=r"flowers\.example\.org.*let everybody in"):
        check_exposure(config, None)
    check_exposure(config, Users(file))
    check_exposure(config.with_api_key(SecretStr("k" * 16)), None)
    check_exposure(ServerConfig(allowed_hosts=("localhost",)), None)


@pytest.mark.parametrize(
    "config",
    [
        ServerConfig(host="0.0.0.0", api_key_env="SHORT"),
        ServerConfig(allowed_hosts=("flowers.example.org",), api_key_env="SHORT"),
    ],
)
def test_a_short_key_is_refused_where_other_machines_reach_the_server(
    config: ServerConfig, file: Path
) -> None:
    for users in (None, Users(file)):
        with pytest.raises(ConfigError, match="SHORT has less than 16 characters") as caught:
            check_exposure(config.with_api_key(SecretStr("s3cret-15-chars")), users)
        assert "openssl rand -hex 32" in str(caught.value.hint)
        assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


def test_a_short_key_for_this_machine_alone_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check_exposure(ServerConfig().with_api_key(SecretStr("k" * 16)), None)
    assert not caplog.records

    check_exposure(ServerConfig(api_key_env="SHORT").with_api_key(SecretStr("k")), None)

    [told] = caplog.records
    assert told.levelname == "WARNING"
    assert "SHORT has less than 16 characters" in told.getMessage()
    assert "openssl rand -hex 32" in told.getMessage()


def test_a_key_that_is_configured_has_to_be_set(file: Path) -> None:
    config = ServerConfig(api_key_env="FLOWERS_KEY")

    for users in (None, Users(file)):
        with pytest.raises(ConfigError, match="'FLOWERS_KEY', which is not set"):
            check_exposure(config, users)
    check_exposure(config.with_api_key(SecretStr("k")), None)
