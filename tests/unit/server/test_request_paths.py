"""The path of a request is that within the server, wherever it is mounted."""

from __future__ import annotations

import pytest

from florilegium.server.request_paths import is_openai, path_of


@pytest.mark.parametrize(
    ("path", "root", "found"),
    [
        ("/login", "", "/login"),
        ("/flowers/login", "/flowers", "/login"),
        ("/flowerslogin", "/flowers", "/flowerslogin"),
        ("/login", "/flowers", "/login"),
        ("/flowers", "/flowers", "/flowers"),
    ],
)
def test_a_path_is_that_within_the_server(path: str, root: str, found: str) -> None:
    assert path_of({"path": path, "root_path": root}) == found


@pytest.mark.parametrize(
    ("path", "root", "is_one"),
    [
        ("/v1", "", True),
        ("/v1/models", "", True),
        ("/v1/nothing", "", True),
        ("/flowers/v1/models", "/flowers", True),
        ("/v1x", "", False),
        ("/api/v1", "", False),
        ("/flowers/v1", "", False),
    ],
)
def test_what_lies_below_v1_is_of_the_api_of_openai(path: str, root: str, is_one: bool) -> None:
    assert is_openai({"path": path, "root_path": root}) is is_one
