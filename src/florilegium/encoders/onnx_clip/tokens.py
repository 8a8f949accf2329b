"""Texts to the arrays that a text tower reads, by the tokenizer and the rules of a model.

Knows no graph. Nothing is cut: a text over the limit becomes several windows.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from florilegium.encoders.onnx_clip.record import TextRules
from florilegium.errors import EncoderError

Window = tuple[int, ...]
Integers = npt.NDArray[np.int64]

# A compiled graph is prepared for each length that it meets, so there should be few of them.
_LENGTH_STEP = 8
_TOKENS_PER_RUN = 2048  # padded; more does not run faster on a processor, and takes memory
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows that are read together: which ones, their tokens, and what of these counts.

    `ids` and `mask` have the shape (n, length).
    """

    positions: tuple[int, ...]
    ids: Integers
    mask: Integers


class TextReader:
    """A tokenizer, and how its tokens are to be given to the tower. Threads may share it."""

    def __init__(self, tokenizer: str, rules: TextRules) -> None:
        """Read the text of a `tokenizer.json`. Raises EncoderError if it is none."""
        self._rules = rules
        self._tokenizer = parse_tokenizer(tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._before, self._after = self._find_special()
        self._room = rules.max_tokens - len(self._before) - len(self._after)
        if self._room < 1:
            raise EncoderError(
                f"The text tower takes {rules.max_tokens} tokens, of which the special ones leave "
                "none for a text.",
                hint="Fetch or export the model again.",
            )

    def count(self, text: str) -> int:
        """Return the tokens of a text, special ones included."""
        return len(self._tokenize([text])[0]) + len(self._before) + len(self._after)

    def windows(self, texts: Sequence[str]) -> list[list[Window]]:
        """Return for each text its windows, of about equal size, each with the special tokens."""
        return [list(self._split(tokens)) for tokens in self._tokenize(texts)]

    def batches(self, windows: Sequence[Window], most: int) -> Iterator[Batch]:
        """Yield the windows in batches of at most `most`, short ones together."""
        chosen: list[int] = []
        for position in sorted(range(len(windows)), key=lambda each: len(windows[each])):
            padded = (len(chosen) + 1) * self._length(len(windows[position]))
            if chosen and (len(chosen) == most or padded > _TOKENS_PER_RUN):
                yield self._batch(windows, chosen)
                chosen = []
            chosen.append(position)
        if chosen:
            yield self._batch(windows, chosen)

    def _batch(self, windows: Sequence[Window], chosen: Sequence[int]) -> Batch:
        length = self._length(max(len(windows[position]) for position in chosen))
        ids = np.full((len(chosen), length), self._rules.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, position in enumerate(chosen):
            window = windows[position]
            # Towers that do not read their padding count positions from the left.
            left = length - len(window) if self._rules.pad_left and self._rules.fixed_length else 0
            ids[row, left : left + len(window)] = window
            mask[row, left : left + len(window)] = 1
        return Batch(positions=tuple(chosen), ids=ids, mask=mask)

    def _length(self, tokens: int) -> int:
        if self._rules.fixed_length:
            return self._rules.max_tokens
        return min(self._rules.max_tokens, -(-tokens // _LENGTH_STEP) * _LENGTH_STEP)

    def _split(self, tokens: Sequence[int]) -> Iterator[Window]:
        # Windows of equal size: a short rest would weigh as much as a full window in the mean.
        count = max(1, -(-len(tokens) // self._room))
        size = -(-len(tokens) // count)
        for at in range(count):
            yield (*self._before, *tokens[at * size : (at + 1) * size], *self._after)

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        clean = [self._clean(text) for text in texts]
        encoded = self._tokenizer.encode_batch(clean, add_special_tokens=False)
        # A text that spells the mark of its end would be read up to there only.
        special = {*self._before, *self._after}
        return [[token for token in each.ids if token not in special] for each in encoded]

    def _clean(self, text: str) -> str:
        # Lone surrogates, which a str may hold, have no UTF-8 form and would raise.
        clean = text.encode("utf-8", "replace").decode("utf-8")
        if self._rules.lowercase:
            clean = clean.lower()
        if self._rules.canonical:
            clean = " ".join(clean.replace("_", " ").translate(_NO_PUNCTUATION).split())
        return clean

    def _find_special(self) -> tuple[Window, Window]:
        plain: list[int] = self._tokenizer.encode("a", add_special_tokens=False).ids
        whole: list[int] = self._tokenizer.encode("a").ids
        for start in range(len(whole) - len(plain) + 1):
            if whole[start : start + len(plain)] == plain:
                return tuple(whole[:start]), tuple(whole[start + len(plain) :])
        return (), ()


def parse_tokenizer(text: str) -> Tokenizer:
    """Return the tokenizer that a `tokenizer.json` describes. Raises EncoderError if it is none."""
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the library has no type of its own for this
        raise EncoderError(
            f"The tokenizer of the model cannot be read: {error}.",
            hint="Fetch or export the model again.",
        ) from error


def as_inputs(batch: Batch, names: Sequence[str]) -> Mapping[str, Integers]:
    """Return a batch by the names of a graph's inputs: the tokens, and the mask if it has one."""
    return {name: batch.mask if is_mask(name) else batch.ids for name in names}


def is_mask(name: str) -> bool:
    """Return whether an input of a text graph tells which tokens count."""
    return "mask" in name
