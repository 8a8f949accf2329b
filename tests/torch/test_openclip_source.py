"""Tiny models of OpenCLIP, exported, give the rows of OpenCLIP, and its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.record import ModelRecord
from florilegium.encoders.onnx_clip.tokens import TextReader
from florilegium.errors import UnknownBackendError
from florilegium.protocols import Encoder
from tests.torch.tiny_open_clip import COLOURS, TinyModel, picture

pytestmark = pytest.mark.torch

TEXTS = (
    "a red rose",
    "",
    "x",
    "A photo of  TWO Cats,\tasleep on a sofa since noon",
    "Füße, crème brûlée and a naïve jalapeño",
    "don't, I'll, we've, it's the cat's",
    "in 1984 and 3.14159 or 42%",
    "🌹🌹 rose 👩‍🚀 to the moon!!!",
    "一朵红玫瑰 and 茶",
    "ÉCOLE Straße ÅNGSTRÖM",
    "...?!-- (brackets) [and] {more} #tags @all",
    "Ελληνικά, Русский, עברית, हिन्दी",
)
LONG = " ".join(["a red rose and two blue irises"] * 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A model of OpenCLIP, and the folder that was made of it."""

    model: TinyModel
    folder: Path
    record: ModelRecord

    def open(self) -> OnnxClipEncoder:
        config = EncoderConfig(engine="onnxruntime", precision="fp32", batch_size=4)
        return OnnxClipEncoder(self.folder, config=config, cache_folder=self.folder / "cache")

    def reader(self) -> TextReader:
        file = self.folder / "tokenizer.json"
        return TextReader(file.read_text(encoding="utf-8"), self.record.text)


def export(model: TinyModel, target: Path) -> Exported:
    from florilegium.exporting.export import export_model

    record = export_model(
        f"open_clip:{model.tagged}",
        target,
        precisions=["fp32"],
        pictures=None,
        say=lambda _: None,
    )
    return Exported(model=model, folder=target, record=record)


@pytest.fixture(scope="module")
def exports(
    clip: TinyModel, siglip: TinyModel, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Exported]:
    folder = tmp_path_factory.mktemp("exports")
    return {
        "clip": export(clip, folder / "tiny-clip"),
        "siglip": export(siglip, folder / "tiny-siglip"),
    }


@pytest.fixture(params=["clip", "siglip"])
def exported(exports: Mapping[str, Exported], request: pytest.FixtureRequest) -> Exported:
    return exports[request.param]


@pytest.fixture
def ours(exported: Exported) -> Iterator[Encoder]:
    encoder = exported.open()
    yield encoder
    encoder.close()


@pytest.fixture
def theirs(exported: Exported) -> Iterator[Encoder]:
    from florilegium.encoders.open_clip.encoder import open_encoder

    encoder = open_encoder(
        exported.model.tagged,
        config=EncoderConfig(device="cpu"),
        texts=None,
        cache_folder=Path("absent"),
    )
    yield encoder
    encoder.close()


def photos() -> list[Image.Image]:
    noise = np.random.default_rng(0)
    sizes = ((64, 48), (31, 90), (300, 200), (32, 32), (33, 57))
    drawn = [
        Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]
    return [*drawn, *(picture(colour) for colour in COLOURS)]


def test_rows_of_pictures_are_those_of_open_clip(ours: Encoder, theirs: Encoder) -> None:
    found, expected = ours.encode_images(photos()), theirs.encode_images(photos())

    assert ((found * expected).sum(axis=1) > 0.9999).all()


def test_rows_of_texts_are_those_of_open_clip(ours: Encoder, theirs: Encoder) -> None:
    texts = [*TEXTS, *COLOURS, LONG]

    found = ours.encode_texts(texts, purpose="query")

    expected = theirs.encode_texts(texts, purpose="query")
    assert ((found * expected).sum(axis=1) > 0.9999).all()


def test_an_encoder_of_a_folder_is_as_large_as_that_of_open_clip(
    ours: Encoder, theirs: Encoder
) -> None:
    assert ours.info.dim == theirs.info.dim
    assert ours.info.max_text_tokens == theirs.info.max_text_tokens
    assert ours.info.image_side == theirs.info.image_side
    assert ours.info.languages == theirs.info.languages


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_open_clip(exported: Exported, text: str) -> None:
    _, _, tokenizer = exported.model.load()

    ((window,),) = exported.reader().windows([text])

    expected = tokenizer([text])[0].tolist()
    padding = [exported.record.text.pad_id] * (exported.record.text.max_tokens - len(window))
    assert [*window, *padding] == expected


def test_only_a_causal_tower_is_given_less_than_all_positions(
    exports: Mapping[str, Exported],
) -> None:
    assert exports["clip"].record.text.fixed_length is False
    assert exports["clip"].record.text.max_tokens == 77
    assert exports["siglip"].record.text.fixed_length is True
    assert exports["siglip"].record.text.max_tokens == 64


def test_a_short_text_has_the_row_of_the_padded_one(exports: Mapping[str, Exported]) -> None:
    import onnxruntime

    clip = exports["clip"]
    session = onnxruntime.InferenceSession(
        str(clip.folder / "onnx" / "text_model.onnx"), providers=["CPUExecutionProvider"]
    )
    for text in TEXTS:
        ((window,),) = clip.reader().windows([text])
        full = [*window, *[clip.record.text.pad_id] * (77 - len(window))]

        short, padded = (
            session.run(None, {"input_ids": np.array([ids], dtype=np.int64)})[0]
            for ids in (window, full)
        )

        np.testing.assert_allclose(short, padded, atol=1e-5)


def test_the_record_says_where_the_model_came_from(exports: Mapping[str, Exported]) -> None:
    import open_clip
    import torch

    origin = exports["clip"].record.origin

    assert origin["source"] == "open_clip:tiny-clip/colours"
    assert origin["open_clip"] == open_clip.__version__
    assert origin["torch"] == torch.__version__


def test_an_unknown_model_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    from florilegium.exporting.export import export_model

    with pytest.raises(UnknownBackendError, match="no architecture 'ViT-B-33'"):
        export_model(
            "open_clip:ViT-B-33/openai",
            tmp_path / "target",
            precisions=["fp32"],
            pictures=None,
            say=lambda _: None,
        )

    assert list(tmp_path.iterdir()) == []
