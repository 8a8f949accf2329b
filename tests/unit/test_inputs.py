"""What users hand in becomes a query, or an error that says what is wrong."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from florilegium import Library
from florilegium.errors import InvalidQueryError
from florilegium.inputs import (
    MOST_PICTURES,
    MOST_TERMS,
    make_query,
    read_history,
    read_modality,
    read_pictures,
    read_text,
    read_top_k,
)
from florilegium.types import Modality, Picture, Query, Term

RED = Image.new("RGB", (4, 4), "red")
LIMIT = 1_000_000


def png() -> bytes:
    buffer = io.BytesIO()
    RED.save(buffer, "PNG")
    return buffer.getvalue()


def test_text_terms_and_pictures_are_told_apart() -> None:
    query = make_query(
        'a rose +"in snow" -red', image=[RED, png()], modality="image", top_k=3, max_pixels=LIMIT
    )

    assert query.text == "a rose"
    assert query.terms == (Term(text="in snow"), Term(text="red", wanted=False))
    assert query.words == "a rose in snow"
    assert (query.modality, query.top_k) == (Modality.IMAGE, 3)
    assert [one.image.size for one in query.pictures] == [(4, 4), (4, 4)]
    assert [one.content_hash is None for one in query.pictures] == [True, False]


def test_too_many_terms_are_refused() -> None:
    def query(count: int) -> Query:
        text = " ".join(f"+word{number}" for number in range(count))
        return make_query(text, image=None, modality=None, top_k=3, max_pixels=LIMIT)

    assert len(query(MOST_TERMS).terms) == MOST_TERMS
    with pytest.raises(InvalidQueryError, match="17 signed terms, but at most 16"):
        query(MOST_TERMS + 1)


def test_no_picture_is_no_picture() -> None:
    assert read_pictures(None, max_pixels=LIMIT) == ()


def test_one_picture_comes_in_any_form(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png())
    opened = Picture(image=RED, content_hash="ab")

    for given in (file, str(file), png(), RED, opened, [file], (opened,)):
        (picture,) = read_pictures(given, max_pixels=LIMIT)
        assert picture.image.getpixel((0, 0)) == (255, 0, 0)


def test_a_picture_among_several_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidQueryError, match=r"gone\.png"):
        read_pictures([RED, tmp_path / "gone.png"], max_pixels=LIMIT)


def test_too_many_pictures_are_refused() -> None:
    with pytest.raises(InvalidQueryError, match=f"17 pictures.*{MOST_PICTURES}"):
        read_pictures([RED] * 17, max_pixels=LIMIT)


def test_a_thing_that_is_no_picture_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="'int'"):
        read_pictures(3, max_pixels=LIMIT)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(("value", "modality"), [("text", Modality.TEXT), (None, None)])
def test_modalities_are_read(value: str | None, modality: Modality | None) -> None:
    assert read_modality(value) is modality


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="'video'"):
        read_modality("video")


@pytest.mark.parametrize("text", ["\0", " \x1b\x7f\n"])
def test_a_text_of_control_characters_is_empty(text: str) -> None:
    assert read_text(text) == ""
    assert read_text(f"rose{text}") == f"rose{text}"


def test_what_is_no_text_no_number_and_no_history_is_refused_by_its_kind() -> None:
    with pytest.raises(InvalidQueryError, match="'int'"):
        read_text(5)
    with pytest.raises(InvalidQueryError, match="'8'"):
        read_top_k("8")
    for history in ("bad", ["bad"], None):
        with pytest.raises(InvalidQueryError, match="history"):
            read_history(history)


def test_a_library_refuses_arguments_of_the_wrong_kind_as_it_does_bad_ones(
    tiny_library: Library,
) -> None:
    with pytest.raises(InvalidQueryError):
        tiny_library.search(5)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidQueryError):
        tiny_library.ask("What is red?", history="bad")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidQueryError, match="empty"):
        tiny_library.search("\0")
