"""A query and texts to the pairs that a cross-encoder reads, by the tokenizer's own template.

Knows no graph. Nothing is cut: a text that is too long becomes several pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from florilegium.errors import InvalidQueryError, RerankError

Integers = npt.NDArray[np.int64]

_LEAST_SHARE = 4  # of the limit, one in so many tokens is kept for the text
_TOKENS_PER_RUN = 2048  # padded; more does not run faster on a processor, and takes memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A query and a stretch of the text at position `owner`, as tokens."""

    owner: int
    ids: tuple[int, ...]
    types: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Pairs that are read together; the arrays have the shape (n, length)."""

    positions: tuple[int, ...]
    ids: Integers
    types: Integers
    mask: Integers


class PairReader:
    """A tokenizer and a limit. Several threads may share it."""

    def __init__(self, tokenizer: str, *, max_tokens: int, pad_id: int) -> None:
        """Read the text of a `tokenizer.json`. Raises RerankError if it is none."""
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer)
        except Exception as error:  # the library has no type of its own for this
            raise RerankError(
                f"The tokenizer of the cross-encoder cannot be read: {error}.",
                hint="Fetch the model again.",
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # A text that spells the mark between query and text must not be taken for one.
        self._tokenizer.encode_special_tokens = True
        self._pad_id = pad_id
        self._max_tokens = max_tokens
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=True)

    def read(self, query: str, texts: Sequence[str]) -> list[Pair]:
        """Return the pairs of all texts, one or more of each, in order.

        Raises:
            InvalidQueryError: The query leaves less than a quarter of the limit for a text.
        """
        (asked,) = self._tokenize([query])
        room = self._max_tokens - self._special - len(asked)
        least = self._max_tokens // _LEAST_SHARE
        if room < max(1, least):
            raise InvalidQueryError(
                f"The query has {len(asked)} tokens, but the reranker takes "
                f"{self._max_tokens - self._special - least} at most.",
                hint='Ask in fewer words, or set rerank.name = "" to search without a reranker.',
            )
        return [
            Pair(owner=owner, ids=tuple(pair.ids), types=tuple(pair.type_ids))
            for owner, text in enumerate(self._tokenize(texts))
            for pair in self._join(asked, text, room)
        ]

    def batches(self, pairs: Sequence[Pair], most: int) -> Iterator[Batch]:
        """Yield the pairs in batches of at most `most`, short ones together."""
        chosen: list[int] = []
        for position in sorted(range(len(pairs)), key=lambda each: len(pairs[each].ids)):
            padded = (len(chosen) + 1) * len(pairs[position].ids)
            if chosen and (len(chosen) == most or padded > _TOKENS_PER_RUN):
                yield self._batch(pairs, chosen)
                chosen = []
            chosen.append(position)
        if chosen:
            yield self._batch(pairs, chosen)

    def _tokenize(self, texts: Sequence[str]) -> list[Encoding]:
        # Lone surrogates, which a str may hold, have no UTF-8 form and would raise.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return list(self._tokenizer.encode_batch(clean, add_special_tokens=False))

    def _join(self, query: Encoding, text: Encoding, room: int) -> Iterator[Encoding]:
        # Windows of equal size: a short rest says little, and would be scored like the others.
        count = max(1, -(-len(text) // room))
        text.truncate(max(1, -(-len(text) // count)))
        rest = text.overflowing
        yield self._tokenizer.post_process(query, text)
        for window in rest:
            yield self._tokenizer.post_process(query, window)

    def _batch(self, pairs: Sequence[Pair], chosen: Sequence[int]) -> Batch:
        length = max(len(pairs[position].ids) for position in chosen)
        # Some graphs tell padding by its id, whatever the mask says.
        ids = np.full((len(chosen), length), self._pad_id, dtype=np.int64)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, position in enumerate(chosen):
            pair = pairs[position]
            ids[row, : len(pair.ids)] = pair.ids
            types[row, : len(pair.ids)] = pair.types
            mask[row, : len(pair.ids)] = 1
        return Batch(positions=tuple(chosen), ids=ids, types=types, mask=mask)
