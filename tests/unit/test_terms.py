"""What is a signed term, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.terms import split_terms
from florilegium.types import Term


@pytest.mark.parametrize(
    ("typed", "text", "terms"),
    [
        ('+"snow" -"car"', "", [("snow", True), ("car", False)]),
        ("a rose +white -red", "a rose", [("white", True), ("red", False)]),
        ('house -"parked  cars" in winter', "house in winter", [("parked cars", False)]),
        ("-red, please", "please", [("red", False)]),
        ("玫瑰 -“红色” +「白色」", "玫瑰", [("红色", False), ("白色", True)]),
        ("玫瑰 −红色", "玫瑰", [("红色", False)]),
        ("花　＋白色， －“花瓶里”", "花", [("白色", True), ("花瓶里", False)]),
        ("+well-known", "", [("well-known", True)]),
    ],
)
def test_signed_terms_are_taken_out(typed: str, text: str, terms: list[tuple[str, bool]]) -> None:
    assert split_terms(typed) == (text, tuple(Term(text=t, wanted=w) for t, w in terms))


@pytest.mark.parametrize(
    "typed",
    [
        "state-of-the-art",
        "5 - 3 + 1",
        "at -5 degrees",
        "温度 －5 度，室外－10 度",
        "C++ and more",
        'a "quoted" word',
        "- a list",
        '+"" -""',
        "",
        "  two  blanks ",
    ],
)
def test_what_only_looks_like_a_term_stays(typed: str) -> None:
    assert split_terms(typed) == (typed, ())


@given(st.text(max_size=60))
def test_any_text_is_split_without_loss_of_plain_words(typed: str) -> None:
    text, terms = split_terms(typed)

    assert all(term.text.strip() for term in terms)
    assert split_terms(text)[0] == text or terms
