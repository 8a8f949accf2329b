"""What `florilegium doctor` looks at, one part at a time. Mends nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from florilegium.errors import ChatError, FlorilegiumError
from florilegium.protocols import ChatModel, Described, Encoder, Reranker, Tuned
from florilegium.streams import closing_stream
from florilegium.thinking import without_thoughts
from florilegium.types import ChatOptions, Message, Modality, TextPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that `Library.check` looked at."""

    name: str
    ok: bool
    message: str
    hint: str | None = None


def attempt(name: str, look: Callable[[], str]) -> Check:
    """Return what `look` said, or the error of ours that it raised."""
    try:
        return Check(name=name, ok=True, message=look())
    except FlorilegiumError as error:
        return Check(name=name, ok=False, message=error.message, hint=error.hint)


def try_encoder(encoder: Encoder) -> str:
    """Encode something of each modality and say what did it. Raises FlorilegiumError."""
    info = encoder.info
    if Modality.IMAGE in info.modalities:
        encoder.encode_images([Image.new("RGB", (32, 32), "white")])
    if Modality.TEXT in info.modalities:
        encoder.encode_texts(["a test"], purpose="query")
    found = f"{info.id}, {info.dim} dimensions"
    return f"{found}; {encoder.describe_engines()}" if isinstance(encoder, Tuned) else found


def try_chat_model(chat_model: ChatModel, *, max_tokens: int) -> str:
    """Say what the chat model is, and how soon it begins a reply. Raises FlorilegiumError.

    `max_tokens` is room for the reply: models that think need it before they speak.
    """
    info = chat_model.info
    found = chat_model.describe() if isinstance(chat_model, Described) else info.id
    if not info.generative:
        return found
    asked = Message(role="user", parts=(TextPart(text="Say yes."),))
    started = time.perf_counter()
    options = ChatOptions(max_tokens=max_tokens)
    with closing_stream(chat_model.stream([asked], options=options)) as stream:
        said = any(delta.text.strip() for delta in without_thoughts(stream))
    if not said:
        raise ChatError(
            f"The chat model {info.id!r} replied with nothing to a short question.",
            hint="Try another model, or look into the log of its server.",
        )
    return f"{found}; replied in {time.perf_counter() - started:.1f} s"


def check_reranker(find: Callable[[], Reranker | None]) -> list[Check]:
    """Return how the reranker is that `find` opens; nothing if it opens none."""
    try:
        reranker = find()
    except FlorilegiumError as error:
        return [Check(name="reranker", ok=False, message=error.message, hint=error.hint)]
    return [] if reranker is None else [attempt("reranker", lambda: try_reranker(reranker))]


def try_reranker(reranker: Reranker) -> str:
    """Have a text scored, and say what did it and how soon. Raises FlorilegiumError."""
    started = time.perf_counter()
    reranker.score("What is red?", ["The rose is red."])
    seconds = time.perf_counter() - started
    found = reranker.info
    tokens = "" if found.max_tokens is None else f", {found.max_tokens} tokens"
    return f"{found.id}{tokens}; scored in {seconds:.1f} s"
