"""The object that users hold: searching and asking through it.

How it ranks is in test_retrieve.py, how it answers in test_chat.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from florilegium import Library
from florilegium.answers import Finished, Retrieved, Token
from florilegium.errors import IndexNotFoundError, InvalidQueryError
from florilegium.types import Modality
from tests.conftest import FAKES, draw
from tests.unit.index_state import paths

ROSES = "Do the roses want water in June?"
NOTHING = "Nothing in this library answers that."


# -- search --


def test_searching_before_the_first_ingest_says_what_to_run(tiny_folder: Path) -> None:
    with Library.create(tiny_folder, overrides=FAKES) as library:
        for use in (lambda: library.search("red"), lambda: library.ask("red"), library.statistics):
            with pytest.raises(IndexNotFoundError) as missing:
                use()
            assert "florilegium ingest" in (missing.value.hint or "")


def test_a_query_picture_may_be_a_path_bytes_or_a_picture(tiny_library: Library) -> None:
    file = tiny_library.root / "red square.png"

    by_name = tiny_library.search(image=str(file))
    assert (
        by_name == tiny_library.search(image=file) == tiny_library.search(image=file.read_bytes())
    )
    assert "red square.png" not in paths(by_name)  # it is known by its bytes
    assert paths(tiny_library.search(image=Image.open(file)))[0] == "red square.png"


def test_hits_are_as_many_as_the_settings_or_the_caller_say(tiny_library: Library) -> None:
    assert len(tiny_library.search("red")) == 7  # all there are; the default is 8
    assert len(tiny_library.search("red", top_k=2)) == 2


@pytest.mark.parametrize("modality", ["image", Modality.IMAGE])
def test_a_modality_may_be_a_word(tiny_library: Library, modality: Modality | str) -> None:
    hits = tiny_library.search("red", modality=modality)

    assert {hit.item.modality for hit in hits} == {Modality.IMAGE}


def test_an_unknown_modality_is_refused(tiny_library: Library) -> None:
    with pytest.raises(InvalidQueryError, match="no modality 'video'"):
        tiny_library.search("red", modality="video")


def test_explain_gives_the_hits_of_search_and_how_they_came(tiny_library: Library) -> None:
    explanation = tiny_library.explain("red", modality="text", top_k=2)

    assert list(explanation.hits) == tiny_library.search("red", modality="text", top_k=2)
    assert {"chunks", "words"} <= {one.name for one in explanation.rankings}
    assert explanation.evidence.reasons


NO_PICTURES: list[tuple[str, Callable[[Path], str | Path | bytes | Image.Image]]] = [
    ("a path that is not there", lambda root: root / "no.png"),
    ("a folder", lambda root: root),
    ("a text", lambda root: str(root / "circle.md")),
    ("empty bytes", lambda root: b""),
    ("half a picture", lambda root: (root / "circle.png").read_bytes()[:100]),
    ("a picture over the limit", lambda root: Image.new("1", (9000, 9000))),
]


@pytest.mark.parametrize("make", [make for _, make in NO_PICTURES], ids=[n for n, _ in NO_PICTURES])
def test_what_is_no_picture_is_refused_as_a_query(
    tiny_library: Library, make: Callable[[Path], str | Path | bytes | Image.Image]
) -> None:
    image = make(tiny_library.root)

    for use in (tiny_library.search, tiny_library.explain, tiny_library.ask):
        with pytest.raises(InvalidQueryError) as refused:
            use("red", image=image)
        assert refused.value.hint


@pytest.mark.parametrize("text", ["", "  \n"])
def test_neither_words_nor_a_picture_is_refused(tiny_library: Library, text: str) -> None:
    for use in (tiny_library.search, tiny_library.explain, tiny_library.ask):
        with pytest.raises(InvalidQueryError):
            use(text)


# -- ask --


def test_an_answer_quotes_and_cites_what_was_found(tiny_library: Library) -> None:
    answer = tiny_library.ask(ROSES)

    assert not answer.refused
    assert "The roses want water twice a week in June." in answer.text
    assert paths([citation.hit for citation in answer.citations]) == ["notes/garden.md"]
    assert answer.confidence > 0.9


def test_a_citation_says_where_its_quote_stands_in_the_file(tiny_library: Library) -> None:
    (citation, *_) = tiny_library.ask(ROSES).citations
    assert citation.span is not None
    text = citation.hit.item.source.file.read_text(encoding="utf-8")

    assert text[citation.span.start : citation.span.end] == citation.quote


def test_a_question_that_the_library_does_not_answer_is_refused(tiny_library: Library) -> None:
    answer = tiny_library.ask("quantum chromodynamics lattice")

    assert (answer.refused, answer.text, answer.citations) == (True, NOTHING, ())
    assert answer.confidence < 0.5


def test_a_picture_alone_is_a_question(tiny_library: Library) -> None:
    answer = tiny_library.ask(image=tiny_library.root / "red square.png")

    assert not answer.refused
    assert "red square.txt" in paths([citation.hit for citation in answer.citations])


def test_a_stream_begins_with_what_was_found_and_ends_with_the_answer(
    tiny_library: Library,
) -> None:
    events = list(tiny_library.stream(ROSES))
    first, *tokens, last = events

    assert isinstance(first, Retrieved)
    assert isinstance(last, Finished)
    assert "".join(t.text for t in tokens if isinstance(t, Token)) == last.answer.text
    assert (first.searched, first.with_image) == (ROSES, False)
    assert last.answer.hits == first.hits


def test_a_stream_that_is_closed_early_leaves_the_library_usable(tiny_library: Library) -> None:
    stream = tiny_library.stream(ROSES)
    next(stream)
    close: Callable[[], None] = getattr(stream, "close")  # noqa: B009 - not in the type
    close()

    assert not tiny_library.ask(ROSES).refused


def test_the_picture_of_an_earlier_turn_stays_in_play(tiny_library: Library) -> None:
    first = tiny_library.ask("What is this?", image=tiny_library.root / "red square.png")
    events = list(tiny_library.stream("And how many sides has it?", history=first.history))

    assert isinstance(events[0], Retrieved)
    assert events[0].with_image
    assert "red square.png" not in paths(events[0].hits)  # still known as the user's own
    assert isinstance(events[-1], Finished)
    answer = events[-1].answer
    assert "four equal sides" in answer.text
    assert [turn.question for turn in answer.history] == [
        "What is this?",
        "And how many sides has it?",
    ]


def test_a_new_picture_takes_the_place_of_the_earlier_one(tiny_library: Library) -> None:
    first = tiny_library.ask("What is this?", image=tiny_library.root / "red square.png")
    second = tiny_library.ask(
        "And what is this?", image=tiny_library.root / "circle.png", history=first.history
    )

    assert "red square.png" in paths(second.hits)
    assert "circle.png" not in paths(second.hits)


def test_a_library_without_sources_to_give_refuses(tiny_library: Library) -> None:
    with Library.open(tiny_library.root, overrides={"chat.min_confidence": 1.0}) as library:
        assert library.ask(ROSES).refused


@pytest.mark.parametrize(
    ("question", "weight"),
    [
        ("And the corners?", 3.0),
        ("How many corners does it have?", 3.0),
        ("A green circle drawn with a pen", 1.0),
    ],
)
def test_a_picture_that_is_pointed_at_says_what_the_question_is_about(
    tiny_library: Library, question: str, weight: float
) -> None:
    tiny_library.ingest()

    found = tiny_library.explain(question, image=draw("green", "circle", size=60))

    linked = next(one for one in found.rankings if one.name == "linked texts")
    texts = [hit.item.source.path for hit in found.hits if hit.item.modality is Modality.TEXT]
    assert linked.weight == weight
    assert texts[0] == "circle.md"
