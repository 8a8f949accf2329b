"""A model of OpenCLIP as a source to export. Knows OpenCLIP, and no ONNX."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from florilegium.encoders.open_clip.device import Way
from florilegium.encoders.open_clip.facts import ModelFacts, find_model, open_reader
from florilegium.encoders.open_clip.naming import parse_model
from florilegium.encoders.open_clip.package import open_clip, torch
from florilegium.encoders.open_clip.towers import encode_shorter, load_model
from florilegium.exporting.clip_tokenizer import make_clip_tokenizer
from florilegium.exporting.source import Rows, Source

_TEXTS = ("a red rose", "two")


def open_openclip(model: str) -> Source:
    """Return the model that `NAME/TAG` or `NAME:CHECKPOINT` means, loaded.

    Raises:
        UnknownBackendError: OpenCLIP has no such model.
        WeightsNotFoundError: There are no such weights.
    """
    facts = find_model(parse_model(model))
    return OpenClipSource(facts, load_model(facts, Way(device="cpu", precision="fp32")))


class OpenClipSource:
    """A loaded model of OpenCLIP."""

    def __init__(self, facts: ModelFacts, model: Any) -> None:
        self._facts = facts
        self._model = model
        self._reader = open_reader(facts)
        trunk: Any = getattr(model.visual, "trunk", None)
        if getattr(trunk, "dynamic_img_size", False):
            # Else it would scale its table of positions in each run, which no graph can.
            trunk.set_input_size((facts.preprocessing.height, facts.preprocessing.width))

    @cached_property
    def vision(self) -> Any:
        return _Call(self._model, self._model.encode_image)

    @cached_property
    def text(self) -> Any:
        if not self._facts.causal:
            return _Call(self._model, self._model.encode_text)
        return _Call(self._model, lambda ids: encode_shorter(self._model, ids))

    @property
    def any_length(self) -> bool:
        return self._facts.causal

    @property
    def languages(self) -> Sequence[str] | None:
        known = self._facts.name.languages
        return None if known is None else sorted(known)

    @property
    def origin(self) -> Mapping[str, str]:
        return {
            "source": self._facts.name.id,
            "open_clip": version("open_clip_torch"),
            "torch": torch.__version__,
        }

    def examples(self) -> tuple[Any, Any]:
        preprocessing = self._facts.preprocessing
        pixels = torch.zeros(2, 3, preprocessing.height, preprocessing.width)
        return pixels, torch.from_numpy(self._ids(_TEXTS))

    def write_configuration(self, folder: Path) -> None:
        config = open_clip.get_model_config(self._facts.name.architecture)
        _write(folder / "config.json", config)
        preprocessing = self._facts.preprocessing
        _write(
            folder / "preprocess_cfg.json",
            {
                "size": [preprocessing.height, preprocessing.width],
                "mode": "RGB",
                "mean": list(preprocessing.mean),
                "std": list(preprocessing.std),
                "interpolation": preprocessing.resampling,
                "resize_mode": preprocessing.fit,
                "fill_color": preprocessing.fill,
            },
        )
        tokenizer = self._tokenizer()
        if hasattr(tokenizer, "tokenizer"):
            tokenizer.tokenizer.save_pretrained(str(folder))
            return
        start, end = (tokenizer.decoder[number] for number in tokenizer.all_special_ids[:2])
        made = make_clip_tokenizer(
            tokenizer.encoder, list(tokenizer.bpe_ranks), start=start, end=end
        )
        made.save(str(folder / "tokenizer.json"))
        _write(
            folder / "tokenizer_config.json",
            {
                "model_max_length": self._facts.max_tokens,
                "pad_token": tokenizer.decoder[0],
                "tokenizer_class": "CLIPTokenizer",
            },
        )

    def reference(self, image: Image.Image, text: str) -> tuple[Rows, Rows]:
        transform = open_clip.transform.image_transform_v2(
            open_clip.transform.PreprocessCfg(**self._preprocess_cfg()), is_train=False
        )
        ids = self._tokenizer()([text], context_length=self._facts.max_tokens)
        with torch.inference_mode():
            rows = self._model.encode_image(transform(image)[None]), self._model.encode_text(ids)
        image_row, text_row = (row[0].float().numpy() for row in rows)
        return image_row, text_row

    def _preprocess_cfg(self) -> dict[str, Any]:
        preprocessing = self._facts.preprocessing
        return {
            "size": (preprocessing.height, preprocessing.width),
            "mean": preprocessing.mean,
            "std": preprocessing.std,
            "interpolation": preprocessing.resampling,
            "resize_mode": preprocessing.fit,
            "fill_color": preprocessing.fill,
        }

    def _tokenizer(self) -> Any:
        return self._reader.tokenizer

    def _ids(self, texts: Sequence[str]) -> Any:
        return self._reader.batch([self._reader.windows(text)[0] for text in texts])


class _Call(torch.nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
    """A method of a model as a module, which is what can be traced."""

    def __init__(self, model: Any, call: Any) -> None:
        super().__init__()
        self._model = model  # so that its weights are found
        self._call = call

    def forward(self, given: Any) -> Any:
        return self._call(given)


def _write(file: Path, tree: object) -> None:
    file.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
