from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from florilegium.encoders.open_clip.tokens import TextReader
from florilegium.errors import EncoderError

START, END = 98, 99


class OwnTokenizer:
    """As OpenCLIP's own: a token per letter, and 98 and 99 around a text."""

    sot_token_id, eot_token_id = START, END

    def encode(self, text: str) -> list[int]:
        letters = text.encode("utf-8").replace(b"END", b"\xff")
        return [END if letter == 0xFF else letter % 90 for letter in letters]


@dataclass
class Inner:
    """As one of transformers: a token per letter, 2 in front and 1 behind."""

    before: Sequence[int] = (2,)
    after: Sequence[int] = (1,)
    padding_side: str = "right"
    pad_token_id: int = 7
    sep_token_id: int = 1
    busy: bool = field(default=False, init=False)

    def __call__(self, text: str, *, add_special_tokens: bool, **_: bool) -> dict[str, list[int]]:
        assert not self.busy, "two threads at once"
        self.busy = True
        tokens = [10 + ord(letter) % 50 for letter in text]
        self.busy = False
        if add_special_tokens:
            tokens = [*self.before, *tokens, *self.after]
        return {"input_ids": tokens}


@dataclass
class TheirTokenizer:
    """As OpenCLIP wraps one of transformers."""

    tokenizer: Inner = field(default_factory=Inner)
    tokenizer_mode: str = ""
    strip_sep_token: bool = False

    def clean_fn(self, text: str) -> str:
        return text.strip()


def test_tokens_are_counted_with_the_special_ones_and_without_cutting() -> None:
    own = TextReader(OwnTokenizer(), max_tokens=8, causal=True)
    theirs = TextReader(TheirTokenizer(), max_tokens=8, causal=False)

    assert [own.count(text) for text in ("", "rose", "x" * 5000)] == [2, 6, 5002]
    assert [theirs.count(text) for text in ("", " rose ", "x" * 5000)] == [2, 6, 5002]


def test_a_text_that_fits_is_one_window() -> None:
    reader = TextReader(OwnTokenizer(), max_tokens=8, causal=True)

    assert reader.windows("") == [(START, END)]
    assert reader.windows("\1\2\3\4\5\6") == [(START, 1, 2, 3, 4, 5, 6, END)]


def test_a_longer_text_is_windows_of_about_one_size_that_lose_nothing() -> None:
    reader = TextReader(OwnTokenizer(), max_tokens=8, causal=True)

    windows = reader.windows("".join(map(chr, range(1, 15))))

    assert [len(window) for window in windows] == [7, 7, 6]
    assert [token for window in windows for token in window[1:-1]] == list(range(1, 15))


def test_a_causal_tower_is_given_no_more_than_the_longest_text() -> None:
    windows = [(START, 5, END), (START, 5, 6, 7, END)]

    short = TextReader(OwnTokenizer(), max_tokens=8, causal=True).batch(windows)
    full = TextReader(OwnTokenizer(), max_tokens=8, causal=False).batch(windows)

    assert short.tolist() == [[START, 5, END, 0, 0], [START, 5, 6, 7, END]]
    assert full.shape == (2, 8)
    assert full[:, :5].tolist() == short.tolist()
    assert not full[:, 5:].any()


@pytest.mark.parametrize(("side", "row"), [("right", [2, 33, 1, 7, 7]), ("left", [7, 7, 2, 33, 1])])
def test_padding_is_that_of_the_tokenizer(side: str, row: list[int]) -> None:
    tokenizer = TheirTokenizer(tokenizer=Inner(padding_side=side))
    reader = TextReader(tokenizer, max_tokens=5, causal=False)

    assert reader.batch([(2, 33, 1)]).tolist() == [row]


def test_what_stands_around_a_text_is_found_out() -> None:
    tokenizer = TheirTokenizer(tokenizer=Inner(before=(), after=(4, 1)))

    windows = TextReader(tokenizer, max_tokens=6, causal=False).windows("ab")

    assert windows == [(10 + 97 % 50, 10 + 98 % 50, 4, 1)]


def test_a_token_that_the_tower_never_saw_is_zero() -> None:
    reader = TextReader(TheirTokenizer(strip_sep_token=True), max_tokens=5, causal=False)

    assert reader.batch([(2, 33, 1)]).tolist() == [[2, 33, 0, 7, 7]]


def test_a_text_cannot_end_itself_early() -> None:
    reader = TextReader(OwnTokenizer(), max_tokens=8, causal=True)

    assert reader.windows("\1END\2") == [(START, 1, 2, END)]
    assert reader.count("\1END\2") == 4


def test_a_lone_surrogate_is_read() -> None:
    reader = TextReader(OwnTokenizer(), max_tokens=8, causal=True)

    assert reader.count("a\ud800b") == 5


def test_threads_take_turns() -> None:
    reader = TextReader(TheirTokenizer(), max_tokens=8, causal=False)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(reader.count, ["rose" * 500] * 40))

    assert counts == [2002] * 40


@pytest.mark.parametrize("tokenizer", [object(), TheirTokenizer(tokenizer_mode="clips")])
def test_a_tokenizer_of_another_kind_is_refused(tokenizer: object) -> None:
    with pytest.raises(EncoderError, match="is of an unknown kind"):
        TextReader(tokenizer, max_tokens=8, causal=False)


def test_a_tokenizer_that_changes_a_text_is_refused() -> None:
    class Doubling(Inner):
        def __call__(
            self, text: str, *, add_special_tokens: bool, **_: bool
        ) -> dict[str, list[int]]:
            return {"input_ids": [3, 3] if add_special_tokens else [4]}

    with pytest.raises(EncoderError, match="changes a text"):
        TextReader(TheirTokenizer(tokenizer=Doubling()), max_tokens=8, causal=False)


def test_a_tower_needs_room_for_a_text() -> None:
    with pytest.raises(EncoderError, match="takes 2 tokens, of which the special ones leave none"):
        TextReader(OwnTokenizer(), max_tokens=2, causal=True)
