"""What is too long, and what is no text."""

from __future__ import annotations

import pytest

from florilegium.errors import InvalidQueryError
from florilegium.filters import Filter
from florilegium.server.question_limits import check_filter, check_length, check_whole


def test_a_text_may_be_as_long_as_the_limit() -> None:
    check_length("四" * 5, most=5)

    with pytest.raises(InvalidQueryError, match="6 characters, but at most 5"):
        check_length("四" * 6, most=5)


@pytest.mark.parametrize("text", ["a\ud83c", "\udf39 a", "\udf39\ud83c"])
def test_half_a_character_is_refused(text: str) -> None:
    with pytest.raises(InvalidQueryError, match=r"half of a character, '\\ud[0-9a-f]+', at \d\."):
        check_whole(text)


@pytest.mark.parametrize("text", ["", "a 🌹", "\0", "\ufffd\uffff"])
def test_whole_characters_are_taken(text: str) -> None:
    check_whole(text)


def values(count: int) -> tuple[str, ...]:
    return tuple(f"v{number}" for number in range(count))


def test_a_filter_within_the_limits_is_taken() -> None:
    check_filter(None)
    check_filter(Filter())
    many = [(f"name{number}", value) for number in range(20) for value in values(100)]
    check_filter(
        Filter(folders=values(100), suffixes=values(100), labels=("四" * 500,), fields=tuple(many))
    )


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (Filter(folders=values(101)), "filter by folders has 101 values, but at most 100"),
        (Filter(suffixes=values(101)), "filter by suffixes has 101 values"),
        (Filter(labels=values(101)), "filter by labels has 101 values"),
        (Filter(labels=("x" * 501,)), "filter by labels has a value of 501 characters"),
        (Filter(fields=tuple(("creator", one) for one in values(101))), "'creator' has 101 values"),
        (Filter(fields=tuple((one, "Ana") for one in values(21))), "has 21 values, but at most 20"),
        (Filter(fields=(("x" * 501, "Ana"),)), "filter by fields has a value of 501 characters"),
        (Filter(fields=(("creator", "x" * 501),)), "'creator' has a value of 501 characters"),
        (Filter(labels=("\ud83c",)), "half of a character"),
    ],
)
def test_a_filter_over_the_limits_is_refused_by_its_kind(where: Filter, told: str) -> None:
    with pytest.raises(InvalidQueryError, match=told) as raised:
        check_filter(where)

    assert raised.value.hint
