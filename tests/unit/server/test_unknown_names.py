"""A name that is not known is taken for the nearest one, or for what others call so."""

from __future__ import annotations

import pytest

from florilegium.server.unknown_names import meant_by

KNOWN = ("question", "images", "top_k", "where")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("text", "question"),
        ("Query", "question"),
        ("limit", "top_k"),
        ("topk", "top_k"),
        ("photo", "images"),
        ("filter", "where"),
        ("colour", None),
        ("", None),
    ],
)
def test_a_name_is_taken_for_one_that_is_known(name: str, meant: str | None) -> None:
    assert meant_by(name, KNOWN) == meant


def test_nothing_is_meant_that_is_not_known() -> None:
    assert meant_by("query", ["where"]) is None
