"""What every reranker must do, as tests that a subclass runs against its own.

A subclass gives a fixture `reranker`, and one `case` that a good one gets right; nothing here
knows how a score comes about.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from florilegium.errors import InvalidQueryError
from florilegium.protocols import Reranker
from florilegium.types import RerankerInfo

QUERY = "When are dahlias planted?"
TEXTS = (
    "Dahlias are planted after the last frost.",
    "Roses are pruned in early spring. " * 8,
    "coffee",
    "一只黑色的猫",
    "Dahlias are planted after the last frost.",
)
_ATOL = 1e-4
_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankCase:
    """A query, a text that answers it, and one that does not."""

    query: str
    right: str
    wrong: str


class RerankerContract:
    """Subclass this, and give a fixture `reranker` that opens the reranker under test."""

    @pytest.fixture
    def reranker(self) -> Reranker:
        raise NotImplementedError("A subclass gives the reranker.")

    @pytest.fixture
    def case(self) -> RerankCase:
        return RerankCase(query=QUERY, right=TEXTS[0], wrong=TEXTS[2])

    def test_each_text_has_one_finite_score(self, reranker: Reranker) -> None:
        """Scores have the shape (n,), are float32 and finite.

        If this fails: the output of the model keeps its second dimension, or is not float32.
        """
        scores = reranker.score(QUERY, TEXTS)

        assert scores.shape == (len(TEXTS),)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_no_input_gives_no_scores(self, reranker: Reranker) -> None:
        """No texts give shape (0,).

        If this fails: an empty batch reaches the model or the server.
        """
        scores = reranker.score(QUERY, [])

        assert scores.shape == (0,)
        assert scores.dtype == np.float32

    def test_what_answers_scores_higher(self, reranker: Reranker, case: RerankCase) -> None:
        """Higher is better.

        If this fails: the sign is wrong, or scores come back in the order of the ranking.
        """
        right, wrong = reranker.score(case.query, [case.right, case.wrong])

        assert right > wrong

    def test_scores_follow_their_texts(self, reranker: Reranker) -> None:
        """Score i belongs to text i, and equal texts have equal scores.

        If this fails: scores come back sorted, by length or by value.
        """
        scores = reranker.score(QUERY, TEXTS)

        turned = reranker.score(QUERY, TEXTS[::-1])

        np.testing.assert_allclose(turned[::-1], scores, atol=_ATOL)
        np.testing.assert_allclose(scores[0], scores[4], atol=_ATOL)

    def test_a_score_does_not_depend_on_the_batch(self, reranker: Reranker) -> None:
        """A text alone has the score that it has among others.

        If this fails: padding is not masked, scores are made relative to each other, or the
        model was quantized with scales per batch.
        """
        together = reranker.score(QUERY, TEXTS)

        alone = np.concatenate([reranker.score(QUERY, [text]) for text in TEXTS])

        np.testing.assert_allclose(together, alone, atol=_ATOL)

    def test_the_query_matters(self, reranker: Reranker, case: RerankCase) -> None:
        """Another query gives other scores.

        If this fails: the query is lost on its way to the model.
        """
        asked = reranker.score(case.query, [case.right])

        other = reranker.score("coffee", [case.right])

        assert abs(float(asked[0] - other[0])) > _ATOL

    def test_odd_texts_are_scored_like_others(self, reranker: Reranker) -> None:
        """Empty texts, halves of characters and marks of special tokens have scores.

        If this fails: such a text raises, or gives NaN.
        """
        scores = reranker.score(QUERY, ["", " ", "a \ud83d b", "[SEP] </s> [CLS]", "\0"])

        assert np.isfinite(scores).all()

    def test_a_long_text_is_read_to_its_end(self, reranker: Reranker, case: RerankCase) -> None:
        """What answers is found behind thousands of words of something else.

        If this fails: long texts are cut, or the mean of their stretches drowns the best one.
        """
        filler = f"{case.wrong} " * 3000

        alone, hidden = reranker.score(case.query, [filler, f"{filler}{case.right}"])

        assert hidden > alone

    def test_a_query_that_leaves_no_room_for_a_text_is_refused(self, reranker: Reranker) -> None:
        """A query is never cut. One whose limit nobody knows is the server's to refuse.

        If this fails: a long query loses its end silently, or the model's own error comes through.
        """
        if reranker.info.max_tokens is None:
            return

        with pytest.raises(InvalidQueryError):
            reranker.score("dahlia " * 9000, ["Dahlias are planted in spring."])

    def test_the_info_is_the_same_before_and_after_use(self, reranker: Reranker) -> None:
        """`info` names the reranker and does not depend on its having been used.

        If this fails: `info` is filled in by the first score.
        """
        before = reranker.info

        reranker.score(QUERY, TEXTS)

        assert reranker.info == before
        assert isinstance(before, RerankerInfo)
        assert before.id

    def test_threads_may_share_it(self, reranker: Reranker) -> None:
        """Several threads get what one gets.

        If this fails: a tokenizer or buffer is changed by each call.
        """
        expected = reranker.score(QUERY, TEXTS)

        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(lambda _: reranker.score(QUERY, TEXTS), range(_THREADS * 2)))

        for scores in found:
            np.testing.assert_allclose(scores, expected, atol=_ATOL)

    def test_closing_twice_is_harmless_and_a_later_call_works(self, reranker: Reranker) -> None:
        """`close` frees what is held; the next call opens it again.

        If this fails: the second call touches what the first has freed.
        """
        before = reranker.score(QUERY, TEXTS)
        reranker.close()

        reranker.close()

        np.testing.assert_allclose(reranker.score(QUERY, TEXTS), before, atol=_ATOL)
