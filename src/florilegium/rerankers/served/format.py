"""The JSON of `/rerank`: two forms of requests, and replies as scores in the order of the texts.

Jina, Cohere, vLLM, llama-server and others speak the one, Text Embeddings Inference the other.
Knows no connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from florilegium.errors import RerankError
from florilegium.server_refusals import brief_words, read_refusal
from florilegium.types import Scores

Form = Literal["documents", "texts"]
Json = dict[str, Any]

_LARGEST = float(np.finfo(np.float32).max)
_HINT = "Check that rerank.base_url is a server that reranks."
_LISTS = ("results", "data")
_SCORES = ("relevance_score", "score")


def to_request(model: str, query: str, texts: Sequence[str], *, form: Form) -> Json:
    """Return the body of a request for the scores of all texts; an empty model is left out."""
    if form == "texts":
        # Logits, where it would squeeze them into [0, 1]; and a text that is too long is an
        # error, where it would be cut.
        return {"query": query, "texts": list(texts), "raw_scores": True, "truncate": False}
    named = {"model": model} if model else {}
    return {**named, "query": query, "documents": list(texts), "top_n": len(texts)}


def read_scores(body: str, *, count: int, server: str, secrets: Sequence[str]) -> Scores:
    """Return shape (count,): the scores of a reply, by the index that each one names.

    Raises:
        RerankError: It is no such reply, lacks a score, or has one that is no number.
    """
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter for brackets in brackets
        is_page = body.lstrip().startswith("<")
        what = "with an HTML page" if is_page else f"with no JSON: {brief_words(body, secrets)}"
        raise RerankError(
            f"The server at {server!r} answered {what} instead of scores.", hint=_HINT
        ) from error
    entries = _find_entries(reply)
    if entries is None:
        words = read_refusal(body, secrets=secrets).words
        raise RerankError(f"The server at {server!r} answered without scores: {words}", hint=_HINT)
    scores = np.full(count, np.nan, dtype=np.float32)
    for entry in entries:
        index, score = _read_entry(entry, count=count, server=server, secrets=secrets)
        if not np.isnan(scores[index]):
            raise _wrong(server, f"two scores for text {index}")
        scores[index] = score
    missing = int(np.isnan(scores).sum())
    if missing:
        raise _wrong(server, f"no score for {missing} of {count} texts")
    return scores


def wants_texts(words: str) -> bool:
    """Return whether a refusal says that the field `texts` was missing."""
    return "texts" in words


def _find_entries(reply: object) -> list[object] | None:
    if isinstance(reply, list):
        return reply
    if isinstance(reply, Mapping):
        return next((reply[key] for key in _LISTS if isinstance(reply.get(key), list)), None)
    return None


def _read_entry(
    entry: object, *, count: int, server: str, secrets: Sequence[str]
) -> tuple[int, float]:
    if not isinstance(entry, Mapping):
        said = brief_words(str(entry), secrets)
        raise _wrong(server, f"an entry that is no object: {said}")
    index = entry.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise _wrong(server, "a score without the index of its text")
    if not 0 <= index < count:
        raise _wrong(server, f"a score for text {index}, and got {count} of them")
    score = next((entry[key] for key in _SCORES if key in entry), None)
    if not isinstance(score, (int, float)) or isinstance(score, bool):
        raise _wrong(server, f"no number as the score of text {index}")
    if not abs(score) <= _LARGEST:  # so that NaN is refused, too
        raise _wrong(server, f"{score} as the score of text {index}")
    return index, float(score)


def _wrong(server: str, what: str) -> RerankError:
    return RerankError(f"The server at {server!r} gave {what}.", hint=_HINT)
