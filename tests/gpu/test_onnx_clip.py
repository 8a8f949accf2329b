"""A tiny model in ONNX Runtime on a graphics card, and what is said where it has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.onnxruntime_tower import devices
from florilegium.errors import MissingExtraError
from tests.tiny_onnx import COLOURS
from tests.unit.installed import install

pytestmark = pytest.mark.gpu

HAS_CUDA = "cuda" in devices()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path, "tiny")
    return tmp_path / "tiny"


def encode(folder: Path, **settings: Any) -> tuple[np.ndarray[Any, Any], str]:
    """Return the rows of pictures and of texts, and what ran them."""
    encoder = OnnxClipEncoder(
        folder, config=EncoderConfig(**settings), cache_folder=folder / "cache"
    )
    pictures = [Image.new("RGB", (48, 40), colour) for colour in COLOURS]
    rows = np.concatenate(
        [encoder.encode_images(pictures), encoder.encode_texts(list(COLOURS), purpose="query")]
    )
    said = encoder.describe_engines()
    encoder.close()
    return rows, said


@pytest.mark.skipif(not HAS_CUDA, reason="needs onnxruntime-gpu in place of onnxruntime")
def test_rows_are_those_of_the_processor(folder: Path) -> None:
    ours, said = encode(folder, engine="onnxruntime", device="cuda")
    theirs, _ = encode(folder, engine="onnxruntime", device="cpu")

    assert "cuda" in said
    assert (ours * theirs).sum(axis=1).min() >= 0.9999


@pytest.mark.skipif(HAS_CUDA, reason="is about an ONNX Runtime for processors")
def test_a_card_that_onnx_runtime_was_not_built_for_is_refused_and_left_alone(
    folder: Path,
) -> None:
    with pytest.raises(MissingExtraError, match="'cuda'") as caught:
        encode(folder, device="cuda")
    assert "onnxruntime-gpu" in (caught.value.hint or "")

    _, said = encode(folder, engine="onnxruntime")

    assert "onnxruntime" in said
    assert "cuda" not in said
