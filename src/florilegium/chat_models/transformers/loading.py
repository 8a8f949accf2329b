"""The weights and the processor of a model folder, loaded, or the error that says what is amiss.

Nothing is fetched, no code of the folder is run, and no weight is left at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Final

from florilegium.chat_models.transformers.device import Way
from florilegium.chat_models.transformers.dialogue import Dialogue
from florilegium.chat_models.transformers.facts import (
    LOAD_ERRORS,
    SERVER_HINT,
    ModelFacts,
    short_reason,
)
from florilegium.chat_models.transformers.package import (
    AutoModelForImageTextToText,
    AutoProcessor,
    torch,
    transformers,
)
from florilegium.errors import ChatError, FlorilegiumError, MissingExtraError, WeightsNotFoundError
from florilegium.torch_device import is_out_of_memory

_PRECISIONS: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_TORCHVISION_HINT: Final = (
    "Run `pip install torchvision`, from the same place as torch: a model that can read films "
    "needs it, even for pictures."
)
# What of a folder's generation_config.json holds whatever the temperature is.
_KEPT: Final = (
    "bos_token_id",
    "decoder_start_token_id",
    "pad_token_id",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
)
_SAMPLING: Final = ("top_k", "top_p", "min_p")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedModel:
    """A model that is ready to reply.

    `ends` are the tokens that end a reply, `sampling` what its authors advise for a temperature
    above 0. One reply is generated at a time, under `lock`; once `closed` is set, none goes on.
    """

    model: Any
    dialogue: Dialogue
    ends: frozenset[int]
    sampling: Mapping[str, float]
    lock: Lock = field(default_factory=Lock)
    closed: Event = field(default_factory=Event)


def load_model(facts: ModelFacts, way: Way, dialogue: Dialogue) -> LoadedModel:
    """Return the model of a folder, loaded.

    Raises:
        WeightsNotFoundError: Files are missing or damaged, or weights are.
        MissingExtraError: The model needs another package.
        ChatError: It does not fit into memory.
    """
    with _named(facts, "weights"), _quiet():
        model, found = AutoModelForImageTextToText.from_pretrained(
            str(facts.folder),
            config=facts.config,
            dtype=_PRECISIONS[way.precision],
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are refused by name below
            output_loading_info=True,
        )
        _refuse_random(facts, found)
        model = model.to(way.device).eval()
    advised = model.generation_config
    ends = _ends(advised, dialogue.tokenizer)
    sampling = {key: value for key in _SAMPLING if (value := getattr(advised, key, None))}
    # Without the rest, no setting for sampling contradicts a reply without it.
    model.generation_config = transformers.GenerationConfig(
        **{key: value for key in _KEPT if (value := getattr(advised, key, None)) is not None},
        eos_token_id=sorted(ends),
    )
    if model.generation_config.pad_token_id is None:
        pad = getattr(dialogue.tokenizer, "pad_token_id", None)
        model.generation_config.pad_token_id = min(ends, default=0) if pad is None else pad
    return LoadedModel(model=model, dialogue=dialogue, ends=ends, sampling=sampling)


def open_dialogue(facts: ModelFacts) -> Dialogue:
    """Return the processor of a model folder with its chat template. Loads no weights.

    Raises:
        WeightsNotFoundError: Files are missing or damaged.
        MissingExtraError: The processor needs another package.
        ChatError: There is no chat template, or none that can be used.
    """
    with _named(facts, "processor"):
        processor = AutoProcessor.from_pretrained(
            str(facts.folder), local_files_only=True, trust_remote_code=False
        )
        if facts.max_images and getattr(processor, "image_processor", None) is None:
            raise WeightsNotFoundError(
                f"The model {facts.name!r} has no files that say how it reads pictures: "
                "preprocessor_config.json or processor_config.json is expected.",
                hint="Fetch the model again, with all its files.",
            )
        return Dialogue(processor, name=facts.name, sees=facts.max_images > 0)


@contextmanager
def _named(facts: ModelFacts, what: str) -> Iterator[None]:
    """Raise what goes wrong inside as an error that names the model."""
    try:
        yield
    except FlorilegiumError:
        raise
    except (ImportError, *LOAD_ERRORS, MemoryError) as error:
        reason = short_reason(error)
        if isinstance(error, ImportError) or "to be installed" in str(error):
            raise MissingExtraError(
                f"The {what} of the model {facts.name!r} cannot be loaded without another "
                f"package: {reason}.",
                hint=_TORCHVISION_HINT
                if "torchvision" in reason.lower()
                else "Install the package with `pip install`.",
            ) from error
        if "trust_remote_code" in str(error):
            raise ChatError(
                f"The {what} of the model {facts.name!r} needs code from its own folder, and code "
                "from model folders is never run.",
                hint=SERVER_HINT,
            ) from error
        if is_out_of_memory(error):
            raise ChatError(
                f"The model {facts.name!r} does not fit into memory: {reason}.",
                hint="Take a smaller model, set chat.precision to `bf16`, or use a quantised one "
                "with the chat model `llama_cpp`.",
            ) from error
        raise WeightsNotFoundError(
            f"The {what} of the model {facts.name!r} cannot be loaded: {reason}.",
            hint="Fetch the model again, with all its files.",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars, which are not for servers."""
    logging = transformers.utils.logging
    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()


def _refuse_random(facts: ModelFacts, found: Mapping[str, Any]) -> None:
    # What a checkpoint lacks is made up at random, with a warning only. Tied weights do not count.
    for what, fault in (("missing_keys", "lack"), ("mismatched_keys", "have another shape of")):
        keys = sorted(key if isinstance(key, str) else str(key[0]) for key in found.get(what) or ())
        if keys:
            others = f" and {len(keys) - 3} others" if len(keys) > 3 else ""
            raise WeightsNotFoundError(
                f"The weights of the model {facts.name!r} {fault} {', '.join(keys[:3])}{others}.",
                hint="Fetch the model again; its files do not belong together.",
            )


def _ends(advised: Any, tokenizer: Any) -> frozenset[int]:
    # Some folders name the end of a text in one file and the end of a turn in the other.
    found: set[int] = set()
    for ids in (advised.eos_token_id, getattr(tokenizer, "eos_token_id", None)):
        found.update([ids] if isinstance(ids, int) else ids or ())
    return frozenset(found)
