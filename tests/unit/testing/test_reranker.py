from __future__ import annotations

import pytest

from florilegium.config_sections import RerankConfig
from florilegium.errors import RerankTimeoutError
from florilegium.registry import open_reranker
from florilegium.testing.reranker import FakeReranker


def test_a_score_is_the_share_of_the_querys_words() -> None:
    scores = FakeReranker().score("red rose", ["A red ROSE.", "red wine", "tea"])

    assert scores.tolist() == [1.0, 0.5, 0.0]


def test_it_remembers_what_it_read() -> None:
    reranker = FakeReranker()
    reranker.score("red", ["a", "b"])
    reranker.close()

    assert reranker.received == [("red", ("a", "b"))]
    assert reranker.closed


def test_it_fails_as_it_is_told() -> None:
    with pytest.raises(RerankTimeoutError):
        FakeReranker(error=RerankTimeoutError("Slow.")).score("red", ["a"])


def test_it_is_found_by_its_name() -> None:
    assert isinstance(open_reranker("fake", config=RerankConfig()), FakeReranker)
