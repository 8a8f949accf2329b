"""What a server's refusal means: its status and words to one of our errors. Sends nothing."""

from __future__ import annotations

import re
from http import HTTPStatus

from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatUnavailableError,
    ContextExceededError,
    UnsupportedInputError,
)

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
_UNAUTHORISED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


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


def _key_hint(variable: str) -> str:
    if variable:
        return f"Check the key in the variable {variable!r}, which chat.api_key_env names."
    return "Set chat.api_key_env to the name of the variable that holds the server's key."
