"""A chat model behind any server that speaks OpenAI's chat completions.

Knows messages, pictures and replies; the connection knows the server.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx

from florilegium.cancelling import holding
from florilegium.chat_models.openai.connection import Connection, NoResponse
from florilegium.chat_models.openai.halves import PairJoiner
from florilegium.chat_models.openai.listing import ListedModel, find_model, name_models
from florilegium.chat_models.openai.probe import Sight, probe_sight
from florilegium.chat_models.openai.seen import recall_sight, remember_sight
from florilegium.config import ChatConfig
from florilegium.errors import ChatError, ConfigError, UnsupportedInputError
from florilegium.openai_format import read_chunk, read_usage, to_request
from florilegium.protocols import ChatModel, Encoder
from florilegium.templates import count_pictures
from florilegium.thinking import ThoughtFilter
from florilegium.types import ChatModelInfo, ChatOptions, Delta, FinishReason, Message, TokenUsage

logger = logging.getLogger(__name__)

MOST_PICTURES: Final = 16
"""Pictures per request to a model that sees; few servers take more."""


class OpenAIChatModel:
    """Stream replies from an OpenAI-compatible server.

    Args:
        model: The name that the server knows the model by; empty takes the only one it lists.
        config: The section of the settings.
        connection: To the server that the config names.
        cache_folder: Where it is kept for a day whether the model sees.
    """

    def __init__(
        self, model: str, *, config: ChatConfig, connection: Connection, cache_folder: Path
    ) -> None:
        self._model = model
        self._config = config
        self._connection = connection
        self._cache_folder = cache_folder
        self._lock = threading.RLock()
        self._only: str | None = None
        self._sight: Sight | None = None
        self._info: ChatModelInfo | None = None

    @property
    def info(self) -> ChatModelInfo:
        """What this chat model is; what the settings leave open is asked of the server, once.

        Raises:
            ChatError: The server is down, slow, or refuses the key.
        """
        with holding(self._lock):
            if self._info is None:
                model = self._name()
                self._info = ChatModelInfo(
                    id=f"openai:{model}",
                    max_images=MOST_PICTURES if self._look().sees else 0,
                    context_tokens=self._config.context_tokens or self._listed_context(model),
                )
            return self._info

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        """Yield the reply. Nothing is asked or sent before the first step."""
        if pictures := count_pictures(messages):
            self._check_pictures(pictures)
        request = to_request(messages, model=self._name(), options=options)
        outcome = self._connection.post(request)
        if isinstance(outcome, NoResponse):
            raise outcome.error from outcome.cause
        yield from self._reply(outcome, options.max_tokens)

    def describe(self) -> str:
        """Return in one line what was found out about the model. Raises ChatError."""
        info, sight = self.info, self._look()
        tokens = info.context_tokens
        size = "context not known" if tokens is None else f"{tokens} tokens of context"
        sees = "sees pictures" if sight.sees else "sees no pictures"
        return f"{self._name()} at {self._connection.server}, {size}, {sees} ({sight.reason})"

    def close(self) -> None:
        """Close the connections. The model can be used again, and opens new ones."""
        self._connection.close()

    def _reply(self, response: httpx.Response, max_tokens: int) -> Iterator[Delta]:
        pairs, thoughts = PairJoiner(), ThoughtFilter()
        reason: FinishReason | None = None
        usage: TokenUsage | None = None
        speaks = False
        chunks = self._connection.read(response)
        try:
            for chunk in chunks:
                usage = read_usage(chunk) or usage
                delta = read_chunk(chunk)
                if delta is None:
                    continue
                reason = reason or delta.finish_reason
                if delta.text and (text := thoughts.feed(pairs.feed(delta.text))):
                    speaks = True
                    yield Delta(text=text)
        except ChatError as error:
            if reason is None:
                raise
            logger.info("After the end of its reply, the server failed: %s", error)
        finally:
            chunks.close()
        if reason is None:
            raise self._ended_early()
        pairs.finish()
        rest = thoughts.finish()
        if reason == "length" and not speaks and not rest:
            raise ChatError(
                f"The chat model {self._name()!r} reached its limit of {max_tokens} tokens "
                "before the first word of an answer.",
                hint="Raise chat.max_tokens, or the max_tokens that were asked for, or switch the "
                "model's thinking off.",
            )
        yield Delta(text=rest, finish_reason=reason, usage=usage)

    def _ended_early(self) -> ChatError:
        return ChatError(
            f"The reply of the server at {self._connection.server!r} ended without saying that "
            "it was finished.",
            hint="Look at the server's own log; what came of the reply is not all of it.",
        )

    def _name(self) -> str:
        """Return the name that the server knows the model by."""
        if self._model:
            return self._model
        with holding(self._lock):
            if self._only is None:
                self._only = _only_model(self._connection.models(), self._connection.server)
            return self._only

    def _listed_context(self, model: str) -> int | None:
        listed = find_model(self._connection.models() or [], model)
        return None if listed is None else listed.context_tokens

    def _look(self) -> Sight:
        """Return whether the model sees: as it is set, as it is known, or by trying."""
        with holding(self._lock):
            if self._sight is None:
                self._sight = self._set_sight() or self._known_sight()
            return self._sight

    def _set_sight(self) -> Sight | None:
        if self._config.vision == "auto":
            return None
        set_to = self._config.vision
        return Sight(sees=set_to == "yes", reason=f"chat.vision is {set_to!r}")

    def _known_sight(self) -> Sight:
        model, server = self._name(), self._connection.server
        sight = recall_sight(self._cache_folder, server, model)
        if sight is None:
            sight = probe_sight(self._connection, model)
            logger.info("Whether %r at %s sees: %s, %s", model, server, sight.sees, sight.reason)
            remember_sight(self._cache_folder, server, model, sight)
        return sight

    def _check_pictures(self, pictures: int) -> None:
        """Raise UnsupportedInputError for pictures that the model does not take."""
        sight, name = self._look(), f"openai:{self._name()}"
        if not sight.sees:
            raise UnsupportedInputError(
                f"The chat model {name!r} takes no pictures: {sight.reason}.",
                hint='Take a model that sees, or set chat.vision to "yes" if this one does.',
            )
        if pictures > MOST_PICTURES:
            raise UnsupportedInputError(
                f"The chat model {name!r} takes {MOST_PICTURES} pictures, got {pictures}.",
                hint="Send fewer pictures.",
            )


def open_chat_model(
    model: str, *, config: ChatConfig, texts: Encoder | None, cache_folder: Path
) -> ChatModel:
    """Return the chat model that a server has under this name; nothing is sent yet.

    Raises:
        ConfigError: chat.base_url is empty or no address, or the key cannot be sent.
    """
    del texts
    return OpenAIChatModel(
        model, config=config, connection=Connection(config), cache_folder=cache_folder
    )


def _only_model(models: Sequence[ListedModel] | None, server: str) -> str:
    if models is None:
        raise ConfigError(
            f"No model is named, and the server at {server!r} has no list of its models.",
            hint='Set chat.name to "openai:MODEL", and check chat.base_url: most servers want '
            '"/v1" at its end.',
        )
    if len(models) != 1:
        raise ConfigError(
            f"No model is named, and the server at {server!r} has: {name_models(models)}.",
            hint='Set chat.name to "openai:MODEL" with one of these, or load a model.',
        )
    return models[0].id


_: type[ChatModel] = OpenAIChatModel
