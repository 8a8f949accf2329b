"""The encoder contract on the starter encoder, over the text encoder of its profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from florilegium.encoders.minilm import MiniLmEncoder
from florilegium.encoders.starter.encoder import StarterEncoder
from florilegium.encoders.starter.network import Network
from florilegium.protocols import Encoder
from florilegium.testing.encoder_contract import CaptionCase, EncoderContract


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StarterEncoder]:
    texts = MiniLmEncoder(threads=2)
    encoder = StarterEncoder(
        texts, cache_folder=tmp_path_factory.mktemp("cache"), network=Network(threads=2)
    )
    yield encoder
    encoder.close()
    texts.close()


class TestStarterEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self, starter: StarterEncoder) -> Encoder:
        return starter

    @pytest.fixture
    def cold_encoder(self, tmp_path: Path) -> Encoder:
        absent = tmp_path / "absent.onnx"
        return StarterEncoder(
            MiniLmEncoder(weights=absent),
            cache_folder=tmp_path,
            network=Network(weights=absent),
        )

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        cat, coffee, rocket = (
            Image.fromarray(getattr(data, name)()) for name in ("cat", "coffee", "rocket")
        )
        return (
            CaptionCase(query="A cat lies on a blanket.", right=cat, wrong=coffee),
            CaptionCase(query="a cup of coffee", right=coffee, wrong=cat),
            CaptionCase(query="a small pet", right=cat, wrong=rocket),
        )
