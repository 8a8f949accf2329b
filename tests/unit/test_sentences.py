from __future__ import annotations

import pytest

from florilegium.sentences import columns, split_sentences, strip_span
from florilegium.types import Span


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith and Prof. Lee met Mrs. Jones.",
        "The church of St. John stands in the U.S. Midwest.",
        "Plant it 3.5 cm deep.",
        "It is shown in Fig. 3 and No. 5 of the list.",
        "J. K. Rowling grows roses.",
        "Use hardy plants, e.g. Rosa gallica, i.e. French roses.",
        "Rosa canina var. Andersonii is a dog rose.",
        'The gardener asked "why now?" and left.',
        "Wait ... and see.",
        "See www.example.org for more.",
        "A line that was wrapped at a usual width of seventy-two columns goes on\nBerlin is where.",
    ],
)
def test_these_are_one_sentence(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Roses bloom. Tulips too.", ["Roses bloom.", "Tulips too."]),
        ("It grows in the U.S. The soil is dry.", ["It grows in the U.S.", "The soil is dry."]),
        ("The answer is no. Then stop.", ["The answer is no.", "Then stop."]),
        ("Named in 1753. Later lost.", ["Named in 1753.", "Later lost."]),
        ('"It is red!" "Is it?" Yes.', ['"It is red!"', '"Is it?"', "Yes."]),
        ("Wait... Then go.", ["Wait...", "Then go."]),
        ("玫瑰很美。它要阳光！真的？", ["玫瑰很美。", "它要阳光！", "真的？"]),
        ("她说：“开花了。”我们去看。", ["她说：“开花了。”", "我们去看。"]),
        ("红的；白的……都好。", ["红的；", "白的……", "都好。"]),
        ("高3.5米。Rosa 很香。", ["高3.5米。", "Rosa 很香。"]),
        ("- one\n- two. Three\n1. four", ["- one", "- two.", "Three", "1. four"]),
        ("Rose\nTulip\nDaisy", ["Rose", "Tulip", "Daisy"]),
        ("# Care\nwater it", ["# Care", "water it"]),
        ("one\n\ntwo", ["one", "two"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_these_are_split(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_a_span_loses_only_white_space() -> None:
    assert strip_span("  ab ", 0, 5) == Span(start=2, end=4)
    assert strip_span("  ab ", 0, 2) is None


def test_a_wide_character_takes_two_columns() -> None:
    assert columns("a茶") == 3
