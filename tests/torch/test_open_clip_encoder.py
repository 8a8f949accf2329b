"""The encoder contract on tiny models of OpenCLIP, and what else the encoder promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.errors import ConfigError, EncoderError, UnknownBackendError
from florilegium.protocols import Encoder, Tuned
from florilegium.registry import open_encoder as open_by_name
from florilegium.testing.encoder_contract import CaptionCase, EncoderContract
from tests.torch.tiny_open_clip import COLOURS, TinyModel, picture

if TYPE_CHECKING:
    # Needs PyTorch, which the tests that are not marked `torch` do without.
    from florilegium.encoders.open_clip.encoder import OpenClipEncoder

pytestmark = pytest.mark.torch

TEXTS = ("a red rose", "", "Two cats on a sofa, asleep since noon.", "茶", "white")


def open_tiny(model: TinyModel, **settings: Any) -> OpenClipEncoder:
    from florilegium.encoders.open_clip.encoder import open_encoder

    config = EncoderConfig(**{"device": "cpu", **settings})
    return open_encoder(model.tagged, config=config, texts=None, cache_folder=Path("absent"))


def open_cold(model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> OpenClipEncoder:
    def refuse() -> None:
        raise AssertionError("the weights are out of reach")

    encoder = open_tiny(model)
    monkeypatch.setattr(encoder, "_load_towers", refuse)
    return encoder


def captions() -> tuple[CaptionCase, ...]:
    return (
        CaptionCase(query="red", right=picture("red"), wrong=picture("blue")),
        CaptionCase(query="a green thing", right=picture("green"), wrong=picture("red")),
        CaptionCase(query="black", right=picture("black"), wrong=picture("white")),
    )


def photos() -> list[Image.Image]:
    noise = np.random.default_rng(0)
    sizes = ((64, 48), (31, 90), (300, 200), (32, 32))
    return [
        Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


@pytest.fixture(scope="module")
def loaded_clip(clip: TinyModel) -> Iterator[Encoder]:
    encoder = open_tiny(clip)
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def loaded_siglip(siglip: TinyModel) -> Iterator[Encoder]:
    encoder = open_tiny(siglip)
    yield encoder
    encoder.close()


class TestTinyClip(EncoderContract):
    @pytest.fixture
    def encoder(self, loaded_clip: Encoder) -> Encoder:
        return loaded_clip

    @pytest.fixture
    def cold_encoder(self, clip: TinyModel, monkeypatch: pytest.MonkeyPatch) -> Encoder:
        return open_cold(clip, monkeypatch)

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        return captions()


class TestTinySigLip(EncoderContract):
    @pytest.fixture
    def encoder(self, loaded_siglip: Encoder) -> Encoder:
        return loaded_siglip

    @pytest.fixture
    def cold_encoder(self, siglip: TinyModel, monkeypatch: pytest.MonkeyPatch) -> Encoder:
        return open_cold(siglip, monkeypatch)

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        return captions()


@pytest.fixture(params=["clip", "siglip"])
def model(request: pytest.FixtureRequest) -> TinyModel:
    found: TinyModel = request.getfixturevalue(request.param)
    return found


def test_rows_are_those_that_open_clip_gives(model: TinyModel) -> None:
    import torch

    theirs, transform, tokenizer = model.load()
    with torch.inference_mode():
        pixels = torch.stack([transform(photo) for photo in photos()])
        pictures = theirs.encode_image(pixels, normalize=True).numpy()
        texts = theirs.encode_text(tokenizer(list(TEXTS)), normalize=True).numpy()

    encoder = open_tiny(model, batch_size=3)

    assert ((encoder.encode_images(photos()) * pictures).sum(axis=1) > 0.9999).all()
    rows = encoder.encode_texts(TEXTS, purpose="query")
    np.testing.assert_allclose(rows, texts, atol=1e-5)


def test_tokens_are_counted_as_open_clip_counts_them(model: TinyModel) -> None:
    _, _, tokenizer = model.load()
    encoder = open_tiny(model)

    for text in ("", "a red rose"):
        ids = tokenizer([text])[0]
        assert encoder.count_tokens(text) == int((ids != 0).sum())


def test_a_text_over_the_limit_is_the_mean_of_its_windows(clip: TinyModel) -> None:
    encoder = open_tiny(clip)
    words = ["red"] * 60 + ["blue"] * 60

    row = encoder.encode_texts([" ".join(words)], purpose="document")[0]

    halves = encoder.encode_texts([" ".join(words[:60]), " ".join(words[60:])], purpose="document")
    mean = halves.sum(axis=0)
    np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_text_that_spells_the_mark_of_its_end_is_read_to_its_end(clip: TinyModel) -> None:
    encoder = open_tiny(clip)

    rows = encoder.encode_texts(
        ["red &lt;end_of_text&gt; blue", "red <end_of_text> blue", "red blue", "red"],
        purpose="query",
    )

    np.testing.assert_allclose(rows[:2], rows[[2, 2]], atol=1e-5)
    assert not np.allclose(rows[1], rows[3], atol=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_rounded_numbers_give_nearly_the_same_rows(model: TinyModel, precision: str) -> None:
    full, rounded = open_tiny(model), open_tiny(model, precision=precision)
    pictures = [picture(colour) for colour in COLOURS]

    pairs = [
        (full.encode_images(pictures), rounded.encode_images(pictures)),
        (
            full.encode_texts(COLOURS, purpose="query"),
            rounded.encode_texts(COLOURS, purpose="query"),
        ),
    ]

    for exact, near in pairs:
        assert near.dtype == np.float32
        assert ((exact * near).sum(axis=1) > 0.999).all()
    assert rounded.info == full.info


def test_what_runs_it_is_said_in_one_line(clip: TinyModel) -> None:
    encoder = open_tiny(clip, device="cpu", precision="bf16")

    said = encoder.describe_engines()

    assert isinstance(encoder, Tuned)
    assert said.startswith("pictures and texts by PyTorch ")
    assert said.endswith(", cpu, bf16")


def test_the_number_of_threads_is_that_of_the_settings(clip: TinyModel) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        open_tiny(clip, threads=1).encode_images([picture("red")])

        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_row_that_is_not_finite_is_refused(clip: TinyModel) -> None:
    import torch

    encoder = open_tiny(clip)
    with torch.no_grad():
        encoder._load_towers()._model.visual.proj.fill_(float("nan"))

    with pytest.raises(EncoderError, match="gave a row without direction"):
        encoder.encode_images([picture("red")])


def test_settings_that_cannot_be_met_are_refused_at_once(clip: TinyModel) -> None:
    with pytest.raises(ConfigError, match="int8"):
        open_tiny(clip, precision="int8")


def test_it_is_found_by_its_name_and_can_be_the_text_encoder(
    clip: TinyModel, tmp_path: Path
) -> None:
    name = f"open_clip:{clip.tagged}"

    encoder = open_by_name(name, config=TextEncoderConfig(name=name), cache_folder=tmp_path)

    assert encoder.info == open_tiny(clip).info
    assert encoder.info.id == "open_clip:tiny-clip/colours"


def test_without_a_model_it_is_that_of_the_article(tmp_path: Path) -> None:
    encoder = open_by_name("open_clip", config=EncoderConfig(), cache_folder=tmp_path)

    assert encoder.info.id == "open_clip:ViT-B-32/laion2b_s34b_b79k"
    assert (encoder.info.dim, encoder.info.max_text_tokens, encoder.info.image_side) == (
        512,
        77,
        224,
    )
    assert encoder.info.languages == frozenset({"en"})
    assert encoder.count_tokens("a red rose in a garden") == 8


def test_an_unknown_model_is_told_when_the_encoder_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackendError, match="no architecture 'ViT-B-33'"):
        open_by_name("open_clip:ViT-B-33/openai", config=EncoderConfig(), cache_folder=tmp_path)
