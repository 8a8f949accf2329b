"""What the configuration files of a model folder say of its pictures and its texts.

Knows the files of transformers, of transformers.js and of OpenCLIP; opens no graph.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from florilegium.errors import EncoderError, WeightsNotFoundError
from florilegium.preprocessing import Preprocessing

Family: TypeAlias = Literal["clip", "siglip"]

FAMILIES: Mapping[str, Family] = {
    "clip": "clip",
    "siglip": "siglip",
    "siglip2": "siglip",
}
_TRANSFORMERS_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
_OPEN_CLIP_PREPROCESSING = ("preprocess_cfg.json", "open_clip_config.json")
_MANY = 100_000  # tokenizers without a limit name a huge number


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is written in a model folder; `files` are those that said it."""

    family: Family
    preprocessing: Preprocessing
    tokenizer: str
    max_tokens: int
    pad_token: str | None
    lowercase: bool
    canonical: bool
    pad_left: bool
    files: tuple[str, ...]


def read_configuration(folder: Path, *, vision: str, text: str) -> Configuration:
    """Return what is said in the folder, and beside the two graphs, which may have their own.

    Raises:
        WeightsNotFoundError: The tokenizer or the preprocessing is not there.
        EncoderError: A file cannot be read, or is of a model of another family.
    """
    files = _Files(folder, [vision, text])
    config = files.find("config.json") or (files.find("open_clip_config.json") or {}).get(
        "model_cfg", {}
    )
    family = _family(config)
    texts: Mapping[str, Any] = config.get("text_cfg") or config.get("text_config") or {}
    tokenizer_config = files.find("tokenizer_config.json") or {}
    name = str(texts.get("hf_tokenizer_name") or tokenizer_config.get("tokenizer_class") or "")
    second = "gemma" in name.lower() or "siglip2" in name.lower()
    clean = (texts.get("tokenizer_kwargs") or {}).get("clean")
    preprocessing = _preprocessing(files)
    tokenizer = files.find_path("tokenizer.json")
    if tokenizer is None:
        raise WeightsNotFoundError(
            f"The model folder {str(folder)!r} has no tokenizer.json.",
            hint="Fetch the model again, or make it with `florilegium models export`.",
        )
    return Configuration(
        family=family,
        preprocessing=preprocessing,
        tokenizer=tokenizer,
        max_tokens=_max_tokens(texts, tokenizer_config, family),
        pad_token=_pad_token(files, tokenizer_config),
        lowercase=family == "siglip",
        canonical=clean == "canonicalize" if clean else family == "siglip" and not second,
        pad_left=_pads_left(tokenizer_config),
        files=(tokenizer, *files.read),
    )


class _Files:
    """JSON files of a folder, looked for at its top and beside the graphs."""

    def __init__(self, folder: Path, graphs: list[str]) -> None:
        self._folder = folder
        self._places = dict.fromkeys(["", *(graph.rpartition("/")[0] for graph in graphs)])
        self.read: list[str] = []

    def find_path(self, name: str) -> str | None:
        """Return the path of a file within the folder."""
        for path in self._paths(name):
            if (self._folder / path).is_file():
                return path
        return None

    def find(self, name: str) -> dict[str, Any] | None:
        """Return what a file holds, None if it is not there. Raises EncoderError."""
        path = self.find_path(name)
        if path is None:
            return None
        try:
            tree = json.loads((self._folder / path).read_bytes())
        except (OSError, ValueError) as error:
            raise _unreadable(path, str(error)) from error
        if not isinstance(tree, dict):
            raise _unreadable(path, "it holds no table")
        if path not in self.read:
            self.read.append(path)
        return tree

    def _paths(self, name: str) -> Iterator[str]:
        for place in self._places:
            yield f"{place}/{name}" if place else name


def _unreadable(path: str, reason: str) -> EncoderError:
    return EncoderError(
        f"The file {path!r} of the model cannot be read: {reason}.", hint="Fetch the model again."
    )


def _family(config: Mapping[str, Any]) -> Family:
    kind = config.get("model_type")
    if kind is None:
        # OpenCLIP names no type. Its towers for SigLIP have a tokenizer of that name.
        texts = config.get("text_cfg") or {}
        return "siglip" if "siglip" in str(texts.get("hf_tokenizer_name", "")).lower() else "clip"
    if kind not in FAMILIES:
        raise EncoderError(
            f"The model is of the type {kind!r}, but one of {', '.join(FAMILIES)} is expected.",
            hint="Choose a model of the CLIP family: `florilegium models list`.",
        )
    return FAMILIES[kind]


def _preprocessing(files: _Files) -> Preprocessing:
    for name in _TRANSFORMERS_PREPROCESSING:
        tree = files.find(name)
        # Newer folders have one file for all parts of the processor.
        tree = tree.get("image_processor", tree) if tree else None
        if tree and "size" in tree:
            return Preprocessing.from_transformers(tree)
    for name in _OPEN_CLIP_PREPROCESSING:
        tree = files.find(name)
        tree = tree.get("preprocess_cfg", tree) if tree else None
        if tree and "mean" in tree:
            return Preprocessing.from_open_clip(tree)
    names = ", ".join((*_TRANSFORMERS_PREPROCESSING, *_OPEN_CLIP_PREPROCESSING))
    raise WeightsNotFoundError(
        f"Nothing in the model folder says how pictures are prepared: it has none of {names}.",
        hint="Fetch the model again; what is not said is not guessed.",
    )


def _max_tokens(
    texts: Mapping[str, Any], tokenizer_config: Mapping[str, Any], family: Family
) -> int:
    said = (
        texts.get("max_position_embeddings"),
        texts.get("context_length"),
        tokenizer_config.get("model_max_length"),
    )
    for number in said:
        if isinstance(number, int) and 0 < number < _MANY:
            return number
    return 77 if family == "clip" else 64


def _pads_left(tokenizer_config: Mapping[str, Any]) -> bool:
    # This class of transformers pads on the left unless its configuration says otherwise.
    usual = "left" if tokenizer_config.get("tokenizer_class") == "Siglip2Tokenizer" else "right"
    return bool(tokenizer_config.get("padding_side", usual) == "left")


def _pad_token(files: _Files, tokenizer_config: Mapping[str, Any]) -> str | None:
    special_tokens = files.find("special_tokens_map.json") or {}
    token = tokenizer_config.get("pad_token") or special_tokens.get("pad_token")
    if isinstance(token, Mapping):
        token = token.get("content")
    return str(token) if token else None
