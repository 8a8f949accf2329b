"""MC-LLaVA-3b (Visheratin 2024) as a chat model: ChatML, one picture, 2,048 tokens.

Runs the published weights by transformers' own Phi and SigLIP, without the code beside them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock

from florilegium.chat_models.mc_llava.checkpoint import first_line, load_network
from florilegium.chat_models.mc_llava.device import Way, choose_way
from florilegium.chat_models.mc_llava.layout import PUBLISHED, Layout, Pin, read_layout
from florilegium.chat_models.mc_llava.package import torch
from florilegium.chat_models.mc_llava.runner import Runner
from florilegium.chat_models.mc_llava.words import IMAGE_TOKEN, Speech, open_words
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ConfigError,
    ContextExceededError,
    UnsupportedInputError,
)
from florilegium.protocols import ChatModel, Described, Encoder
from florilegium.templates import chatml, count_pictures
from florilegium.torch_device import find_devices
from florilegium.types import ChatModelInfo, ChatOptions, Delta, FinishReason, Message, TokenUsage
from florilegium.weights import locate_weights

_KIND = "mc_llava"


class McLlavaChatModel:
    """A chat model that sees one picture. May be used by several threads."""

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        *,
        pin: Pin,
        way: Way,
        context_tokens: int,
        max_images: int = 1,
        threads: int = 0,
    ) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            folder: Where the weights and the tokenizer are.
            layout: What its configuration says.
            pin: The published model that it must be.
            way: Where it runs and in which numbers.
            context_tokens: Prompt and reply together, pictures included.
            max_images: 1, or 0 to keep it from seeing.
            threads: Threads of one forward pass; 0 leaves it to PyTorch, which has one number
                for the whole process.
        """
        self._folder = folder
        self._layout = layout
        self._pin = pin
        self._way = way
        self._threads = threads
        self._context = context_tokens
        self._info = ChatModelInfo(
            id=f"{_KIND}:{folder.name}",
            max_images=max_images,
            context_tokens=context_tokens,
            image_tokens=layout.picture_tokens,
            in_process=True,
        )
        self._lock = RLock()
        self._runner: Runner | None = None

    @property
    def info(self) -> ChatModelInfo:
        return self._info

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        limit, found = self._info.max_images, count_pictures(messages)
        if found > limit:
            raise UnsupportedInputError(
                f"The chat model {self._info.id!r} takes {limit} pictures, got {found}.",
                hint=f"Set chat.max_images to {limit}, or configure another chat model.",
            )
        return self._reply(messages, options)

    def describe(self) -> str:
        """Return in one line what runs the model, where and in which numbers. Loads nothing."""
        way = self._way
        name = torch.cuda.get_device_name() if way.device == "cuda" else way.device
        return (
            f"{self._pin.repository} at {self._pin.revision[:7]} by PyTorch {torch.__version__}, "
            f"{name}, {way.precision}, at most {way.most_crops} crops of a picture"
        )

    def close(self) -> None:
        with self._lock:
            runner, self._runner = self._runner, None
        if runner is None:
            return
        del runner
        gc.collect()  # the parts of a network hold each other
        if self._way.device == "cuda":
            # PyTorch keeps the memory of what is gone.
            torch.cuda.empty_cache()

    def _reply(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[Delta]:
        runner = self._load()
        prompt, pictures = chatml(messages, image_token=IMAGE_TOKEN)
        ids = runner.words.encode(prompt)
        taken = len(ids) + len(pictures) * (self._layout.picture_tokens - 1)
        most = min(options.max_tokens, self._room(taken))
        speech, spoken = Speech(runner.words), 0
        try:
            rows = runner.read(ids, [picture.image for picture in pictures])
            for token in runner.reply(rows, replace(options, max_tokens=most)):
                spoken += 1
                if text := speech.feed(token):
                    yield Delta(text=text)
        except RuntimeError as error:
            raise ChatError(
                f"The chat model {self._info.id!r} failed: {first_line(error)}.",
                hint="If memory ran out, set chat.precision to `bf16`, or lower chat.max_sources.",
            ) from error
        reason: FinishReason = "stop" if spoken < most else "length"
        usage = TokenUsage(prompt_tokens=taken, completion_tokens=spoken)
        yield Delta(text=speech.finish(), finish_reason=reason, usage=usage)

    def _room(self, taken: int) -> int:
        """Return how many tokens are left for the reply. Raises ContextExceededError."""
        context = self._context
        if taken >= context:
            raise ContextExceededError(
                f"The messages take {taken} of the {context} tokens that {self._info.id!r} reads, "
                "and leave none for the reply.",
                hint="Lower chat.max_sources, or ask without the picture.",
            )
        return context - taken

    def _load(self) -> Runner:
        with self._lock:
            if self._runner is None:
                if self._threads:
                    torch.set_num_threads(self._threads)
                layout, way = self._layout, self._way
                words = open_words(self._folder, image_token=layout.image_token)
                network = load_network(self._folder, layout, pin=self._pin, way=way)
                self._runner = Runner(network, words, layout, most_crops=way.most_crops)
            return self._runner


def open_chat_model(
    model: str,
    *,
    config: ChatConfig,
    texts: Encoder | None,  # noqa: ARG001 - all chat models are opened alike
    cache_folder: Path,  # noqa: ARG001
) -> McLlavaChatModel:
    """Return the chat model in the folder, or of the pulled name, `model`.

    Raises:
        ConfigError: The settings ask for what the model or PyTorch does not do here.
        WeightsNotFoundError: There is no such model, or it is not MC-LLaVA.
    """
    folder = locate_weights(model, kind=_KIND)
    layout = read_layout(folder, pin=PUBLISHED)
    longest = layout.text.max_position_embeddings
    if config.context_tokens > longest:
        raise ConfigError(
            f"`chat.context_tokens` is {config.context_tokens}, but MC-LLaVA reads {longest}.",
            hint=f"Set `chat.context_tokens` to {longest} or less, or to 0.",
        )
    return McLlavaChatModel(
        folder,
        layout,
        pin=PUBLISHED,
        way=choose_way(config.device, config.precision, find_devices(torch)),
        context_tokens=config.context_tokens or longest,
        max_images=0 if config.vision == "no" else 1,
        threads=config.threads,
    )


_: type[ChatModel] = McLlavaChatModel
_described: type[Described] = McLlavaChatModel
