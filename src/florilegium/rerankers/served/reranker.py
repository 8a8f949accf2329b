"""A reranker behind a server: vLLM, llama-server, Text Embeddings Inference, or a vendor.

Knows batches and which form of request the server takes; the connection knows the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import numpy as np

from florilegium.config_sections import RerankConfig
from florilegium.protocols import Reranker
from florilegium.rerankers.served.connection import Connection, Refused
from florilegium.rerankers.served.format import Form, read_scores, to_request, wants_texts
from florilegium.types import RerankerInfo, Scores

_MALFORMED = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


def open_reranker(model: str, *, config: RerankConfig) -> ServedReranker:
    """Return the reranker `model` of the server that the settings name.

    Raises:
        ConfigError: The settings name no server, or a key that cannot be one.
    """
    return ServedReranker(model, batch_size=config.batch_size, connection=Connection(config))


class ServedReranker:
    """A reranker that a server runs. May be used by several threads.

    Args:
        model: The name that the server knows the model by; empty for its only one.
        batch_size: Texts in one request, at most.
        connection: To the server.
    """

    def __init__(self, model: str, *, batch_size: int, connection: Connection) -> None:
        self._model = model
        self._batch_size = batch_size
        self._connection = connection
        self._form: Form = "documents"

    @property
    def info(self) -> RerankerInfo:
        # What it reads, and how much at once, only the server knows.
        return RerankerInfo(id=f"served:{self._model}" if self._model else "served")

    def score(self, query: str, texts: Sequence[str]) -> Scores:
        starts = range(0, len(texts), self._batch_size)
        batches = [texts[start : start + self._batch_size] for start in starts]
        scores = [self._score_batch(query, batch) for batch in batches]
        return np.concatenate([np.empty(0, dtype=np.float32), *scores])

    def close(self) -> None:
        self._connection.close()

    def _score_batch(self, query: str, texts: Sequence[str]) -> Scores:
        outcome = self._post(query, texts)
        if self._form == "documents" and _asks_for_texts(outcome):
            self._form = "texts"
            outcome = self._post(query, texts)
        if isinstance(outcome, Refused):
            raise outcome.error from outcome.cause
        return read_scores(
            outcome,
            count=len(texts),
            server=self._connection.server,
            secrets=self._connection.secrets,
        )

    def _post(self, query: str, texts: Sequence[str]) -> str | Refused:
        return self._connection.post(to_request(self._model, query, texts, form=self._form))


def _asks_for_texts(outcome: str | Refused) -> bool:
    return (
        isinstance(outcome, Refused) and outcome.status in _MALFORMED and wants_texts(outcome.words)
    )


_: type[Reranker] = ServedReranker
