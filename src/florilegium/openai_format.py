"""The JSON of OpenAI's chat completions: our messages to theirs, their chunks to our deltas.

Many servers and llama.cpp speak it. Knows no connection and no server.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from PIL import Image

from florilegium.errors import ChatError, ChatRejectedError
from florilegium.templates import flatten
from florilegium.types import (
    ChatOptions,
    Delta,
    FinishReason,
    ImagePart,
    Message,
    TextPart,
    TokenUsage,
)

LARGEST_SIDE: Final = 1024
"""Pictures are shrunk to this side in pixels: vision models of 2026 read no more of them."""

_QUALITY: Final = 90
_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "abort": "cancelled",
}

Json = dict[str, Any]


def to_request(messages: Sequence[Message], *, model: str, options: ChatOptions) -> Json:
    """Return the body of a streaming request for a chat completion."""
    request: Json = {
        "model": model,
        "messages": [_message(message) for message in messages],
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if options.top_p is not None:
        request["top_p"] = options.top_p
    if options.seed is not None:
        request["seed"] = options.seed
    return request


def to_data_url(image: Image.Image) -> str:
    """Return a picture as a JPEG in a data URL, no side longer than LARGEST_SIDE pixels."""
    picture = image.convert("RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def read_chunk(chunk: object) -> Delta | None:
    """Return the delta of one chunk of a stream; None for one that says nothing.

    Thoughts (`reasoning_content` and the like) are no part of a reply.

    Raises:
        ChatError: It is no such chunk, or says that the reply failed.
        ChatRejectedError: A content filter ended the reply.
    """
    if not isinstance(chunk, Mapping) or not isinstance(choices := chunk.get("choices"), list):
        raise ChatError(
            f"A chunk of the reply is no chat completion: {str(chunk)[:200]!r}.",
            hint="Check that chat.base_url is an OpenAI-compatible server.",
        )
    if not choices:  # the chunk that only counts tokens
        return None
    try:
        text = _text_of((choices[0].get("delta") or {}).get("content"))
        reason = choices[0].get("finish_reason")
    except (AttributeError, KeyError, TypeError) as error:
        raise ChatError(
            f"A chunk of the reply has another form: {str(chunk)[:200]!r}.",
            hint="Check that chat.base_url is an OpenAI-compatible server.",
        ) from error
    # Some servers send "" with each piece for "not finished yet".
    finish = _finish_reason(str(reason)) if reason else None
    return Delta(text=text, finish_reason=finish) if text or finish else None


def read_usage(chunk: Mapping[str, Any]) -> TokenUsage | None:
    """Return what a chunk of a stream says of tokens; None for nothing, or no numbers."""
    usage = chunk.get("usage")
    if not isinstance(usage, Mapping):
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_count(read) or not _is_count(written):
        return None
    return TokenUsage(prompt_tokens=read, completion_tokens=written)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text_of(content: object) -> str:
    """Return the text of a delta's content: a string, or parts of which some are thoughts."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise TypeError(f"neither a text nor parts: {content!r}")
    return "".join(_text_of(part["text"]) for part in content if part.get("type") == "text")


def _finish_reason(reason: str) -> FinishReason:
    if reason == "content_filter":
        raise ChatRejectedError(
            "The provider's content filter stopped the reply.",
            hint="Ask in other words, or take another model.",
        )
    if reason == "error":
        raise ChatError("The server ended the reply with an error.", hint="Ask again.")
    return _REASONS.get(reason, "stop")


def _message(message: Message) -> Json:
    parts = flatten(message)
    if all(isinstance(part, TextPart) for part in parts):
        # Many servers and templates take nothing but a plain string where there are no pictures.
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        return {"role": message.role, "content": text}
    return {"role": message.role, "content": [_part(part) for part in parts]}


def _part(part: TextPart | ImagePart) -> Json:
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": to_data_url(part.image)}}
    return {"type": "text", "text": part.text}
