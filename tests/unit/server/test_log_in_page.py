"""People log in by a plain form, which nobody else can fill in for them, and end up here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from florilegium.config_sections import ServerConfig
from florilegium.errors import TooBusyError
from florilegium.server.account_book import Users
from florilegium.server.passwords import PasswordChecks
from tests.unit.server.access_samples import (
    PASSWORD,
    SERVER_KEY,
    account,
    client_of,
    guarded,
    log_in,
    token,
    users_file,
    with_key,
    write_users,
)
from tests.unit.server.samples import assert_error


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return users_file(tmp_path)


@pytest.fixture
def client(file: Path) -> TestClient:
    return client_of(guarded(ServerConfig(), Users(file)))


@pytest.fixture
def anna(client: TestClient) -> TestClient:
    """Return a client that has logged in."""
    assert log_in(client, name="anna", password=PASSWORD) == 303
    return client


def test_who_knows_the_password_is_let_in(client: TestClient) -> None:
    assert client.get("/api/me").status_code == 401

    assert log_in(client, name="anna", password=PASSWORD) == 303

    assert client.get("/api/me").json() == "anna"


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong horse"), ("carl", PASSWORD), ("", ""), ("anna", ""), ("key", SERVER_KEY)],
)
def test_others_are_not_and_are_not_told_what_was_wrong(
    client: TestClient, name: str, password: str
) -> None:
    fields = {"token": token(client), "name": name, "password": password}
    answer = client.post("/login", data=fields)

    assert answer.status_code == 401
    assert "This name and this password do not belong together." in answer.text
    assert "florilegium_session" not in client.cookies
    assert client.get("/api/me").status_code == 401


def test_with_the_key_of_the_server_alone_the_form_asks_for_it() -> None:
    client = client_of(guarded(with_key(ServerConfig())))
    page = client.get("/login").text

    assert 'name="key"' in page
    assert 'name="password"' not in page
    assert log_in(client, key="wrong") == 401
    assert log_in(client, key=SERVER_KEY) == 303
    assert client.get("/api/me").json() == "key"


def test_without_keys_and_accounts_there_is_no_log_in() -> None:
    client = client_of(guarded(ServerConfig()))

    assert_error(client.get("/login"), 404, "not_found")


def test_who_is_logged_in_goes_on(anna: TestClient) -> None:
    assert anna.get("/login?next=/page").headers["location"] == "/page"


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/page?a=%E8%8A%B1&b=1#c", "/page?a=%E8%8A%B1&b=1#c"),
        ("", "/"),
        ("page", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\..\\evil", "/"),
        ("\\\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/a\r\nSet-Cookie: a=b", "/"),
        (" //evil.example", "/"),
        ("/花", "/"),
    ],
)
def test_the_log_in_leads_to_this_server_only(
    client: TestClient, wanted: str, reached: str
) -> None:
    fields = {"token": token(client), "next": wanted, "name": "anna", "password": PASSWORD}
    answer = client.post("/login", data=fields)

    assert answer.status_code == 303
    assert answer.headers["location"] == reached
    assert client.get("/login", params={"next": wanted}).headers["location"] == reached


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/library/?tab=chat", "/library/?tab=chat"),
        ("/library", "/library/"),
        ("/librarynext/", "/library/"),
        ("/", "/library/"),
        ("", "/library/"),
    ],
)
def test_below_a_path_the_log_in_leads_nowhere_else(
    anna: TestClient, wanted: str, reached: str
) -> None:
    below = TestClient(
        anna.app, base_url="http://localhost", root_path="/library", follow_redirects=False
    )
    below.cookies = anna.cookies

    answer = below.get("/library/login", params={"next": wanted})

    assert (answer.status_code, answer.headers["location"]) == (303, reached)


def test_the_page_is_escaped(client: TestClient) -> None:
    page = client.get("/login", params={"next": '/"><script>alert(1)</script>'}).text

    assert "<script" not in page
    assert 'value="/&#34;&gt;&lt;script&gt;' in page


def test_a_name_that_was_typed_is_kept_and_escaped(client: TestClient) -> None:
    fields = {"token": token(client), "name": '"><script>alert(1)</script>', "password": "x"}
    page = client.post("/login", data=fields).text

    assert "<script" not in page
    assert 'value="&#34;&gt;&lt;script&gt;' in page
    assert PASSWORD not in page


@pytest.mark.parametrize("changed", ["", "x", "another"])
def test_a_form_of_somebody_else_is_not_taken(client: TestClient, file: Path, changed: str) -> None:
    other = client_of(guarded(ServerConfig(), Users(file)))
    client.get("/login")  # so that there is the cookie of a form
    value = token(other) if changed == "another" else changed
    answer = client.post("/login", data={"token": value, "name": "anna", "password": PASSWORD})

    assert answer.status_code == 403
    assert "open for too long" in answer.text
    assert client.get("/api/me").status_code == 401


def test_a_token_without_its_cookie_is_not_taken(client: TestClient) -> None:
    value = token(client)
    client.cookies.clear()

    fields = {"token": value, "name": "anna", "password": PASSWORD}
    assert client.post("/login", data=fields).status_code == 403


def test_a_session_ends_when_the_password_is_changed(anna: TestClient, file: Path) -> None:
    write_users(file, account("anna", password="another one"))

    assert anna.get("/api/me").status_code == 401
    assert log_in(anna, name="anna", password="another one") == 303
    assert anna.get("/api/me").json() == "anna"


def test_a_password_that_is_changed_while_it_is_checked_begins_no_session(
    client: TestClient, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = PasswordChecks.check

    async def check(self: PasswordChecks, *given: str) -> bool:
        is_right = await checked(self, *given)
        write_users(file, account("anna", password="another one"))
        return is_right

    monkeypatch.setattr(PasswordChecks, "check", check)
    log_in(client, name="anna", password=PASSWORD)

    assert client.get("/api/me").status_code == 401


def test_a_cookie_that_was_tampered_with_is_none(anna: TestClient) -> None:
    cookie = anna.cookies["florilegium_session"]
    anna.cookies.clear()
    for changed in (cookie[:-3] + "AAA", "A" + cookie[1:], cookie.partition(".")[0]):
        headers = {"Cookie": f"florilegium_session={changed}"}
        assert anna.get("/api/me", headers=headers).status_code == 401
    headers = {"Cookie": f"florilegium_session={cookie}"}
    assert anna.get("/api/me", headers=headers).status_code == 200


def test_who_logs_out_is_out_with_every_copy_of_the_cookie(anna: TestClient) -> None:
    copy = {"Cookie": f"florilegium_session={anna.cookies['florilegium_session']}"}
    page = anna.get("/logout")
    assert "Do you want to log out?" in page.text

    answer = anna.post("/logout", data={"token": token(anna, "/logout")})

    assert answer.headers["location"] == "/login"
    assert answer.headers["clear-site-data"] == '"cache"'
    assert "florilegium_session" not in anna.cookies
    assert anna.get("/api/me", headers=copy).status_code == 401


def test_nobody_is_logged_out_without_a_form_of_their_own(anna: TestClient) -> None:
    answer = anna.post("/logout", data={"token": token(client_of(anna.app), "/login")})  # type: ignore[arg-type]  # the app of a client

    assert answer.headers["location"] == "/logout"  # which asks
    assert anna.get("/api/me").json() == "anna"


def test_who_is_not_logged_in_has_nothing_to_log_out_of(client: TestClient) -> None:
    assert client.get("/logout").headers["location"] == "/login"
    assert client.post("/logout").headers["location"] == "/login"


def test_the_eleventh_attempt_of_an_address_waits(client: TestClient) -> None:
    statuses = [log_in(client, name=f"user{n}", password=PASSWORD) for n in range(11)]

    assert statuses == [401] * 10 + [429]
    fields = {"token": token(client), "name": "anna", "password": PASSWORD}
    answer = client.post("/login", data=fields)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "Try again in" in answer.text


def test_the_sixth_attempt_at_a_name_waits_and_keeps_nobody_else_out(file: Path) -> None:
    app = guarded(ServerConfig(), Users(file))
    attacker = client_of(app, address="192.0.2.66")

    statuses = [log_in(attacker, name="anna", password="wrong horse") for _ in range(6)]

    assert statuses == [401] * 5 + [429]
    assert log_in(client_of(app), name="anna", password=PASSWORD) == 303
    assert log_in(attacker, name="ben", password=PASSWORD) == 303


def test_a_browser_that_has_logged_in_before_gets_in_whatever_others_try(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each takes a hash of a password.
    monkeypatch.setattr("florilegium.server.attempts.LOG_INS_OF_NAME_FROM_EVERYWHERE", 8)
    monkeypatch.setattr("florilegium.server.attempts.LOG_INS_OF_ADDRESS", 4)
    app = guarded(ServerConfig(), Users(file))
    known, new = client_of(app), client_of(app, address="203.0.113.1")
    assert log_in(known, name="anna", password=PASSWORD) == 303
    known.post("/logout", data={"token": token(known, "/logout")})
    for n in range(8):
        log_in(client_of(app, address=f"192.0.2.{n}"), name="anna", password="wrong horse")
    for n in range(4):  # from the very address
        log_in(client_of(app), name=f"user{n}", password="wrong horse")

    fields = {"token": token(new), "name": "anna", "password": PASSWORD}
    turned_away = new.post("/login", data=fields)
    assert turned_away.status_code == 429
    assert "Try again in 60 minutes." in turned_away.text
    assert log_in(known, name="ben", password=PASSWORD) == 429  # where he never logged in
    assert log_in(known, name="anna", password="wrong horse") == 401
    assert log_in(known, name="anna", password=PASSWORD) == 303


def test_a_known_browser_has_five_attempts_in_a_minute(anna: TestClient) -> None:
    copy = {"Cookie": f"florilegium_device={anna.cookies['florilegium_device']}"}
    anna.cookies.clear()
    anna.headers.update(copy)
    value = token(anna)
    anna.headers["Cookie"] += f"; florilegium_form={anna.cookies['florilegium_form']}"
    fields = {"token": value, "name": "anna", "password": "wrong horse"}

    statuses = [anna.post("/login", data=fields).status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]
    assert anna.get("/api/me").status_code == 401


def test_with_the_key_of_the_server_a_known_browser_passes_too() -> None:
    app = guarded(with_key(ServerConfig()))
    known = client_of(app)
    assert log_in(known, key=SERVER_KEY) == 303
    known.post("/logout", data={"token": token(known, "/logout")})
    for _ in range(10):
        log_in(client_of(app), key="wrong")

    assert log_in(client_of(app), key=SERVER_KEY) == 429
    assert log_in(known, key=SERVER_KEY) == 303


def test_a_crowd_that_logs_in_is_told_to_wait(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: object) -> bool:
        raise TooBusyError("No.")

    monkeypatch.setattr(PasswordChecks, "check", busy)
    fields = {"token": token(client), "name": "anna", "password": PASSWORD}
    answer = client.post("/login", data=fields)

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "5"


def test_a_damaged_file_of_accounts_is_told_without_its_place(
    client: TestClient, file: Path
) -> None:
    fields = {"token": token(client), "name": "anna", "password": PASSWORD}
    file.write_text("[", encoding="utf-8")

    answer = client.post("/login", data=fields)

    assert answer.status_code == 500
    assert "lets nobody in" in answer.text
    assert str(file) not in answer.text


def test_a_cookie_of_a_damaged_file_still_shows_the_form(anna: TestClient, file: Path) -> None:
    file.write_text("[", encoding="utf-8")

    assert anna.get("/login").status_code == 500


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"a=" + b"x" * 17_000, 413, "request_too_large"),
        (b"&".join(b"a%d=1" % n for n in range(11)), 422, "request_invalid"),
    ],
)
def test_a_body_that_is_no_form_of_ours_is_refused(
    client: TestClient, body: bytes, status: int, code: str
) -> None:
    for path in ("/login", "/logout"):
        assert_error(client.post(path, content=body), status, code)


def test_bytes_that_are_no_text_are_no_password(client: TestClient) -> None:
    content = f"token={token(client)}&name=%FF%ED%A0%80&password=%FF".encode()

    assert client.post("/login", content=content).status_code == 401


@pytest.fixture
def secure(file: Path) -> Iterator[TestClient]:
    """Return a client that came by https."""
    with client_of(guarded(ServerConfig(), Users(file)), base_url="https://localhost") as client:
        yield client


def test_over_https_the_cookie_is_bound_to_it(secure: TestClient) -> None:
    assert log_in(secure, name="anna", password=PASSWORD) == 303

    assert secure.get("/api/me").json() == "anna"
    assert "__Host-florilegium_session" in secure.cookies


def test_the_cookie_says_how_long_the_session_lasts(client: TestClient) -> None:
    fields = {"token": token(client), "name": "anna", "password": PASSWORD}
    answer = client.post("/login", data=fields)
    cookies = {one.partition("=")[0]: one for one in answer.headers.get_list("set-cookie")}

    assert "Max-Age=604800" in cookies["florilegium_session"]
    assert "Max-Age=31536000" in cookies["florilegium_device"]
    assert "Max-Age=0" in cookies["florilegium_form"]
    assert all("HttpOnly" in one and "SameSite=Lax" in one for one in cookies.values())


def test_the_page_speaks_chinese_and_runs_nothing(client: TestClient) -> None:
    answer = client.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9"})

    assert '<html lang="zh">' in answer.text
    assert "登录" in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
