"""A chat model of transformers, from a folder in the hub's layout, run by PyTorch in this process.

Any model that answers about pictures and texts and that transformers knows by itself: LLaVA,
SmolVLM, Qwen-VL, Gemma, InternVL and others.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import RLock

from florilegium.chat_models.transformers.device import Way, choose_way
from florilegium.chat_models.transformers.dialogue import Dialogue
from florilegium.chat_models.transformers.facts import ModelFacts, read_facts, short_reason
from florilegium.chat_models.transformers.generation import generate
from florilegium.chat_models.transformers.loading import (
    LoadedModel,
    load_model,
    open_dialogue,
)
from florilegium.chat_models.transformers.package import torch
from florilegium.config import ChatConfig
from florilegium.errors import ChatError, ContextExceededError, UnsupportedInputError
from florilegium.protocols import ChatModel, Described, Encoder
from florilegium.templates import count_pictures
from florilegium.torch_device import find_devices, is_out_of_memory
from florilegium.types import ChatModelInfo, ChatOptions, Delta, Message
from florilegium.weights import locate_weights

# What PyTorch and transformers raise while they read a prompt or write a reply.
_ENGINE_ERRORS = (
    AttributeError,
    IndexError,
    KeyError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def open_chat_model(
    model: str,
    *,
    config: ChatConfig,
    texts: Encoder | None,  # noqa: ARG001 - all chat models are opened alike
    cache_folder: Path,  # noqa: ARG001
) -> TransformersChatModel:
    """Return the chat model of a folder, or of a pulled model.

    Raises:
        ConfigError: The settings ask for a device that is not there.
        WeightsNotFoundError: There is no such folder, or files are missing.
        ChatError: The model cannot be run by transformers alone.
    """
    facts = read_facts(locate_weights(model, kind="transformers"), config)
    way = choose_way(config, find_devices(torch))
    return TransformersChatModel(facts, way=way, threads=config.threads)


class TransformersChatModel:
    """A chat model in this process. May be used by several threads; they take turns."""

    def __init__(self, facts: ModelFacts, *, way: Way, threads: int = 0) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            facts: What is known of the model.
            way: Where it runs and in which numbers.
            threads: Threads of one forward pass; 0 leaves it to PyTorch, which takes one per
                core. PyTorch has one number for the whole process.
        """
        self._facts = facts
        self._id = f"transformers:{facts.name}"
        self._way = way
        self._threads = threads
        self._lock = RLock()
        self._dialogue: Dialogue | None = None
        self._loaded: LoadedModel | None = None

    @cached_property
    def info(self) -> ChatModelInfo:
        known = ChatModelInfo(
            id=self._id,
            max_images=self._facts.max_images,
            context_tokens=self._facts.context_tokens,
            in_process=True,
        )
        if not known.max_images:
            return known
        # That is for the processor to say, which is small beside the weights.
        return replace(known, image_tokens=self._open().picture_tokens)

    def describe(self) -> str:
        """Return in one line what the model is and how it runs. Loads nothing."""
        context, pictures = self._facts.context_tokens, self._facts.max_images
        return (
            f"{self._facts.architecture}, "
            f"{'context unknown' if context is None else f'{context} tokens'}, "
            f"{pictures} {'picture' if pictures == 1 else 'pictures'}, "
            f"{self._way.device} {self._way.precision}"
        )

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        pictures, most = count_pictures(messages), self._facts.max_images
        if pictures > most:
            raise UnsupportedInputError(
                f"The chat model {self._id!r} takes at most {most} pictures, and was given "
                f"{pictures}.",
                hint=f"Set chat.max_images to {most}, or take a model that sees more.",
            )
        return self._reply(messages, options)

    def close(self) -> None:
        with self._lock:
            loaded, self._loaded = self._loaded, None
            self._dialogue = None
        if loaded is None:
            return
        loaded.closed.set()
        with loaded.lock:  # until a reply that is being written has ended
            pass
        del loaded
        gc.collect()  # models hold themselves in circles
        if self._way.device == "cuda":
            # PyTorch keeps the memory of what is gone.
            torch.cuda.empty_cache()

    def _reply(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[Delta]:
        loaded = self._load()
        prompt = loaded.dialogue.render(messages)
        try:
            inputs = loaded.dialogue.to_tensors(prompt)
            limit = self._limit(int(inputs["input_ids"].shape[-1]), options.max_tokens)
            yield from generate(loaded, inputs, limit=limit, options=options)
        except _ENGINE_ERRORS as error:
            if is_out_of_memory(error):
                raise ChatError(
                    f"The chat model {self._id!r} ran out of memory: {short_reason(error)}.",
                    hint="Lower chat.max_images, chat.max_sources or chat.max_tokens, or take a "
                    "smaller model.",
                ) from error
            raise ChatError(
                f"The chat model {self._id!r} failed: {type(error).__name__}: "
                f"{short_reason(error)}.",
                hint="Try without pictures, or look whether the model's files belong together.",
            ) from error

    def _limit(self, length: int, asked: int) -> int:
        """Return how long the reply may be after a prompt of `length` tokens."""
        context = self._facts.context_tokens
        if context is None:
            return asked
        if length >= context:
            raise ContextExceededError(
                f"The messages take {length} tokens, but the chat model {self._id!r} has a "
                f"context of {context}.",
                hint="Lower chat.max_sources or chat.max_images, or take a model with a larger "
                "context.",
            )
        return min(asked, context - length)

    def _open(self) -> Dialogue:
        with self._lock:
            if self._dialogue is None:
                self._dialogue = open_dialogue(self._facts)
            return self._dialogue

    def _load(self) -> LoadedModel:
        with self._lock:
            if self._loaded is None:
                if self._threads:
                    torch.set_num_threads(self._threads)
                self._loaded = load_model(self._facts, self._way, self._open())
            return self._loaded


_: type[ChatModel] = TransformersChatModel
_described: type[Described] = TransformersChatModel
