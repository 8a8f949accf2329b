"""Finds out whether a model sees: it is shown two numbers that it cannot guess.

Many servers take a picture that their model never gets to see, and the model invents one. Draws
and asks; keeps nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from florilegium.chat_models.openai.connection import Connection, NoResponse
from florilegium.errors import ContextExceededError, UnsupportedInputError
from florilegium.openai_format import to_request
from florilegium.types import ChatOptions, ImagePart, Message, TextPart

SIDE: Final = 336
NUMBERS: Final = range(10, 100)

_QUESTION = "Which number is written in the picture? Reply with its two digits only."
_OPTIONS = ChatOptions(max_tokens=64, temperature=0.0)
_NUMBER = re.compile(r"(?<!\d)\d\d(?!\d)")
# Statuses by which servers refuse a picture. Others mean a key, a name or a server that is down.
_BLIND = frozenset({
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.NOT_IMPLEMENTED,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Whether a model sees pictures, and how that is known, in words."""

    sees: bool
    reason: str


def draw_number(number: int) -> Image.Image:
    """Return a white picture with a number of two digits in black, as large as fits."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    font = ImageFont.load_default(size=SIDE * 2 // 3)
    ImageDraw.Draw(picture).text(
        (SIDE // 2, SIDE // 2), str(number), fill="black", font=font, anchor="mm"
    )
    return picture


def probe_sight(
    connection: Connection, model: str, *, choose: Callable[[Sequence[int]], int] = secrets.choice
) -> Sight:
    """Ask a model for the numbers in two pictures; it sees if it reads both.

    What counts is the first number of two digits in a reply, or in the thoughts before it: a
    model that lists numbers has read none. A blind one passes once in some 8000 times.

    Raises:
        ChatError: The server is down, slow, or refuses something else than the picture.
    """
    first = choose(NUMBERS)
    second = choose([number for number in NUMBERS if number != first])
    for number in (first, second):
        said = _ask(connection, model, draw_number(number))
        if isinstance(said, Sight):
            return said
        if (read := _NUMBER.search(said)) is None or read[0] != str(number):
            return Sight(sees=False, reason=f"shown the number {number}, it said {said[:60]!r}")
    return Sight(sees=True, reason="it read two numbers in pictures")


def _ask(connection: Connection, model: str, picture: Image.Image) -> str | Sight:
    parts = (ImagePart(image=picture), TextPart(text=_QUESTION))
    request = to_request([Message(role="user", parts=parts)], model=model, options=_OPTIONS)
    outcome = connection.post(request)
    if isinstance(outcome, NoResponse):
        refused = isinstance(outcome.error, (UnsupportedInputError, ContextExceededError))
        if refused or outcome.status in _BLIND:
            return Sight(sees=False, reason=f"it refused a picture: {outcome.words}")
        raise outcome.error from outcome.cause
    said = ""
    chunks = connection.read(outcome)
    try:
        for chunk in chunks:
            said += _words(chunk)
            # A number is complete when something follows it; the rest need not be waited for.
            if (read := _NUMBER.search(said)) and read.end() < len(said):
                break
    except (UnsupportedInputError, ContextExceededError) as error:
        return Sight(sees=False, reason=f"it refused a picture: {error}")
    finally:
        chunks.close()
    return said.strip()


def _words(chunk: Mapping[str, Any]) -> str:
    """Return what a chunk says, thoughts included: a model may read the number while it thinks."""
    words = ""
    for choice in chunk["choices"][:1]:
        delta = choice.get("delta") or {}
        for key in ("reasoning_content", "reasoning", "content"):
            words += value if isinstance(value := delta.get(key), str) else ""
    return words
