"""What is known of a model folder without its weights, and why some folders are refused.

Code that lies in a model folder is never run, and pickled weights, which are code, are not read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from florilegium.chat_models.transformers.package import (
    SafetensorError,
    StrictDataclassError,
    transformers,
)
from florilegium.config import ChatConfig
from florilegium.errors import ChatError, WeightsNotFoundError

# What transformers and safetensors raise over files that are missing, damaged or do not fit.
LOAD_ERRORS: Final = (
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
    TypeError,
    ValueError,
)

_WEIGHTS: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_MOST_PICTURES: Final = 8
# Families that were trained with one picture at a time, as their authors say; with more they
# take one for the other. The rest takes as many as the context holds.
_ONE_PICTURE: Final = frozenset(
    {"fuyu", "llava_next", "mllama", "paligemma", "vipllava", "blip-2", "instructblip"}
)
SERVER_HINT: Final = (
    "Serve it with a separate program that runs it, such as vLLM or Ollama, and use the chat "
    "model `openai`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model as its folder describes it; `config` is that of transformers."""

    folder: Path
    name: str
    config: Any
    architecture: str
    context_tokens: int | None
    max_images: int


def read_facts(folder: Path, config: ChatConfig) -> ModelFacts:
    """Return what the folder says of its model, and the settings of it.

    Raises:
        WeightsNotFoundError: It is no model folder, or weights are missing.
        ChatError: The model needs code of its own, or does not answer about pictures.
    """
    name = folder.name.replace("--", "/", 1)
    declared = _read_declared(folder, name)
    _refuse_unknown(declared, name)
    try:
        found = transformers.AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except LOAD_ERRORS as error:
        raise WeightsNotFoundError(
            f"The config.json of the model {name!r} cannot be read by transformers "
            f"{transformers.__version__}: {short_reason(error)}.",
            hint="Fetch the model again, or install a newer transformers.",
        ) from error
    if type(found) not in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ChatError(
            f"The model {name!r} is of the type {found.model_type!r}, which is none that answers "
            "about pictures and texts.",
            hint="Take a model whose page says image-text-to-text. " + SERVER_HINT,
        )
    _check_weights(folder, name)
    architectures = found.architectures or [f"a {found.model_type}"]
    return ModelFacts(
        folder=folder,
        name=name,
        config=found,
        architecture=str(architectures[0]),
        context_tokens=config.context_tokens or _context(found),
        max_images=0 if config.vision == "no" else _most_pictures(found),
    )


def short_reason(error: BaseException | None) -> str:
    """Return the first sentence of an error's message, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.split(r"(?<=\w\w)[.!?]\s", lines[0])[0].rstrip(".: ")


def _read_declared(folder: Path, name: str) -> dict[str, Any]:
    file = folder / "config.json"
    try:
        declared = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        what = "is a file" if folder.is_file() else "has no config.json"
        raise WeightsNotFoundError(
            f"The model {name!r} {what}; a folder with config.json, the files of a processor and "
            f"{_WEIGHTS} is expected.",
            hint="Fetch the whole repository. A GGUF file is run by the chat model `llama_cpp`.",
        ) from error
    except ValueError as error:
        raise WeightsNotFoundError(
            f"The config.json of the model {name!r} is not JSON: {short_reason(error)}.",
            hint="Fetch the model again.",
        ) from error
    return declared if isinstance(declared, dict) else {}


def _refuse_unknown(declared: dict[str, Any], name: str) -> None:
    kind = str(declared.get("model_type", ""))
    if kind in transformers.CONFIG_MAPPING:
        return
    code = declared.get("auto_map")
    if isinstance(code, dict) and code:
        wanted = ", ".join(sorted(str(value) for value in code.values()))
        raise ChatError(
            f"The model {name!r} (type {kind!r}) needs code from its own folder ({wanted}), and "
            "code from model folders is never run.",
            hint=SERVER_HINT,
        )
    raise ChatError(
        f"The model {name!r} is of the type {kind!r}, which transformers "
        f"{transformers.__version__} does not know.",
        hint="Install a newer transformers, if it knows the type. " + SERVER_HINT,
    )


def _check_weights(folder: Path, name: str) -> None:
    if (folder / _WEIGHTS).is_file():
        return
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        parts = sorted({str(part) for part in index["weight_map"].values()})
    except FileNotFoundError as error:
        raise _no_safetensors(folder, name) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsNotFoundError(
            f"The {_INDEX} of the model {name!r} cannot be read: {short_reason(error)}.",
            hint="Fetch the model again.",
        ) from error
    missing = [part for part in parts if not (folder / part).is_file()]
    if missing:
        raise WeightsNotFoundError(
            f"The model {name!r} lacks {len(missing)} of its {len(parts)} files of weights: "
            f"{', '.join(missing[:3])}.",
            hint="Fetch the model again.",
        )


def _no_safetensors(folder: Path, name: str) -> WeightsNotFoundError:
    pickles = sorted(file.name for pattern in _PICKLES for file in folder.glob(pattern))
    if pickles:
        return WeightsNotFoundError(
            f"The model {name!r} has its weights only as pickled files ({pickles[0]!r}), which "
            f"can run code when they are read; {_WEIGHTS} is expected.",
            hint="Take a version of the model with safetensors files, or convert it yourself.",
        )
    return WeightsNotFoundError(
        f"The model {name!r} has no weights: neither {_WEIGHTS} nor {_INDEX} is in its folder.",
        hint="Fetch the model again, with all its files.",
    )


def _context(config: Any) -> int | None:
    positions = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None


def _most_pictures(config: Any) -> int:
    if config.model_type == "llava":
        # LLaVA 1.5 has the eye of CLIP and one picture; later models of the same type, such as
        # LLaVA-Interleave and Pixtral, have another eye and take many.
        eye = getattr(config.vision_config, "model_type", "")
        return 1 if eye == "clip_vision_model" else _MOST_PICTURES
    return 1 if config.model_type in _ONE_PICTURE else _MOST_PICTURES
