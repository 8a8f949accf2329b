"""What a server's refusal means: its status and words to one of our errors. Sends nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatUnavailableError,
    ContextExceededError,
    UnsupportedInputError,
)

_LONGEST_WORDS = 300
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|context[ _-](length|size|window)"
    r"|maximum (model|context|prompt|input) length|max_model_len|(prompt|input) is too long"
    r"|prompt too long|too many (input )?tokens|exceeds the (maximum|max) number of tokens"
    r"|max_tokens must be at least 1, got -|context overflow",
    re.IGNORECASE,
)
_NO_PICTURES = re.compile(
    r"(image|picture|vision|multi-?modal)[\w ]{0,30} (is|are) not supported"
    r"|(not|n't) (support|accept|take|a multi-?modal)[\w ]{0,30}(image|vision|model|modal)"
    r"|required[\w ]{0,20} image input|image_url is only supported|unknown variant .image_url"
    r"|at most \d+ image",
    re.IGNORECASE,
)
_UNSUPPORTED_CODES = frozenset({"unsupported_parameter", "unsupported_value"})
_UNAUTHORISED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a server said when it refused: its words, and the field that it does not know."""

    words: str
    unsupported: str = ""


def read_refusal(body: str, *, secret: str) -> Refusal:
    """Return what the body of a refusal says, in at most some hundred characters.

    `secret` is cut out: servers repeat a key that they do not know.
    """
    try:
        said: object = json.loads(body)
    except (ValueError, RecursionError):
        is_page = body.lstrip().startswith("<")
        return Refusal(words="an HTML page" if is_page else _brief(body, secret))
    error = said.get("error", said) if isinstance(said, Mapping) else said
    if not isinstance(error, Mapping):
        return Refusal(words=_brief(str(error), secret))
    words = error.get("message") or error.get("detail") or json.dumps(error)
    kind = " ".join(str(error[key]) for key in ("type", "code") if isinstance(error.get(key), str))
    field = str(error.get("param") or "") if error.get("code") in _UNSUPPORTED_CODES else ""
    named = f"{words} ({kind})" if kind else str(words)
    return Refusal(words=_brief(named, secret), unsupported=field)


def explain_refusal(status: int, words: str, *, server: str, key_variable: str) -> ChatError:
    """Return the error for a status and the words that came with it.

    Args:
        status: The HTTP status, or the code that an error within a stream gives.
        words: What the server said, bounded.
        server: Its address, for messages.
        key_variable: What `chat.api_key_env` names.
    """
    said = f"The server at {server!r} refused the request (status {status}): {words}"
    if status in _UNAUTHORISED:
        return ChatRejectedError(said, hint=_key_hint(key_variable))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ChatUnavailableError(
            f"The server at {server!r} is busy (status 429): {words}",
            hint="Try again later, or raise chat.retries.",
        )
    if _TOO_LONG.search(words):
        return ContextExceededError(
            said,
            hint="Lower chat.max_sources, chat.max_images or chat.max_tokens, or give the "
            "server's model a larger context.",
        )
    if _NO_PICTURES.search(words):
        return UnsupportedInputError(
            said,
            hint='Lower chat.max_images, set chat.vision to "no", or take a model that sees.',
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ChatUnavailableError(
            f"The server at {server!r} failed (status {status}): {words}",
            hint="Look at the server's own log.",
        )
    if status < HTTPStatus.BAD_REQUEST:
        return ChatRejectedError(
            f"The server at {server!r} answered with status {status} instead of a reply: {words}",
            hint="Set chat.base_url to the address that the server really has.",
        )
    return ChatRejectedError(said, hint="Check the settings of section [chat].")


def is_passing(status: int, error: ChatError) -> bool:
    """Return whether the same request may go well later."""
    busy = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return busy and isinstance(error, ChatUnavailableError)


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks to wait; None if it does not say."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _key_hint(variable: str) -> str:
    if variable:
        return f"Check the key in the variable {variable!r}, which chat.api_key_env names."
    return "Set chat.api_key_env to the name of the variable that holds the server's key."


def _brief(text: str, secret: str) -> str:
    words = " ".join((text.replace(secret, "…") if secret else text).split())
    if not words:
        return "it did not say why"
    return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…"
