"""What a folder of MC-LLaVA says of its model, and which folder is the published one.

Knows `config.json`, and no weights. Other models and older ones of the same name are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from florilegium.errors import WeightsNotFoundError

HINT = "Run `florilegium models pull mc-llava-3b`, or mend the path in chat.name."
"""What to do when a folder is not that of the model."""

_KIND = "mc-llava"
_CONFIG = "config.json"
_OLDER = "llava"  # what the weights before February 2024 call themselves; OpenCLIP ran their tower


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLayout:
    """The sizes of the language model, which is a Phi."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    partial_rotary_factor: float
    rope_theta: float = 10_000.0
    layer_norm_eps: float = 1e-5
    hidden_act: str = "gelu_new"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionLayout:
    """The sizes of the vision tower, which is a SigLIP."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    image_size: int
    patch_size: int
    layer_norm_eps: float = 1e-6
    hidden_act: str = "gelu_pytorch_tanh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The sizes of a model, and the token that stands for a picture."""

    text: TextLayout
    vision: VisionLayout
    image_token: int

    @property
    def picture_tokens(self) -> int:
        """Positions that a picture takes: the patches of the tower but the first."""
        return (self.vision.image_size // self.vision.patch_size) ** 2 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A published model: where it is, its revision, its weights, and numbers that it must have.

    `files` maps the names of the weight files to their SHA-256, `numbers` a dotted key of
    `config.json` to its value.
    """

    repository: str
    revision: str
    files: Mapping[str, str]
    numbers: Mapping[str, int | float]


PUBLISHED = Pin(
    repository="visheratin/MC-LLaVA-3b",
    revision="06bc212f5ae47e362b98afe3abd929eb603ce9ba",
    files=MappingProxyType(
        {
            "model-00001-of-00002.safetensors": (
                "0fa70d660b4f81b87cc3a93e89e8da38f6abf08dae6f51b2bef772f420799cec"
            ),
            "model-00002-of-00002.safetensors": (
                "2e45b58c3bebb723eb7493f75356e75e090f0c62865e49a19e19ba73b80241a2"
            ),
        }
    ),
    numbers=MappingProxyType(
        {
            "image_token_index": 50297,
            "text_config.hidden_size": 2560,
            "text_config.intermediate_size": 10240,
            "text_config.num_hidden_layers": 32,
            "text_config.num_attention_heads": 32,
            "text_config.max_position_embeddings": 2048,
            "text_config.partial_rotary_factor": 0.4,
            "vision_config.hidden_size": 1152,
            "vision_config.intermediate_size": 4304,
            "vision_config.num_hidden_layers": 27,
            "vision_config.num_attention_heads": 16,
            "vision_config.image_size": 384,
            "vision_config.patch_size": 14,
        }
    ),
)
"""The main branch since February 2024; its weights are those of commit 4830517 of that month."""


def read_layout(folder: Path, *, pin: Pin) -> Layout:
    """Return what the configuration in `folder` says.

    Raises:
        WeightsNotFoundError: There is none, or it is that of another model than `pin`.
    """
    config = _read(folder)
    kind = config.get("model_type")
    if kind != _KIND:
        older = " That is the older LLaVA-3b, whose tower OpenCLIP ran." if kind == _OLDER else ""
        raise WeightsNotFoundError(
            f"The model in {str(folder)!r} is of the type {kind!r}, not {_KIND!r}.{older}",
            hint=HINT,
        )
    for key, wanted in pin.numbers.items():
        found = _look_up(config, key)
        if found != wanted:
            raise WeightsNotFoundError(
                f"{key!r} is {found!r} in {str(folder / _CONFIG)!r}, but {wanted!r} in "
                f"{pin.repository!r} at {pin.revision[:7]}.",
                hint=HINT,
            )
    try:
        return Layout(
            text=TextLayout(**_chosen(TextLayout, config["text_config"])),
            vision=VisionLayout(**_chosen(VisionLayout, config["vision_config"])),
            image_token=int(config["image_token_index"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsNotFoundError(
            f"{str(folder / _CONFIG)!r} does not say all of the model's sizes: {error}.",
            hint=HINT,
        ) from error


def _read(folder: Path) -> dict[str, Any]:
    file = folder / _CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsNotFoundError(
            f"{str(file)!r} of the chat model 'mc_llava' cannot be read: {error}.", hint=HINT
        ) from error
    if not isinstance(config, dict):
        raise WeightsNotFoundError(f"{str(file)!r} holds no JSON object.", hint=HINT)
    return config


def _look_up(config: Mapping[str, Any], key: str) -> Any:
    found: Any = config
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _chosen(layout: type[TextLayout | VisionLayout], section: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: section[field.name] for field in fields(layout) if field.name in section}
