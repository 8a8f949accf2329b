"""Checkpoints that were really trained, where there are any: run with `pytest -m model`.

FLORILEGIUM_TEST_MODELS names a folder of models as `florilegium models pull` leaves them. With
COCO's picture 39769 beside them, as 000000039769.jpg or .png, cosines that were published are
compared as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.demo.pictures import PICTURES, find_picture
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.layouts import find_pair
from florilegium.protocols import Encoder
from florilegium.testing.encoder_contract import CaptionCase, EncoderContract

pytestmark = pytest.mark.model

PLACE = os.environ.get("FLORILEGIUM_TEST_MODELS", "")
CATS = "000000039769"

# The logits of transformers' own test of openai/clip-vit-base-patch32 (test_modeling_clip.py),
# divided by the scale of 100.
PUBLISHED = {
    ("clip", 512, "Xenova/clip-vit-base-patch32"): (
        ("a photo of a cat", "a photo of a dog"),
        (0.245701, 0.193049),
    ),
}


def model_folders() -> list[Path]:
    """Return the folders of models in the named place; none if nothing is named."""
    if not PLACE:
        return []
    found = []
    for folder in sorted(path for path in Path(PLACE).iterdir() if path.is_dir()):
        paths = [file.relative_to(folder).as_posix() for file in folder.rglob("*.onnx")]
        if find_pair(paths, "fp32"):
            found.append(folder)
    return found


@pytest.fixture(scope="module", params=model_folders(), ids=lambda folder: folder.name)
def real_encoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnnxClipEncoder]:
    """Return the encoder of one model, in the engine that is fastest here."""
    encoder = OnnxClipEncoder(
        request.param, config=EncoderConfig(), cache_folder=tmp_path_factory.mktemp("cache")
    )
    yield encoder
    encoder.close()


class TestRealModel(EncoderContract):
    @pytest.fixture
    def encoder(self, real_encoder: OnnxClipEncoder) -> Encoder:
        return real_encoder

    @pytest.fixture
    def cold_encoder(self, real_encoder: OnnxClipEncoder) -> Encoder:
        return real_encoder

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        by_name = {picture.name: picture for picture in PICTURES}
        cat, rocket, coffee = (
            Image.open(find_picture(by_name[name])).convert("RGB")
            for name in ("cat.png", "rocket.jpg", "coffee.png")
        )
        return (
            CaptionCase(query="a photo of a cat", right=cat, wrong=rocket),
            CaptionCase(query="a rocket on its launch pad", right=rocket, wrong=coffee),
            CaptionCase(query="a cup of coffee", right=coffee, wrong=cat),
        )


def test_the_published_cosines_come_out(real_encoder: OnnxClipEncoder) -> None:
    record = real_encoder._record
    key = (record.family, record.dim, record.origin.get("source", ""))
    pictures = [path for path in Path(PLACE).glob(f"{CATS}.*") if path.is_file()]
    if key not in PUBLISHED or not pictures:
        pytest.skip(f"nothing published is known of {record.id}, or {CATS} is not in {PLACE}")
    texts, expected = PUBLISHED[key]
    picture = Image.open(pictures[0]).convert("RGB")

    image_row = real_encoder.encode_images([picture])[0]

    cosines = real_encoder.encode_texts(texts, purpose="query") @ image_row
    np.testing.assert_allclose(cosines, expected, atol=2e-3)
