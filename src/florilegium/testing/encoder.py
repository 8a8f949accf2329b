"""A fake encoder: no weights, no randomness, and pictures that mean their colours.

Texts are bags of hashed words; pictures are histograms over the same colour words, so "red"
really is nearest to the red square. Knows nothing of meaning beyond that.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.errors import EncoderError, UnknownBackendError
from florilegium.protocols import Encoder
from florilegium.types import Embeddings, EncoderInfo, Modality, Purpose

# Order matters: the place of a colour is its dimension.
_COLOURS: tuple[tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]], ...] = (
    (("red", "红", "紅"), ((255, 0, 0), (210, 30, 40))),
    (("green", "绿", "綠"), ((0, 255, 0), (0, 128, 0), (60, 160, 60))),
    (("blue", "蓝", "藍"), ((0, 0, 255), (40, 80, 190), (120, 180, 240))),
    (("yellow", "黄", "黃"), ((255, 255, 0), (240, 215, 60))),
    (("white", "白"), ((255, 255, 255),)),
    (("black", "黑"), ((0, 0, 0),)),
    (("grey", "gray", "灰"), ((128, 128, 128), (70, 70, 70), (190, 190, 190))),
    (("orange", "橙", "橘"), ((255, 165, 0), (240, 120, 20))),
    (("purple", "violet", "紫"), ((128, 0, 128), (140, 70, 200))),
    (("brown", "棕", "褐"), ((139, 69, 19), (165, 42, 42), (100, 60, 40))),
    (("pink", "粉"), ((255, 192, 203), (255, 105, 180))),
)
_WORD_DIMS = {word: place for place, (words, _) in enumerate(_COLOURS) for word in words}
_SHADES = np.array([shade for _, shades in _COLOURS for shade in shades], dtype=np.int32)
_SHADE_DIMS = np.array([place for place, (_, shades) in enumerate(_COLOURS) for _ in shades])

# Chinese, Japanese and Korean signs are words of their own: these scripts put no spaces.
_SIGNS = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
_SMALLEST_DIM = 16
_MAX_TOKENS = 512
_SIDE = 64


def open_encoder(
    model: str,
    *,
    config: EncoderConfig | TextEncoderConfig,  # noqa: ARG001 - all encoders are opened alike
    texts: Encoder | None,  # noqa: ARG001
    cache_folder: Path,  # noqa: ARG001
) -> FakeEncoder:
    """Return the fake encoder; `model` is its number of dimensions, 32 when empty."""
    if model and not model.isdecimal():
        raise UnknownBackendError(
            f"The encoder 'fake' takes a number of dimensions, not {model!r}.",
            hint="Write e.g. `fake:32`.",
        )
    return FakeEncoder(dim=int(model or 32))


class FakeEncoder:
    """An encoder for tests. `calls` counts the inputs of each modality that it really encoded."""

    def __init__(self, *, dim: int = 32) -> None:
        if dim < _SMALLEST_DIM:
            raise UnknownBackendError(
                f"The encoder 'fake' needs at least {_SMALLEST_DIM} dimensions, not {dim!r}.",
                hint="Write e.g. `fake:32`.",
            )
        self._dim = dim
        self._lock = Lock()
        self.calls: Counter[Modality] = Counter()

    @property
    def info(self) -> EncoderInfo:
        return EncoderInfo(
            id=f"fake:{self._dim}",
            fingerprint=f"fake-{self._dim}-1",
            dim=self._dim,
            modalities=frozenset(Modality),
            max_text_tokens=_MAX_TOKENS,
        )

    def count_tokens(self, text: str) -> int:
        return len(_words(text)) + 2  # two for the special tokens that real ones have

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:  # noqa: ARG002
        self._count(Modality.TEXT, len(texts))
        return self._unit([self._count_words(text) for text in texts])

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return image

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        self._count(Modality.IMAGE, len(images))
        return self._unit([self._count_colours(image) for image in images])

    def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def _count(self, modality: Modality, inputs: int) -> None:
        with self._lock:
            self.calls[modality] += inputs

    def _count_words(self, text: str) -> Embeddings:
        counts = np.zeros(self._dim, dtype=np.float32)
        for word in _words(text):
            counts[self._word_dim(word)] += 1
        if not counts.any():
            counts[-1] = 1  # no word of a text and no colour of a picture comes here
        return counts

    def _word_dim(self, word: str) -> int:
        if word in _WORD_DIMS:
            return _WORD_DIMS[word]
        # Python's own hash differs from one process to the next.
        digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
        places = self._dim - len(_COLOURS) - 1
        return len(_COLOURS) + int.from_bytes(digest, "big") % places

    def _count_colours(self, image: Image.Image) -> Embeddings:
        if image.mode != "RGB":
            raise EncoderError(f"A picture must be RGB, not {image.mode!r}.")
        size = (min(image.width, _SIDE), min(image.height, _SIDE))
        pixels = np.asarray(image.resize(size, Image.Resampling.NEAREST), dtype=np.int32)
        differences = pixels.reshape(-1, 1, 3) - _SHADES
        nearest = (differences**2).sum(axis=2).argmin(axis=1)
        return np.bincount(_SHADE_DIMS[nearest], minlength=self._dim).astype(np.float32)

    def _unit(self, rows: list[Embeddings]) -> Embeddings:
        stacked = np.array(rows, dtype=np.float32).reshape(-1, self._dim)
        lengths: Embeddings = np.linalg.norm(stacked, axis=1, keepdims=True)
        return stacked / lengths


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


_: type[Encoder] = FakeEncoder
