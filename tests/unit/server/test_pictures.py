"""Pictures in JSON, and addresses that are never fetched."""

from __future__ import annotations

import base64

import pytest

from florilegium.errors import InvalidQueryError
from florilegium.server.pictures import picture_bytes

DATA = base64.b64encode(b"bytes").decode()


@pytest.mark.parametrize(
    "text",
    [
        f"data:image/png;base64,{DATA}",
        f"data:image/svg+xml;charset=utf-8;base64,{DATA}",
        f"data:;base64,{DATA}",
        f"DATA:image/png;BASE64,{DATA}",
        DATA,
    ],
)
def test_data_addresses_and_base64_are_read(text: str) -> None:
    assert picture_bytes(text) == b"bytes"


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1/a.png", "https://example.org/a.png", "file:///etc/passwd", "ftp://a/b"],
)
def test_no_other_address_is_ever_fetched(text: str) -> None:
    with pytest.raises(InvalidQueryError, match="fetches nothing"):
        picture_bytes(text)


@pytest.mark.parametrize("text", ["data:image/png,abc", "data:image/png;base64,a", "ä", "a b", "/"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidQueryError):
        picture_bytes(text)
