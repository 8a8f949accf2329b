"""Texts to the tokens that a text tower reads, in windows that fit, so that nothing is cut.

Pure: the caller brings a tokenizer of OpenCLIP, and nothing is loaded here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from florilegium.errors import EncoderError

Window = tuple[int, ...]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What a tokenizer does: `tokens` without the special ones, and what surrounds and pads them.

    `zeroed` is a token that the tower was trained to see as 0.
    """

    tokens: Callable[[str], list[int]]
    before: Window
    after: Window
    pad_id: int = 0
    pad_left: bool = False
    zeroed: int | None = None


class TextReader:
    """A tokenizer, and how a tower wants its tokens. Threads may share it."""

    def __init__(self, tokenizer: Any, *, max_tokens: int, causal: bool) -> None:
        """Find out what the tokenizer puts around a text.

        Args:
            tokenizer: What `open_clip.get_tokenizer` gave.
            max_tokens: How many tokens the tower takes, special ones included.
            causal: Whether what stands after the end of a text cannot change its row, so that
                batches may be as short as their longest text.

        Raises:
            EncoderError: It is of an unknown kind, or leaves no room for a text.
        """
        self.tokenizer = tokenizer
        self._rules = _rules(tokenizer)
        self._max_tokens = max_tokens
        self._causal = causal
        self._lock = Lock()
        self._room = max_tokens - len(self._rules.before) - len(self._rules.after)
        if self._room < 1:
            raise EncoderError(
                f"The text tower takes {max_tokens} tokens, of which the special ones leave none "
                "for a text."
            )

    def count(self, text: str) -> int:
        """Return the tokens of a text, special ones included."""
        return len(self._tokenize(text)) + self._max_tokens - self._room

    def windows(self, text: str) -> list[Window]:
        """Return the windows of a text, of about equal size, each with its special tokens."""
        tokens = self._tokenize(text)
        # Windows of equal size: a short rest would weigh as much as a full window in the mean.
        count = max(1, -(-len(tokens) // self._room))
        size = -(-len(tokens) // count)
        parts = [tokens[at * size : (at + 1) * size] for at in range(count)]
        return [(*self._rules.before, *part, *self._rules.after) for part in parts]

    def batch(self, windows: Sequence[Window]) -> Integers:
        """Return windows as shape (n, length), padded as the tower was trained to see it."""
        length = max(map(len, windows)) if self._causal else self._max_tokens
        ids = np.full((len(windows), length), self._rules.pad_id, dtype=np.int64)
        for row, window in zip(ids, windows, strict=True):
            start = length - len(window) if self._rules.pad_left else 0
            row[start : start + len(window)] = window
        if self._rules.zeroed is not None:
            ids[ids == self._rules.zeroed] = 0
        return ids

    def _tokenize(self, text: str) -> list[int]:
        # Lone surrogates, which a str may hold, have no UTF-8 form and would raise.
        clean = text.encode("utf-8", "replace").decode("utf-8")
        # A tokenizer of transformers must not be used by two threads at once.
        with self._lock:
            tokens = self._rules.tokens(clean)
        # A text that spells the mark of its end would be read up to there only.
        special = {*self._rules.before, *self._rules.after}
        return [token for token in tokens if token not in special]


def _rules(tokenizer: Any) -> _Rules:
    if hasattr(tokenizer, "sot_token_id"):
        return _Rules(
            tokens=tokenizer.encode,
            before=(tokenizer.sot_token_id,),
            after=(tokenizer.eot_token_id,),
        )
    if not hasattr(tokenizer, "clean_fn") or tokenizer.tokenizer_mode:
        raise EncoderError(
            f"The tokenizer {type(tokenizer).__name__!r} of the model is of an unknown kind.",
            hint="Choose another model of OpenCLIP.",
        )
    inner = tokenizer.tokenizer

    def tokens(text: str, *, special: bool = False) -> list[int]:
        clean = tokenizer.clean_fn(text)
        # Not verbose: it would warn of texts over its limit, which are split here.
        found = inner(clean, add_special_tokens=special, truncation=False, verbose=False)
        return list(found["input_ids"])

    before, after = _around(tokens("a"), tokens("a", special=True))
    return _Rules(
        tokens=tokens,
        before=before,
        after=after,
        pad_id=inner.pad_token_id,
        pad_left=inner.padding_side == "left",
        zeroed=inner.sep_token_id if tokenizer.strip_sep_token else None,
    )


def _around(plain: Sequence[int], whole: Sequence[int]) -> tuple[Window, Window]:
    for start in range(len(whole) - len(plain) + 1):
        if whole[start : start + len(plain)] == plain:
            return tuple(whole[:start]), tuple(whole[start + len(plain) :])
    raise EncoderError("The tokenizer of the model changes a text when it marks its end.")
