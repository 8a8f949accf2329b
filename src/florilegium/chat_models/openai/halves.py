"""Joins characters that a server has cut in halves. Pure: knows neither JSON nor servers."""

from __future__ import annotations

from florilegium.errors import ChatError


class PairJoiner:
    """Join characters that a server has cut in two UTF-16 halves, one in each piece."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Return text without halves; a first half at its end waits for the second.

        Raises:
            ChatError: A half has no other half.
        """
        if text.isascii() and not self._half:
            return text
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text.removesuffix(self._half) if self._half else text
        try:
            return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise _half_error(whole) from error

    def finish(self) -> None:
        """Raise ChatError if the reply ended within a character."""
        if self._half:
            raise _half_error(self._half)


def _half_error(text: str) -> ChatError:
    return ChatError(
        f"The reply holds one half of a character: {text[-20:]!r}.",
        hint="Ask again; if it happens each time, the server is broken.",
    )
