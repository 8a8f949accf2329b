"""Which tags a client may say that it has."""

from __future__ import annotations

import pytest

from florilegium.server.rest.etags import etag_of, has_already

TAG = etag_of("abc", side=256)


def test_a_tag_is_of_the_content_and_of_the_size() -> None:
    assert TAG == 'W/"abc-256"'
    assert len({TAG, etag_of("abd", side=256), etag_of("abc", side=255)}) == 3


@pytest.mark.parametrize(
    ("told", "has"),
    [
        (None, False),
        ("", False),
        ("*", True),
        (TAG, True),
        ('"abc-256"', True),
        (f'"other", {TAG}', True),
        ('W/"abc-25"', False),
        ("abc-256", False),
        ('"', False),
    ],
)
def test_a_client_has_what_it_names(told: str | None, has: bool) -> None:
    assert has_already(told, TAG) is has
