"""The encoder contract on every encoder that needs no download and lives in this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from florilegium.encoders.minilm import MiniLmEncoder
from florilegium.protocols import Encoder
from florilegium.testing.encoder import FakeEncoder
from florilegium.testing.encoder_contract import CaptionCase, EncoderContract


class TestFakeEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self) -> Encoder:
        return FakeEncoder(dim=32)

    @pytest.fixture
    def cold_encoder(self) -> Encoder:
        return FakeEncoder(dim=32)

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        red, blue = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
        return (
            CaptionCase(query="something red", right=red, wrong=blue),
            CaptionCase(query="蓝色", right=blue, wrong=red),
            CaptionCase(query="red", right="a red rose", wrong="a blue sky"),
        )


@pytest.fixture(scope="module")
def loaded_minilm() -> Iterator[MiniLmEncoder]:
    encoder = MiniLmEncoder(threads=2)
    yield encoder
    encoder.close()


class TestMiniLmEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self, loaded_minilm: MiniLmEncoder) -> Encoder:
        return loaded_minilm

    @pytest.fixture
    def cold_encoder(self, tmp_path: Path) -> Encoder:
        return MiniLmEncoder(weights=tmp_path / "absent.onnx")

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        return (
            CaptionCase(
                query="How do I care for roses?",
                right="Water the shrubs at the root and cut back old canes in late winter.",
                wrong="The spacecraft was carried to orbit by a liquid-fuelled launch vehicle.",
            ),
            CaptionCase(
                query="feline", right="The cat slept on the sofa.", wrong="The dog barked at night."
            ),
        )
