"""What of a search is weighed: the best items of both modalities, and the nearest picture."""

from __future__ import annotations

import pytest

from florilegium import Library
from florilegium.fusion import fuse
from florilegium.lists import Lists
from florilegium.types import Picture, Query, Term
from florilegium.weighing import weigh_evidence
from tests.conftest import draw


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
