"""Small pieces show text as text and have names for those who do not see them."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from nicegui import Client

from florilegium.server.page.controls import (
    block,
    icon_button,
    notice,
    picture,
    raw_button,
    weakly,
    words,
)

HOSTILE = "<script>alert(1)</script>"


def test_words_and_attributes_are_never_parsed(
    canvas: Client, shown: Callable[[], list[str]]
) -> None:
    words(HOSTILE, "kind", tag="td")
    image = picture("a b.png", alt='" onerror=alert(1)', kind="kind")

    assert shown() == [HOSTILE]
    assert image.props["alt"] == '" onerror=alert(1)'
    assert image.props["src"] == "a b.png"
    assert "onerror" not in image.props


def test_attributes_are_written_with_dashes(canvas: Client) -> None:
    element = block("kind", tag="p", aria_label="x y", for_="z")

    assert (element.tag, element.props["aria-label"], element.props["for"]) == ("p", "x y", "z")


def test_buttons_have_names(canvas: Client) -> None:
    for button in (icon_button("close", "Close"), raw_button("kind", "Close", lambda: None)):
        assert button.props["aria-label"] == "Close"
        assert button.props["title"] == "Close"


def test_a_notice_leaves_out_lines_that_are_none(
    canvas: Client, shown: Callable[[], list[str]]
) -> None:
    failed = notice("failed", "Title", "first", None, "")
    refused = notice("refused", "Other")

    assert shown() == ["Title", "first", "Other"]
    assert (failed.props["role"], refused.props["role"]) == ("alert", "status")


def test_a_handler_that_is_kept_does_not_keep_what_it_belongs_to() -> None:
    class Place:
        def __init__(self) -> None:
            self.taken: list[str] = []

        def take(self, name: str) -> None:
            self.taken.append(name)

    place = Place()
    handler = weakly(place.take)

    handler("rose")
    assert place.taken == ["rose"]
    gone = weakref.ref(place)
    del place

    assert gone() is None
    assert handler("tulip") is None
