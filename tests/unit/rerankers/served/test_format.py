from __future__ import annotations

import json

import numpy as np
import pytest

from florilegium.errors import RerankError
from florilegium.rerankers.served.format import read_scores, to_request, wants_texts
from florilegium.types import Scores

SERVER = "http://s/v1"


def read(reply: object, count: int = 2) -> Scores:
    body = reply if isinstance(reply, str) else json.dumps(reply)
    return read_scores(body, count=count, server=SERVER, secrets=("sk-123",))


def test_requests_have_the_form_that_the_server_takes() -> None:
    assert to_request("rose", "q", ["a", "b"], form="documents") == {
        "model": "rose", "query": "q", "documents": ["a", "b"], "top_n": 2,
    }  # fmt: skip
    assert to_request("rose", "q", ["a"], form="texts") == {
        "query": "q", "texts": ["a"], "raw_scores": True, "truncate": False,
    }  # fmt: skip
    assert "model" not in to_request("", "q", ["a"], form="documents")


@pytest.mark.parametrize(
    "reply",
    [
        {"results": [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": -2}]},
        {"results": [{"index": 0, "score": -2.0}, {"index": 1, "score": 0.75}]},
        {"data": [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": -2}]},
        [{"index": 1, "score": 0.75, "text": "b"}, {"index": 0, "score": -2.0}],
    ],
)
def test_scores_come_back_in_the_order_of_the_texts(reply: object) -> None:
    scores = read(reply)

    assert scores.tolist() == [-2.0, 0.75]
    assert scores.dtype == np.float32


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("{", "with no JSON"),
        ("[" * 100_000, "with no JSON"),
        ("<html>Bad gateway</html>", "an HTML page instead of scores"),
        ("7", "without scores: 7"),
        ({"error": {"message": "no such model"}}, "without scores: no such model"),
        ({"results": "none"}, "without scores"),
        ([{"index": 0, "score": 1.0}], "no score for 1 of 2 texts"),
        ([], "no score for 2 of 2 texts"),
        ([{"index": 0, "score": 1.0}, {"index": 0, "score": 1.0}], "two scores for text 0"),
        ([{"score": 1.0}, {"score": 2.0}], "without the index"),
        ([{"index": True, "score": 1.0}], "without the index"),
        ([{"index": 2, "score": 1.0}], "score for text 2"),
        ([{"index": -1, "score": 1.0}], "score for text -1"),
        ([{"index": 0}], "no number as the score of text 0"),
        ([{"index": 0, "score": "high"}], "no number as the score of text 0"),
        ([{"index": 0, "score": None}], "no number as the score of text 0"),
        ('[{"index": 0, "score": NaN}]', "nan as the score of text 0"),
        ('[{"index": 0, "score": Infinity}]', "inf as the score of text 0"),
        ('[{"index": 0, "score": 1e300}]', "as the score of text 0"),
        ([7, 8], "an entry that is no object: 7"),
    ],
)
def test_what_are_no_scores_is_said(reply: object, message: str) -> None:
    with pytest.raises(RerankError, match=message) as caught:
        read(reply)

    assert SERVER in caught.value.message
    assert "rerank.base_url" in str(caught.value.hint)


@pytest.mark.parametrize("body", ["key sk-123 is odd", '{"error": "key sk-123"}', '["sk-123"]'])
def test_the_key_is_cut_out_of_what_a_server_says(body: str) -> None:
    with pytest.raises(RerankError) as caught:
        read(body)

    assert "sk-123" not in caught.value.message


def test_a_server_that_lacks_texts_wants_the_other_form() -> None:
    assert wants_texts("missing field `texts` at line 1 column 9")
    assert not wants_texts("missing field `model`")
