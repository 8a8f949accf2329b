"""A model of transformers as a source to export: CLIP, SigLIP, SigLIP 2. Knows no ONNX."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

from florilegium.encoders.onnx_clip.configuration import FAMILIES
from florilegium.errors import EncoderError, WeightsNotFoundError
from florilegium.exporting.source import Rows, Source

_TEXTS = ("a red rose", "two")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError)


def open_transformers(name: str) -> Source:
    """Return the model of a folder, or of a hub repository `owner/name`, loaded.

    Raises:
        WeightsNotFoundError: There is no such model.
        EncoderError: It is of another family.
    """
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    except _LOAD_ERRORS as error:
        raise _not_found(name, error) from error
    if config.model_type not in FAMILIES:
        raise EncoderError(
            f"The model {name!r} is of the type {config.model_type!r}, but one of "
            f"{', '.join(FAMILIES)} is expected.",
            hint="Export a model of the CLIP family.",
        )
    if hasattr(config.vision_config, "num_patches"):
        raise EncoderError(
            f"The model {name!r} takes pictures of variable size (NaFlex), which cannot be "
            "exported.",
            hint="Take the variant of the model with a fixed size of pictures.",
        )
    try:
        loaded, found = transformers.AutoModel.from_pretrained(
            name,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
        # As Florilegium scales pictures; torchvision, which is the default, rounds otherwise.
        processor = transformers.AutoImageProcessor.from_pretrained(name, backend="pil")
        tokenizer = _open_tokenizer(name)
    except _LOAD_ERRORS as error:
        raise _not_found(name, error) from error
    _refuse_random(name, found)
    return TransformersSource(name, loaded.eval(), processor, tokenizer)


def _refuse_random(name: str, found: Mapping[str, Any]) -> None:
    # What a checkpoint lacks is made up at random, with a warning only.
    for what in ("missing_keys", "mismatched_keys"):
        keys = sorted(str(key) for key in found.get(what) or ())
        if keys:
            raise WeightsNotFoundError(
                f"The checkpoint of {name!r} does not fit its configuration: {keys[0]} "
                f"and {len(keys) - 1} other weights are missing or of another shape.",
                hint="Fetch the model again, or mend its config.json.",
            )


def _open_tokenizer(name: str) -> Any:
    try:
        found = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except ImportError:
        found = None
    if found is not None and found.is_fast:
        return found
    # SigLIP's own class needs sentencepiece, and writes no `tokenizer.json`.
    return transformers.PreTrainedTokenizerFast.from_pretrained(name)


class TransformersSource:
    """A loaded model of transformers."""

    def __init__(self, name: str, model: Any, processor: Any, tokenizer: Any) -> None:
        self._name = name
        self._model = model
        self._processor = processor
        self._tokenizer = tokenizer
        self._projects = hasattr(model, "visual_projection")

    @cached_property
    def vision(self) -> Any:
        head = self._model.visual_projection if self._projects else None
        return _Pooled(self._model.vision_model, head)

    @cached_property
    def text(self) -> Any:
        head = self._model.text_projection if self._projects else None
        return _Pooled(self._model.text_model, head)

    @property
    def any_length(self) -> bool:
        return self._projects  # CLIP's is causal

    @property
    def languages(self) -> Sequence[str] | None:
        return None

    @property
    def origin(self) -> Mapping[str, str]:
        return {
            "source": Path(self._name).name if Path(self._name).is_dir() else self._name,
            "transformers": version("transformers"),
            "torch": torch.__version__,
        }

    def examples(self) -> tuple[Any, Any]:
        pictures = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
        return self._processor(images=pictures, return_tensors="pt")["pixel_values"], self._ids(
            _TEXTS
        )

    def write_configuration(self, folder: Path) -> None:
        self._model.config.save_pretrained(str(folder))
        self._processor.save_pretrained(str(folder))
        # Some classes pad on the left, and write so only where they were told to.
        self._tokenizer.init_kwargs["padding_side"] = self._tokenizer.padding_side
        self._tokenizer.save_pretrained(str(folder))

    def reference(self, image: Image.Image, text: str) -> tuple[Rows, Rows]:
        pixels = self._processor(images=[image], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            rows = self.vision(pixels), self.text(self._ids([text]))
        image_row, text_row = (row[0].float().numpy() for row in rows)
        return image_row, text_row

    def _ids(self, texts: Sequence[str]) -> Any:
        positions = self._model.config.text_config.max_position_embeddings
        return self._tokenizer(
            [self._clean(text) for text in texts],
            padding="max_length",
            max_length=positions,
            truncation=True,
            return_tensors="pt",
        )["input_ids"]

    def _clean(self, text: str) -> str:
        # As SigLIP was trained, which not all of its tokenizers do by themselves.
        if self._projects:
            return text
        kind = type(self._tokenizer).__name__.lower()
        second = "gemma" in kind or "siglip2" in kind
        return text.lower() if second else text.lower().translate(_NO_PUNCTUATION)


class _Pooled(torch.nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
    """A tower with what leads from its pooled state to the shared space."""

    def __init__(self, tower: Any, head: Any) -> None:
        super().__init__()
        self._tower = tower
        self._head = head

    def forward(self, given: Any) -> Any:
        pooled = self._tower(given).pooler_output
        return pooled if self._head is None else self._head(pooled)


def _not_found(name: str, error: Exception) -> WeightsNotFoundError:
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return WeightsNotFoundError(
        f"The model {name!r} cannot be loaded by transformers: {first.rstrip('.')}.",
        hint="Name a folder, a repository of the hub that can be reached, or `open_clip:NAME/TAG`.",
    )
