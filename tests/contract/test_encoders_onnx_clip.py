"""The encoder contract on ONNX models of every family and layout, in both engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.record import RECORD_NAME, write_record
from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.protocols import Encoder
from florilegium.testing.encoder_contract import CaptionCase, EncoderContract
from tests.tiny_onnx import write_tiny_clip

MODELS: dict[str, dict[str, Any]] = {
    "clip": {"family": "clip"},
    "clip, masked": {"family": "clip", "mask": True},
    "mobileclip": {"family": "clip", "causal": False},
    "siglip": {"family": "siglip"},
    "siglip 2, flat": {"family": "siglip2", "layout": "flat"},
    "clip, one row at a time": {"family": "clip", "layout": "immich"},
    "clip, weights beside": {"family": "clip", "external": True},
}
SETTINGS = [
    *((name, {"engine": "onnxruntime"}) for name in MODELS),
    *((name, {"engine": "openvino", "precision": "fp32"}) for name in MODELS),
    ("clip", {}),
]


@pytest.fixture(
    scope="module",
    params=SETTINGS,
    ids=[f"{name}, {settings.get('engine', 'auto')}" for name, settings in SETTINGS],
)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OnnxClipEncoder, OnnxClipEncoder]]:
    """Return an encoder, and another one whose weights are gone."""
    name, settings = request.param
    config = EncoderConfig(name="onnx_clip", batch_size=4, threads=2, **settings)
    folders = [tmp_path_factory.mktemp(place) for place in ("warm", "cold")]
    for folder in folders:
        write_tiny_clip(folder, **MODELS[name])
        write_record(folder / RECORD_NAME, survey_folder(folder, id="tiny"))
    for graph in folders[1].rglob("*.onnx*"):
        graph.unlink()
    warm, cold = (
        OnnxClipEncoder(folder, config=config, cache_folder=folder / "cache") for folder in folders
    )
    yield warm, cold
    warm.close()


class TestOnnxClipEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self, model: tuple[OnnxClipEncoder, OnnxClipEncoder]) -> Encoder:
        return model[0]

    @pytest.fixture
    def cold_encoder(self, model: tuple[OnnxClipEncoder, OnnxClipEncoder]) -> Encoder:
        return model[1]

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        red, blue = (Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
        return (
            CaptionCase(query="red", right=red, wrong=blue),
            CaptionCase(query="blue", right=blue, wrong=red),
            CaptionCase(query="red", right="a red rose", wrong="a blue sky"),
        )
