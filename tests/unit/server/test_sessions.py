"""A session is signed, and ends by time, by logging out, and with the password."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from itsdangerous import URLSafeTimedSerializer

from florilegium.errors import ConfigError
from florilegium.server.sessions import KEY_FILE, Session, Sessions, session_key

KEY = b"k" * 32


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(KEY, seconds=3600.0)


def read(sessions: Sessions, cookie: str) -> Session:
    session = sessions.read(cookie)
    assert session is not None
    return session


def test_a_session_says_who_and_with_which_password(sessions: Sessions) -> None:
    session = read(sessions, sessions.begin("张三", "hash"))

    assert session.user == "张三"
    assert sessions.fits(session, "hash")
    assert not sessions.fits(session, "another hash")
    assert "hash" not in session.fingerprint


def test_the_same_password_of_another_user_is_another(sessions: Sessions) -> None:
    anna = read(sessions, sessions.begin("anna", "hash"))
    ben = read(sessions, sessions.begin("ben", "hash"))

    assert anna.fingerprint != ben.fingerprint
    assert anna.id != ben.id


def test_no_changed_cookie_is_one(sessions: Sessions) -> None:
    cookie = sessions.begin("anna", "hash")

    for place in range(len(cookie)):
        changed = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        found = sessions.read(changed)
        # The last sign of base64 has bits that mean nothing.
        assert found is None or found == sessions.read(cookie)
    for other in ("", ".", "..", "a.b.c", cookie[:-5], "é", "\udcff"):
        assert sessions.read(other) is None


def test_a_browser_is_known_to_the_user_who_logged_in_there(sessions: Sessions) -> None:
    cookie = sessions.device_cookie("anna")
    known = sessions.device(cookie, "anna")

    assert known
    assert sessions.device(cookie, "anna") == known
    assert sessions.device(sessions.device_cookie("anna"), "anna") != known
    assert sessions.device(cookie, "ben") is None
    _, held = URLSafeTimedSerializer(b"another key").loads_unsafe(cookie)
    assert known in held
    assert "anna" not in str(held)


def test_a_cookie_of_a_browser_is_signed_and_lets_nobody_in(sessions: Sessions) -> None:
    cookie = sessions.device_cookie("anna")

    for other in ("", "a.b.c", "A" + cookie[1:], cookie[:-5], "é", sessions.begin("anna", "hash")):
        assert sessions.device(other, "anna") is None
    assert Sessions(b"x" * 32, seconds=3600.0).device(cookie, "anna") is None
    assert sessions.read(cookie) is None
    assert not sessions.is_form_token(cookie, "anna")


def test_a_browser_is_known_for_a_year(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = sessions.device_cookie("anna")

    for days, is_known in ((364, True), (366, False)):
        later = time.time() + days * 86400
        monkeypatch.setattr("itsdangerous.timed.time", SimpleNamespace(time=lambda at=later: at))
        assert (sessions.device(cookie, "anna") is not None) is is_known


def test_another_server_signs_otherwise(sessions: Sessions) -> None:
    other = Sessions(b"x" * 32, seconds=3600.0)

    assert sessions.read(other.begin("anna", "hash")) is None


def test_the_token_of_a_form_is_no_session(sessions: Sessions) -> None:
    assert sessions.read(sessions.form_token("anna")) is None


def test_a_session_lasts_so_long(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = sessions.begin("anna", "hash")
    now = time.time()

    for later, lasts in ((3590.0, True), (3610.0, False)):
        clock = SimpleNamespace(time=lambda later=later: now + later)
        monkeypatch.setattr("itsdangerous.timed.time", clock)
        assert (sessions.read(cookie) is not None) is lasts


def test_who_logs_out_ends_all_copies_of_the_cookie_and_no_other(sessions: Sessions) -> None:
    cookie, other = sessions.begin("anna", "hash"), sessions.begin("anna", "hash")

    sessions.end(read(sessions, cookie))

    assert sessions.read(cookie) is None
    assert sessions.read(other) is not None


def test_a_token_counts_with_its_cookie_only_and_for_an_hour(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sessions.form_token("mine")

    assert sessions.is_form_token(token, "mine")
    assert not sessions.is_form_token(token, "yours")
    assert not sessions.is_form_token("", "mine")
    assert not sessions.is_form_token(sessions.begin("anna", "hash"), "mine")
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time", SimpleNamespace(time=lambda: now + 3700))
    assert not sessions.is_form_token(token, "mine")


def test_the_key_is_made_once_for_the_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "server"

    key = session_key(folder)

    assert len(key) == 32
    assert session_key(folder) == key
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_key_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be read or made"):
        session_key(tmp_path / "file")
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(ConfigError, match="is damaged"):
        session_key(tmp_path)
