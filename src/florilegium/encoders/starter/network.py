"""EfficientNet-Lite2 (Tan & Le 2019; Google, Apache-2.0) in ONNX Runtime.

Pictures in, pooled features and ImageNet logits out. Knows nothing of labels or texts.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors
from PIL import Image

from florilegium.errors import EncoderError, WeightsNotFoundError

WEIGHTS_SHA256 = "335519ad387b1437806c13e15607911c936eaf302d27d938009f587e718a1a15"
FEATURE_DIM = 1280
LOGIT_COUNT = 1000
IMAGE_SIZE = 260
NETWORK_REVISION = 1  # of the code here that changes outputs: how a picture is resized

_ORT_ERRORS = (
    onnxruntime_errors.EPFail,
    onnxruntime_errors.Fail,
    onnxruntime_errors.InvalidArgument,
    onnxruntime_errors.InvalidGraph,
    onnxruntime_errors.InvalidProtobuf,
    onnxruntime_errors.NotImplemented,
    onnxruntime_errors.RuntimeException,
    RuntimeError,
)

Array = npt.NDArray[np.float32]


class Network:
    """The classifier. May be used by several threads."""

    def __init__(self, *, threads: int = 0, weights: Path | None = None) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            threads: Threads of one forward pass; 0 means one per core.
            weights: The model file; by default the one that is shipped.
        """
        self._threads = threads or os.cpu_count() or 1
        self._weights = weights
        self._lock = Lock()
        self._session: onnxruntime.InferenceSession | None = None

    def run(self, images: Sequence[Image.Image]) -> tuple[Array, Array]:
        """Return features (n, FEATURE_DIM) and logits (n, LOGIT_COUNT) of at least one picture."""
        pixels = np.stack([to_pixels(image) for image in images])
        session = self._load()
        try:
            features, logits = session.run(["features", "logits"], {"pixels": pixels})
        except _ORT_ERRORS as error:
            raise EncoderError(
                f"The encoder 'starter' failed on {len(images)} pictures: {error}"
            ) from error
        if not np.isfinite(features).all() or not np.isfinite(logits).all():
            raise EncoderError("The encoder 'starter' gave numbers that are not finite.")
        return features, logits

    def close(self) -> None:
        """Free the weights; a later run loads them again."""
        with self._lock:
            self._session = None

    def _load(self) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._session is None:
                self._session = _open_session(_read_weights(self._weights), self._threads)
            return self._session


def shrink(image: Image.Image) -> Image.Image:
    """Return the whole picture as RGB of IMAGE_SIZE by IMAGE_SIZE pixels.

    Bicubic as in the network's training, but without its central crop and with the sides scaled
    apart: the crop suits test photos whose subject is in the middle, and would make whatever
    stands near the edge of a user's picture impossible to find.
    """
    colours = image if image.mode == "RGB" else image.convert("RGB")
    return colours.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)


def to_pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return the shrunk picture as uint8 of shape (IMAGE_SIZE, IMAGE_SIZE, 3)."""
    return np.asarray(shrink(image), dtype=np.uint8)


def _read_weights(file: Path | None) -> bytes:
    hint = "Reinstall florilegium, or run `python scripts/build_starter.py` in its source tree."
    try:
        if file is None:
            folder = resources.files("florilegium.encoders.starter")
            data = (folder / "efficientnet_lite2.onnx").read_bytes()
        else:
            data = file.read_bytes()
    except OSError as error:
        raise WeightsNotFoundError(
            f"The weights of 'starter' cannot be read: {error}.", hint=hint
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != WEIGHTS_SHA256:
        raise WeightsNotFoundError(
            f"The weights of 'starter' have the SHA-256 {found[:12]}…, "
            f"but {WEIGHTS_SHA256[:12]}… is expected.",
            hint=hint,
        )
    return data


def _open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        raise EncoderError(f"The weights of 'starter' cannot be loaded: {error}") from error
