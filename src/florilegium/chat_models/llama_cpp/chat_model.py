"""A chat model in this process, by llama.cpp. Knows messages, pictures and replies.

The engine knows llama.cpp, and `files` knows where the weights are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import RLock
from typing import Final

from florilegium.chat_models.llama_cpp.engine import Engine, Json, Setup, load_engine
from florilegium.chat_models.llama_cpp.files import ModelFiles, find_files
from florilegium.config import ChatConfig
from florilegium.errors import ChatError, UnsupportedInputError
from florilegium.openai_format import read_chunk, read_usage, to_request
from florilegium.protocols import ChatModel, Described, Encoder
from florilegium.templates import count_pictures
from florilegium.types import ChatModelInfo, ChatOptions, Delta, FinishReason, Message, TokenUsage
from florilegium.weights import locate_weights

MOST_PICTURES: Final = 8
"""Pictures per request to a model that sees."""

MOST_TOKENS: Final = 8192
"""The context, unless more is asked for: memory grows with it, and models of 2026 offer 128k."""

_CONTEXT_STEP: Final = 256  # llama.cpp rounds up to a multiple of it


class LlamaCppChatModel:
    """A chat model of GGUF files. May be used by several threads; they take turns.

    `close` ends replies that are being written, with the reason `cancelled`.
    """

    def __init__(self, files: ModelFiles, *, context_tokens: int = 0, threads: int = 0) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            files: The model, and its vision part if it has one.
            context_tokens: No more than the model was made for; 0 takes that, up to MOST_TOKENS.
            threads: 0 leaves one core free: with all cores in use, one more busy process slows
                the model to a small part of its speed.
        """
        self._files = files
        wanted = -(-(context_tokens or MOST_TOKENS) // _CONTEXT_STEP) * _CONTEXT_STEP
        self._context_tokens = min(wanted, files.context_tokens)
        self._threads = threads or max(1, _count_cores() - 1)
        self._lock = RLock()
        self._engine: Engine | None = None

    @property
    def info(self) -> ChatModelInfo:
        return ChatModelInfo(
            id=f"llama_cpp:{self._files.name}",
            max_images=MOST_PICTURES if self._files.mmproj else 0,
            context_tokens=self._context_tokens,
            in_process=True,
        )

    def describe(self) -> str:
        """Return in one line what the model is and how it runs. Loads nothing."""
        head = self._files.head
        kind = f" ({head.quantization})" if head.quantization else ""
        sees = f"sees pictures by {self._files.mmproj.name}" if self._files.mmproj else "text only"
        threads = "1 thread" if self._threads == 1 else f"{self._threads} threads"
        template = "" if head.has_template else ", no chat template in the file, so ChatML"
        return (
            f"{head.name or self._files.name}{kind}, {self._context_tokens} tokens, "
            f"{sees}, {threads}{template}"
        )

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        pictures, most = count_pictures(messages), self.info.max_images
        if pictures > most:
            raise UnsupportedInputError(
                f"The chat model {self.info.id!r} takes at most {most} pictures, and was given "
                f"{pictures}.",
                hint="Send fewer pictures."
                if most
                else "Set chat.mmproj to the vision part of this model, or take one that sees.",
            )
        return self._reply(messages, options)

    def close(self) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.close()

    def _reply(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[Delta]:
        engine = self._load()
        reason: FinishReason | None = None
        usage: TokenUsage | None = None
        speaks = False
        with closing(engine.stream(self._request(messages, options))) as chunks:
            for chunk in chunks:
                usage = read_usage(chunk) or usage
                delta = read_chunk(chunk)
                if delta is None:
                    continue
                reason = delta.finish_reason
                if delta.text:
                    speaks = True
                    yield Delta(text=delta.text)
        if reason is None and not engine.is_closed:
            raise ChatError(
                f"The chat model {self.info.id!r} ended its reply without saying why.",
                hint="Ask again.",
            )
        if reason == "length" and not speaks:
            raise ChatError(
                f"The chat model {self.info.id!r} reached its limit of {options.max_tokens} "
                "tokens, or the end of its context, before the first word of an answer.",
                hint="Raise chat.max_tokens, the max_tokens that were asked for, or "
                "chat.context_tokens.",
            )
        yield Delta(text="", finish_reason=reason or "cancelled", usage=usage)

    def _request(self, messages: Sequence[Message], options: ChatOptions) -> Json:
        return {
            **to_request(messages, model=self.info.id, options=options),
            # What was computed in other batches differs in the last digits, which was enough to
            # change half of the replies of a small model. Temperature 0 promises the same reply.
            "cache_prompt": options.temperature > 0.0,
            # Chunks while the prompt is read, so that a reply can be stopped before it begins.
            "return_progress": True,
        }

    def _load(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = load_engine(
                    Setup(
                        model=self._files.model,
                        mmproj=self._files.mmproj,
                        context_tokens=self._context_tokens,
                        threads=self._threads,
                    )
                )
            return self._engine


def open_chat_model(
    model: str, *, config: ChatConfig, texts: Encoder | None, cache_folder: Path
) -> ChatModel:
    """Return the chat model of a GGUF file, or of a folder or pulled model with one.

    Raises:
        WeightsNotFoundError: There is none, there are several, or it is damaged.
    """
    del texts, cache_folder
    place = locate_weights(model, kind="llama_cpp")
    files = find_files(place, mmproj=config.mmproj, vision=config.vision)
    return LlamaCppChatModel(files, context_tokens=config.context_tokens, threads=config.threads)


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_: type[ChatModel] = LlamaCppChatModel
_described: type[Described] = LlamaCppChatModel
