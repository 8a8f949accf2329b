"""Bodies of requests, and what they mean to a library."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from florilegium.errors import InvalidQueryError
from florilegium.filters import Filter
from florilegium.server.rest.requests import AskBody, SearchBody, TurnBody, WhereBody


def test_a_filter_is_read() -> None:
    body = WhereBody.model_validate(
        {
            "folders": ["roses"],
            "suffixes": ["jpg"],
            "labels": ["rose"],
            "since": "2024-01-31",
            "fields": {"creator": ["Ana", "Bo"]},
        }
    )

    assert body.to_filter() == Filter(
        folders=("roses",),
        suffixes=("jpg",),
        labels=("rose",),
        since=date(2024, 1, 31),
        fields=(("creator", "Ana"), ("creator", "Bo")),
    )


def test_a_folder_outside_the_library_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="not within the library"):
        WhereBody(folders=["../other"]).to_filter()


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="tex"):
        SearchBody.model_validate({"tex": "red"})


def test_a_turn_has_what_its_picture_was_identified_as() -> None:
    body = TurnBody.model_validate(
        {
            "question": "Which?",
            "answer": "A rose [1].",
            "identification": {
                "chosen": "rose",
                "by": "vote",
                "candidates": [{"name": "rose", "share": 0.8, "path": "rose.txt"}],
            },
        }
    )

    turn = body.to_turn()

    assert turn.identification is not None
    assert turn.identification.chosen == turn.identification.candidates[0]
    assert turn.identification.chosen.path == "rose.txt"


def test_a_chosen_name_that_is_no_candidate_is_kept() -> None:
    body = {"question": "?", "answer": "!", "identification": {"chosen": "rose", "by": "model"}}

    turn = TurnBody.model_validate(body).to_turn()

    assert turn.identification is not None
    assert turn.identification.chosen is not None
    assert turn.identification.chosen.name == "rose"


WRONG = dict.fromkeys(map(str, range(5000)))
TURN = {"question": "?", "answer": "!"}


@pytest.mark.parametrize(
    "body",
    [
        WRONG,
        {"where": WRONG},
        {"where": {"fields": WRONG}},
        {"where": {"fields": {str(i): ["x"] for i in range(5000)}}},
        {"where": {"fields": {"creator": [1] * 5000}}},
        {"where": {"fields": {str(i): [1] * 100 for i in range(20)}}},
        {"where": {"labels": [1] * 5000}},
        {"images": [1] * 5000},
        {"history": [1] * 5000},
        {"history": [1] * 1000},
        {"history": [WRONG] * 1000},
        {"history": [{**TURN, "identification": WRONG}] * 1000},
        {"history": [{**TURN, "identification": {"candidates": [1] * 5000}}]},
        {"history": [{**TURN, "identification": {"candidates": [WRONG] * 100}}] * 1000},
        {"stop": [1] * 5000},
    ],
    ids=lambda body: "-".join(list(body)[:1]),
)
def test_however_much_is_wrong_few_errors_are_told(body: dict[str, Any]) -> None:
    model = AskBody if {"history", "stop"} & set(body) else SearchBody

    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)

    assert caught.value.error_count() <= 64


def test_an_object_with_too_many_names_is_told_their_number() -> None:
    with pytest.raises(ValidationError, match=r"Object should have at most 64 items.*not 5000"):
        SearchBody.model_validate(WRONG)
