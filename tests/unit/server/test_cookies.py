"""Cookies that no script reads and, over https, that no other host sets."""

from __future__ import annotations

import pytest

from florilegium.server.cookies import SESSION, cookie_header, is_secure, read_cookie


def scope(scheme: str, cookie: str = "") -> dict[str, object]:
    return {"type": "http", "scheme": scheme, "headers": [(b"cookie", cookie.encode("latin-1"))]}


def test_over_http_a_cookie_is_kept_from_scripts_and_other_sites() -> None:
    header = cookie_header(scope("http"), SESSION, "abc", seconds=60)

    parts = sorted(header.split("; "))
    assert parts == ["HttpOnly", "Max-Age=60", "Path=/", "SameSite=Lax", "florilegium_session=abc"]


def test_over_https_it_is_secure_and_of_this_host() -> None:
    header = cookie_header(scope("https"), SESSION, "abc", seconds=60)

    assert header.startswith("__Host-florilegium_session=abc; ")
    assert "Secure" in header.split("; ")
    assert "Domain" not in header


def test_over_https_a_cookie_that_came_over_http_does_not_count() -> None:
    assert read_cookie(scope("https", "florilegium_session=abc"), SESSION) is None
    assert read_cookie(scope("https", "__Host-florilegium_session=abc"), SESSION) == "abc"
    assert read_cookie(scope("http", "a=1; florilegium_session=abc; b=2"), SESSION) == "abc"
    assert read_cookie(scope("http", "\xff\xfe=;;="), SESSION) is None


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("ws", False), ("wss", True)])
def test_a_scheme_is_secure_or_not(scheme: str, secure: bool) -> None:
    assert is_secure(scope(scheme)) is secure
