"""A reranker for tests: the share of the query's words that a text holds. Knows no language."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from florilegium.config_sections import RerankConfig
from florilegium.errors import FlorilegiumError, InvalidQueryError
from florilegium.protocols import Reranker
from florilegium.types import RerankerInfo, Scores

_WORD = re.compile(r"\w+")
_LIMIT = 512  # words of a query and a stretch of text


class FakeReranker:
    """Score a text by the words of the query in it, and remember what was asked.

    Args:
        error: Is raised instead of scores.
        languages: What `info` says of them.
    """

    def __init__(
        self,
        *,
        error: FlorilegiumError | None = None,
        languages: frozenset[str] | None = None,
    ) -> None:
        self._error = error
        self._info = RerankerInfo(id="fake", max_tokens=_LIMIT, languages=languages)
        self.received: list[tuple[str, tuple[str, ...]]] = []
        self.closed = False

    @property
    def info(self) -> RerankerInfo:
        return self._info

    def score(self, query: str, texts: Sequence[str]) -> Scores:
        wanted = set(_words(query))
        if len(_words(query)) > _LIMIT // 2:
            raise InvalidQueryError(
                f"The query has {len(_words(query))} words, but 'fake' takes {_LIMIT // 2}.",
                hint="Ask in fewer words.",
            )
        self.received.append((query, tuple(texts)))
        if self._error is not None:
            raise self._error
        shares = [len(wanted & set(_words(text))) / max(1, len(wanted)) for text in texts]
        return np.asarray(shares, dtype=np.float32)

    def close(self) -> None:
        self.closed = True


def open_reranker(model: str, *, config: RerankConfig) -> FakeReranker:
    """Return a fake reranker; there is only one."""
    del model, config
    return FakeReranker()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


_: type[Reranker] = FakeReranker
