"""Cards of what was found: a thumbnail by the id of its item, or the stretch that fits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nicegui import Client

from florilegium.server.page.excerpt_card import excerpt_card
from florilegium.server.page.visit import Visit

TEXT = {
    "id": "abc",
    "modality": "text",
    "title": "The green circle",
    "path": "circle.md",
    "text": "# The green circle\n\n![x](circle.png)\n\nA **green** circle has no corners.\n",
}


def test_a_text_shows_its_words_once_and_without_marks(
    canvas: Client, visit: Visit, shown: Callable[[], list[str]]
) -> None:
    excerpt_card(visit, TEXT, query="corners", open_source=lambda: None, number=3)

    assert shown() == [
        "3",
        "The green circle",
        "A green circle has no corners.",
        "circle.md",
    ]


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("茶的种类与冲泡", "茶的种类与冲泡"),  # whose file is 茶.txt
        ("茶\n绿茶不发酵。", "绿茶不发酵。"),
        ("茶", "茶"),
    ],
)
def test_only_a_title_on_a_line_of_its_own_is_left_out(
    canvas: Client, visit: Visit, shown: Callable[[], list[str]], text: str, excerpt: str
) -> None:
    hit = TEXT | {"title": "茶", "text": text}

    excerpt_card(visit, hit, query="茶", open_source=lambda: None)

    assert shown() == ["茶", excerpt, "circle.md"]


def test_a_picture_shows_its_thumbnail(
    canvas: Client, visit: Visit, shown: Callable[[], list[str]]
) -> None:
    hit = {"id": "abc", "modality": "image", "title": "", "path": "a.png", "text": "card"}

    excerpt_card(visit, hit, query="", open_source=lambda: None)

    [image] = [one for one in canvas.elements.values() if one.tag == "img"]
    assert image.props["src"] == "api/libraries/tiny/items/abc/thumbnail"
    assert image.props["alt"] == "a.png"
    assert shown() == ["a.png", "a.png"]
