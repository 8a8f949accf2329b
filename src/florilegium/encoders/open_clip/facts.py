"""What is known of a model of OpenCLIP without its weights: sizes, preprocessing, tokenizer.

Knows OpenCLIP's lists and what lies beside a checkpoint; loads no weights and reads no picture.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from florilegium.encoders.open_clip.naming import DEFAULT_MODEL, ModelName
from florilegium.encoders.open_clip.package import open_clip
from florilegium.encoders.open_clip.tokens import TextReader
from florilegium.errors import EncoderError, UnknownBackendError, WeightsNotFoundError
from florilegium.ids import hash_bytes, sha256_file
from florilegium.preprocessing import Preprocessing

CONFIG_NAME = "open_clip_config.json"
_REVISION = 1  # of the code here that changes vectors: windows, pooling, preprocessing
_TOKENIZER_NAME = "tokenizer.json"
_LONGEST_REASON = 300  # characters
_CONTEXT, _SIDE = 77, 224  # OpenCLIP's own defaults
_TOKENIZER_ERRORS = (OSError, ValueError, RuntimeError, ImportError, AttributeError, TypeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model is. `causal` says that its text row depends on nothing after the text's end."""

    name: ModelName
    dim: int
    max_tokens: int
    causal: bool
    quick_gelu: bool
    preprocessing: Preprocessing

    def fingerprint(self) -> str:
        """Return what changes whenever the vectors would; reads a checkpoint. Raises EncoderError.

        Whence the weights of a tag are fetched is no part of it: hosts move.
        """
        tokenizer = _tokenizer_beside(self.name)
        facts = {
            "architecture": self.name.architecture,
            "tag": self.name.tag,
            "checkpoint": self.name.checkpoint and _hash(self.name.checkpoint),
            "max_tokens": self.max_tokens,
            "tokenizer": _hash(tokenizer) if tokenizer else None,
            "quick_gelu": self.quick_gelu,
            "preprocessing": self.preprocessing.to_json(),
            "revision": _REVISION,
        }
        return f"open_clip-{hash_bytes(json.dumps(facts, sort_keys=True).encode())}"


def find_model(name: ModelName) -> ModelFacts:
    """Return what is known of a model.

    Raises:
        UnknownBackendError: OpenCLIP has no such architecture or no such tag of it.
        WeightsNotFoundError: The checkpoint is not there, or nothing says how it was trained.
        EncoderError: Its pictures are prepared in a way that is not known here.
    """
    config = _config(name)
    tags = _tags(name)
    if name.tag and name.tag not in tags:
        raise UnknownBackendError(
            f"OpenCLIP has no weights {name.tag!r} of {name.architecture!r}, but: {_list(tags)}.",
            hint="Write `open_clip:NAME/TAG` with one of these tags.",
        )
    if name.checkpoint is None and name.tag is None:
        raise UnknownBackendError(
            f"`open_clip:{name.architecture}` does not say whose weights; OpenCLIP knows: "
            f"{_list(tags)}.",
            hint=f"Write `open_clip:{name.architecture}/TAG`, or "
            f"`open_clip:{name.architecture}:CHECKPOINT` with the path of a file.",
        )
    if name.checkpoint is not None and not name.checkpoint.is_file():
        raise WeightsNotFoundError(
            f"There is no checkpoint {str(name.checkpoint)!r} for 'open_clip'.",
            hint="Mend the path in `encoder.name`; a tag is written after a slash, as in "
            f"`open_clip:{DEFAULT_MODEL}`.",
        )
    beside = _beside(name.checkpoint)
    trained: Mapping[str, Any] = tags[name.tag] if name.tag else beside.get("model_cfg", {})
    texts = config["text_cfg"]
    return ModelFacts(
        name=name,
        dim=config["embed_dim"],
        max_tokens=texts.get("context_length", _CONTEXT),
        causal=_is_causal(config),
        # OpenCLIP only warns where a tag was trained with another activation than its
        # architecture says.
        quick_gelu=bool(trained.get("quick_gelu") or config.get("quick_gelu")),
        preprocessing=_preprocessing(name, config, beside.get("preprocess_cfg")),
    )


def open_reader(facts: ModelFacts) -> TextReader:
    """Return the reader of the model's texts. Raises WeightsNotFoundError or EncoderError."""
    beside = _tokenizer_beside(facts.name)
    try:
        tokenizer = open_clip.get_tokenizer(
            f"local-dir:{beside.parent}" if beside else facts.name.architecture
        )
    except _TOKENIZER_ERRORS as error:
        raise WeightsNotFoundError(
            f"The tokenizer of {facts.name.id!r} can neither be found here nor fetched: "
            f"{short_reason(error)}.",
            hint="Look at the network, HF_HUB_OFFLINE and HF_ENDPOINT, and whether the package "
            f"transformers is installed; or put {CONFIG_NAME} and {_TOKENIZER_NAME} of the model "
            "beside its checkpoint.",
        ) from error
    # Some were trained on texts of which words are dropped at random; no text is, here.
    if hasattr(tokenizer, "reduction_fn"):
        tokenizer.reduction_fn = None
    return TextReader(tokenizer, max_tokens=facts.max_tokens, causal=facts.causal)


def short_reason(error: BaseException) -> str:
    """Return the message of an error of somebody else's in one line that is not too long."""
    return textwrap.shorten(str(error), _LONGEST_REASON, placeholder=" …").rstrip(".")


def _config(name: ModelName) -> dict[str, Any]:
    config: dict[str, Any] | None = None
    if name.architecture in open_clip.list_models():
        config = open_clip.get_model_config(name.architecture)
    if config is not None:
        return config
    known = open_clip.list_models()
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.architecture.lower(), by_lower, n=5)
    guess = f"; near: {', '.join(by_lower[each] for each in near)}" if near else ""
    raise UnknownBackendError(
        f"OpenCLIP has no architecture {name.architecture!r} among its {len(known)}{guess}.",
        hint='`python -c "import open_clip; print(*open_clip.list_models())"` lists them.',
    )


def _tags(name: ModelName) -> dict[str, Mapping[str, Any]]:
    tags = open_clip.list_pretrained_tags_by_model(name.architecture)
    return {tag: open_clip.get_pretrained_cfg(name.architecture, tag) for tag in tags}


def _beside(checkpoint: Path | None) -> Mapping[str, Any]:
    """Return what OpenCLIP wrote beside a checkpoint, if it did."""
    if checkpoint is None or not checkpoint.with_name(CONFIG_NAME).is_file():
        return {}
    file = checkpoint.with_name(CONFIG_NAME)
    try:
        tree = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"The file {str(file)!r} cannot be read: {error}.", hint="Mend it, or take it away."
        ) from error
    return tree if isinstance(tree, dict) else {}


def _tokenizer_beside(name: ModelName) -> Path | None:
    """Return the tokenizer beside a checkpoint, where OpenCLIP would fetch one from a hub."""
    if name.checkpoint is None or not _config(name)["text_cfg"].get("hf_tokenizer_name"):
        return None
    file = name.checkpoint.with_name(_TOKENIZER_NAME)
    return file if file.is_file() and file.with_name(CONFIG_NAME).is_file() else None


def _preprocessing(
    name: ModelName, config: Mapping[str, Any], beside: Mapping[str, Any] | None
) -> Preprocessing:
    defaults = dataclasses.asdict(open_clip.transform.PreprocessCfg())
    tags = _tags(name)
    said = [tags[name.tag]] if name.tag else [beside] if beside else list(tags.values())
    size = config["vision_cfg"].get("image_size", _SIDE)
    ways = {
        Preprocessing.from_open_clip(
            {
                **defaults,
                **{key: value for key, value in each.items() if value is not None},
                "size": size,
            }
        )
        for each in said or [{}]
    }
    # A checkpoint says nothing of this, and OpenCLIP then takes CLIP's for any model.
    if len(ways) > 1 or (not said and "siglip" in name.architecture.lower()):
        raise WeightsNotFoundError(
            f"Nothing says how pictures are prepared for the checkpoint {str(name.checkpoint)!r}: "
            f"models of {name.architecture!r} differ in it.",
            hint=f"Put its {CONFIG_NAME} beside it, or name the tag that it was trained like: "
            f"`open_clip:{name.architecture}/TAG:CHECKPOINT`, of {_list(tags)}.",
        )
    return ways.pop()


def _is_causal(config: Mapping[str, Any]) -> bool:
    texts = config["text_cfg"]
    other = ("hf_model_name", "no_causal_mask", "embed_cls")
    return (
        texts.get("pool_type", "argmax") == "argmax"
        and "multimodal_cfg" not in config
        and not any(texts.get(key) for key in other)
    )


def _hash(checkpoint: Path) -> str:
    try:
        return sha256_file(checkpoint)
    except OSError as error:
        raise WeightsNotFoundError(
            f"The checkpoint {str(checkpoint)!r} cannot be read: {error.strerror}."
        ) from error


def _list(tags: Mapping[str, Any]) -> str:
    return ", ".join(tags) or "none"
