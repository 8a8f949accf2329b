"""A chat model for tests: scripted replies, and the messages that it was sent.

Knows no language. What it says is what it was told to say, or one sentence about source 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from florilegium.config import ChatConfig
from florilegium.errors import ChatError, FlorilegiumError, UnsupportedInputError
from florilegium.prompt import refusal
from florilegium.protocols import ChatModel, Encoder
from florilegium.types import (
    ChatModelInfo,
    ChatOptions,
    Delta,
    ImagePart,
    Message,
    SourcePart,
    TextPart,
    TokenUsage,
)


class FakeChatModel:
    """Reply with what was scripted, word by word, and remember what was asked.

    Args:
        replies: What to say, in order: a text, or an error that is raised in the middle of the
            stream. Running out of replies is a ChatError. None replies to everything with a
            sentence that names the first source and cites it.
        max_images: Pictures that one request may hold.
        context_tokens: What `info` says of the context.
        generative: What `info` says of it.
        usage: What the last delta of each reply says was counted.
    """

    def __init__(
        self,
        replies: Iterable[str | FlorilegiumError] | None = None,
        *,
        max_images: int = 4,
        context_tokens: int | None = None,
        generative: bool = True,
        usage: TokenUsage | None = None,
    ) -> None:
        self._usage = usage
        self._replies = None if replies is None else list(replies)
        self._info = ChatModelInfo(
            id="fake",
            max_images=max_images,
            context_tokens=context_tokens,
            generative=generative,
        )
        self.received: list[tuple[Message, ...]] = []
        self.options: list[ChatOptions] = []
        self.open_streams = 0
        self.closed = False

    @property
    def info(self) -> ChatModelInfo:
        return self._info

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        pictures = sum(
            isinstance(part, ImagePart) for message in messages for part in message.parts
        )
        if pictures > self._info.max_images:
            raise UnsupportedInputError(
                f"The chat model 'fake' takes {self._info.max_images} pictures, got {pictures}.",
                hint="Send fewer pictures.",
            )
        self.received.append(tuple(messages))
        self.options.append(options)
        return self._speak(self._next_reply(messages))

    def close(self) -> None:
        self.closed = True

    def _next_reply(self, messages: Sequence[Message]) -> str | FlorilegiumError:
        if self._replies is None:
            return _about_first_source(messages)
        if not self._replies:
            raise ChatError(
                f"The chat model 'fake' has no reply left for request {len(self.received)}.",
                hint="Script one reply for each question.",
            )
        return self._replies.pop(0)

    def _speak(self, reply: str | FlorilegiumError) -> Iterator[Delta]:
        self.open_streams += 1
        try:
            if isinstance(reply, FlorilegiumError):
                yield Delta(text="…")
                raise reply
            *words, last = reply.split(" ")
            for word in words:
                yield Delta(text=f"{word} ")
            yield Delta(text=last, finish_reason="stop", usage=self._usage)
        finally:
            self.open_streams -= 1


def open_chat_model(
    model: str, *, config: ChatConfig, texts: Encoder | None, cache_folder: Path
) -> ChatModel:
    """Return a fake chat model; `model` is a reply that it always gives, if there is one."""
    del config, texts, cache_folder
    return FakeChatModel([model] * 1000 if model else None)


def _about_first_source(messages: Sequence[Message]) -> str:
    parts = messages[-1].parts
    sources = [part for part in parts if isinstance(part, SourcePart)]
    if not sources:
        return refusal(" ".join(part.text for part in parts if isinstance(part, TextPart)))
    return f"The best source is {sources[0].title} [{sources[0].number}]."


_: type[ChatModel] = FakeChatModel
