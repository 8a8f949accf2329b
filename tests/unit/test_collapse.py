"""What was found twice goes under the better ranked one, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from florilegium.collapse import collapse
from florilegium.types import Item, Modality, Source, Span

HASH, OTHER = bytes(80), b"\xff" * 80


def item(
    id_: str,
    *,
    path: str = "a.txt",
    text: str = "",
    span: tuple[int, int] | None = None,
    modality: Modality = Modality.TEXT,
    content: str | None = None,
    ordinal: int = 0,
) -> Item:
    source = Source(
        root=Path(), path=path, size=1, modified_ns=0, content_hash=content or f"of {path}"
    )
    return Item(
        id=id_,
        source=source,
        modality=modality,
        ordinal=ordinal,
        title=id_,
        text=text or f"text of {id_}",
        span=None if span is None else Span(start=span[0], end=span[1]),
    )


def picture(id_: str, *, content: str | None = None, ordinal: int = 0) -> Item:
    return item(
        id_,
        path=f"{id_}.jpg",
        modality=Modality.IMAGE,
        content=content,
        ordinal=ordinal,
        text="same card",
    )


def ids(items: list[Item], hashes: dict[str, bytes] | None = None) -> dict[str, list[str]]:
    """Return the ids that stay, each with those under it."""
    found = collapse(items, hashes or {})
    assert sorted(one.id for kept, under in found for one in (kept, *under)) == sorted(
        {one.id for one in items}
    )
    return {kept.id: [one.id for one in under] for kept, under in found}


def test_nothing_alike_stays_as_it_is() -> None:
    items = [item("a", span=(0, 10)), picture("b"), item("c", span=(10, 20)), picture("d")]

    assert list(ids(items, {"b": HASH, "d": OTHER})) == ["a", "b", "c", "d"]
    assert collapse([], {}) == []


def test_near_duplicates_go_under_the_first() -> None:
    items = [picture("a"), item("t"), picture("b"), picture("c")]

    assert ids(items, {"a": HASH, "b": OTHER, "c": HASH}) == {"a": ["c"], "t": [], "b": []}


def test_the_same_content_is_the_same_picture_without_a_hash() -> None:
    items = [picture("a", content="x"), picture("b", content="x"), picture("c", content="y")]

    assert ids(items) == {"a": ["b"], "c": []}


def test_pictures_of_one_document_are_different() -> None:
    items = [picture("a", content="x"), picture("b", content="x", ordinal=1)]

    assert ids(items) == {"a": [], "b": []}


def test_a_picture_and_a_text_with_its_words_are_different() -> None:
    assert ids([item("a", text="same card"), picture("b")]) == {"a": [], "b": []}


def test_chunks_that_share_half_of_the_shorter_one_are_one() -> None:
    items = [item("a", span=(0, 100)), item("b", span=(90, 110)), item("c", span=(91, 111))]

    assert ids(items) == {"a": ["b"], "c": []}


def test_chunks_of_two_files_do_not_overlap() -> None:
    items = [item("a", span=(0, 100)), item("b", path="b.txt", span=(0, 100))]

    assert ids(items) == {"a": [], "b": []}


def test_chunks_are_compared_with_what_stays_only() -> None:
    items = [item("a", span=(0, 10)), item("b", span=(5, 15)), item("c", span=(10, 20))]

    assert ids(items) == {"a": ["b"], "c": []}


def test_texts_that_differ_in_spaces_and_case_are_one() -> None:
    items = [
        item("a", text="Roses  are\nred."),
        item("b", path="b.txt", text="roses are RED."),
        item("c", path="c.txt", text="roses are red"),
    ]

    assert ids(items) == {"a": ["b"], "c": []}


def test_texts_of_spaces_are_not_the_same() -> None:
    items = [item("a", text=" "), item("b", path="b.txt", text="\n")]

    assert ids(items) == {"a": [], "b": []}


def test_an_item_that_is_given_twice_stays_once() -> None:
    assert ids([item("a"), item("a")]) == {"a": []}
