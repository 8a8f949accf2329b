"""Between text and the tokens of MC-LLaVA. Knows the tokenizer's file, and no network."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from florilegium.chat_models.mc_llava.layout import HINT
from florilegium.errors import WeightsNotFoundError

IMAGE_TOKEN = "<image>"
_ENDS = ("<|im_end|>", "<|endoftext|>")  # of a message in ChatML, and of a text in Phi
_FILE = "tokenizer.json"
_UNFINISHED = "\ufffd"  # what a character is decoded to while bytes of it are still missing


class Words:
    """The tokenizer. May be used by several threads."""

    def __init__(self, tokenizer: Tokenizer, *, ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self.ends = ends
        """Tokens that end a reply."""

    def encode(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt; the control tokens in it are read as such."""
        ids: list[int] = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of tokens, without control tokens."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text


class Speech:
    """The text of a reply that comes token by token, in whole characters."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._ids: list[int] = []
        self._said = 0

    def feed(self, token: int) -> str:
        """Return the text that a token adds; nothing while it leaves a character unfinished."""
        self._ids.append(token)
        text = self._words.decode(self._ids)
        return "" if text.endswith(_UNFINISHED) else self._new(text)

    def finish(self) -> str:
        """Return what has not been said yet."""
        return self._new(self._words.decode(self._ids))

    def _new(self, text: str) -> str:
        new = text[self._said :]
        self._said = len(text)
        return new


def open_words(folder: Path, *, image_token: int) -> Words:
    """Return the tokenizer of a folder.

    Raises:
        WeightsNotFoundError: There is none, or its control tokens are not those of the model.
    """
    file = folder / _FILE
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises nothing narrower
        raise WeightsNotFoundError(
            f"{str(file)!r} of the chat model 'mc_llava' cannot be read: {error}.", hint=HINT
        ) from error
    found = tokenizer.token_to_id(IMAGE_TOKEN)
    ends = [tokenizer.token_to_id(token) for token in _ENDS]
    known = frozenset(end for end in ends if end is not None)
    if found != image_token or len(known) < len(_ENDS):
        raise WeightsNotFoundError(
            f"{str(file)!r} is not the tokenizer of MC-LLaVA: {IMAGE_TOKEN!r} is {found!r} in it, "
            f"expected {image_token!r}, and {' and '.join(_ENDS)} are {ends!r}.",
            hint=HINT,
        )
    return Words(tokenizer, ends=known)
