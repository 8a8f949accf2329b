"""What a request says of who looks, and how."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from florilegium.errors import UnauthenticatedError
from florilegium.server.page.visit import language_of, theme_of, user_of
from florilegium.server.users import LOCAL_USER


def request(cookie: str = "", **state: object) -> Request:
    headers = [(b"cookie", cookie.encode()), (b"accept-language", b"zh")]
    return Request({"type": "http", "headers": headers, "state": state})


def test_the_user_is_that_of_the_guard() -> None:
    assert user_of(request(user=LOCAL_USER)) == LOCAL_USER
    with pytest.raises(UnauthenticatedError):
        user_of(request())


def test_choices_stand_in_cookies_and_nonsense_counts_as_none() -> None:
    assert theme_of(request("florilegium_theme=dark")) == "dark"
    assert theme_of(request("florilegium_theme=light")) == "light"
    assert theme_of(request("florilegium_theme=;alert(1)")) == "auto"
    assert language_of(request("florilegium_language=en")) == "en"
    assert language_of(request()) == "zh"
