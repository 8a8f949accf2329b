"""What of a search is weighed: the best items of both modalities, and the nearest picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.evidence import TextEvidence
from florilegium.fusion import fuse
from florilegium.lists import Lists
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Embeddings, Label, Modality, Picture, Query, Term
from florilegium.weighing import text_evidence, weigh_evidence
from tests.conftest import FAKES, draw


def weighed(library: Library, query: Query) -> tuple[float, str]:
    lists = Lists(query, index=library.index, candidates=10)
    found = weigh_evidence(query, lists, fuse(lists.rankings), index=library.index)
    return found.confidence, " ".join(found.reasons)


def test_words_that_a_text_holds_are_evidence(tiny_library: Library) -> None:
    confidence, reasons = weighed(tiny_library, Query(text="Do the roses want water?"))

    assert confidence > 0.9
    assert "100% of the question's words" in reasons


def test_wanted_terms_count_as_words_of_the_question(tiny_library: Library) -> None:
    plain = weighed(tiny_library, Query(text="roses water"))
    signed = weighed(tiny_library, Query(terms=(Term(text="roses"), Term(text="water"))))

    assert signed[0] == pytest.approx(plain[0], abs=0.1)
    assert "100% of the question's words" in signed[1]


def test_a_picture_alone_is_weighed_by_the_nearest_one(tiny_library: Library) -> None:
    query = Query(pictures=(Picture(image=draw("red", "square")),))

    confidence, reasons = weighed(tiny_library, query)

    assert confidence > 0.9
    assert reasons.startswith("The nearest picture has a cosine of")


def test_nothing_found_is_no_evidence(tiny_library: Library) -> None:
    query = Query(text="?!")
    lists = Lists(query, index=tiny_library.index, candidates=10)

    assert weigh_evidence(query, lists, [], index=tiny_library.index).confidence == 0.0


def test_reasons_are_in_chinese_when_the_query_is(tiny_library: Library) -> None:
    assert "问题用词" in weighed(tiny_library, Query(text="怎么给玫瑰浇水？"))[1]


# -- guesses at pictures --


def name_all(
    _encoder: FakeEncoder, embeddings: Embeddings, *, top_k: int
) -> list[tuple[Label, ...]]:
    daisy = Label(name="daisy", chinese=("雏菊",), weight=0.9)
    vase = Label(name="vase", chinese=("花瓶",), weight=0.08)
    return [(daisy, vase)[:top_k] for _ in embeddings]


@pytest.fixture
def guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """Return the library of a nameless picture that its encoder takes for a daisy, and a text."""
    monkeypatch.setattr(FakeEncoder, "label_embeddings", name_all, raising=False)
    draw("red", "circle").save(tmp_path / "IMG_1.png")
    (tmp_path / "moss.txt").write_text("Moss has no roots.\n", encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        yield library


def of_pictures(library: Library, question: str) -> TextEvidence:
    query = Query(text=question)
    lists = Lists(query, index=library.index, candidates=10)
    fused = [one for one in fuse(lists.rankings) if one.modality is Modality.IMAGE]
    (found,) = text_evidence(query, lists, fused, index=library.index)
    return found


def test_words_that_an_encoder_guessed_are_not_words_of_the_library(guessed: Library) -> None:
    for question in ("雏菊怎么浇水？", "How much is a vase of daisies?"):
        found = of_pictures(guessed, question)

        assert (found.coverage, found.guess) == (0.0, None)


def test_a_guess_that_is_asked_for_counts_with_its_share(guessed: Library) -> None:
    asked = of_pictures(guessed, "有雛菊的照片嗎？")

    assert asked.guess is not None
    assert (asked.guess.name, asked.guess.weight) == ("daisy", 0.9)
    confidence, reasons = weighed(guessed, Query(text="有雛菊的照片嗎？"))
    assert confidence == pytest.approx(0.9)
    assert "如“雏菊”），这类推测占 90%" in reasons


def test_an_unsure_guess_gives_little_confidence(guessed: Library) -> None:
    found = of_pictures(guessed, "花瓶")

    assert found.guess is not None
    assert found.guess.weight == pytest.approx(0.08)


def test_pictures_are_still_found_by_what_is_guessed(guessed: Library) -> None:
    for words in ("daisy", "雏菊", "雛菊", "vase"):
        explained = guessed.explain(words, modality=Modality.IMAGE)

        assert explained.hits[0].item.source.path == "IMG_1.png"
        assert "labels" in {one.ranking for one in explained.hits[0].contributions}


@pytest.mark.parametrize("question", ["这是什么雏菊？", "這是什麼雛菊？", "Which daisy is this?"])
def test_what_the_picture_of_a_user_is_may_be_asked_in_words_of_guesses(
    guessed: Library, question: str
) -> None:
    query = Query(text=question, pictures=(Picture(image=draw("green", "square")),))
    lists = Lists(query, index=guessed.index, candidates=10)
    fused = [one for one in fuse(lists.rankings) if one.modality is Modality.IMAGE]

    (found,) = text_evidence(query, lists, fused, index=guessed.index)

    assert (found.coverage, found.guess) == (1.0, None)
    assert of_pictures(guessed, question).coverage == 0.0  # without a picture it is a question
