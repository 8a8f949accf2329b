"""What is known of OpenCLIP's own models, and how it is said that one is not known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from florilegium.encoders.open_clip.naming import parse_model
from florilegium.errors import EncoderError, UnknownBackendError, WeightsNotFoundError
from florilegium.preprocessing import Preprocessing
from tests.torch.tiny_open_clip import TinyModel

if TYPE_CHECKING:
    # Needs PyTorch, which the tests that are not marked `torch` do without.
    from florilegium.encoders.open_clip.facts import ModelFacts

pytestmark = pytest.mark.torch


def find(model: str) -> ModelFacts:
    from florilegium.encoders.open_clip.facts import find_model

    return find_model(parse_model(model))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    file = tmp_path / "mine.pt"
    file.write_bytes(b"weights")
    return file


def test_every_tag_of_open_clip_is_known_with_its_preprocessing() -> None:
    import open_clip

    for architecture, tag in open_clip.list_pretrained():
        facts = find(f"{architecture}/{tag}")

        said = open_clip.get_pretrained_cfg(architecture, tag)
        assert facts.preprocessing.mean == tuple(said["mean"])
        assert facts.preprocessing.resampling == said["interpolation"]
        assert facts.preprocessing.fit == said["resize_mode"]


@pytest.mark.parametrize(
    ("model", "quick"),
    [
        ("ViT-B-32/openai", True),  # whose architecture says nothing of it
        ("ViT-B-32/laion2b_s34b_b79k", False),
        ("ViT-B-32-quickgelu/openai", True),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", True),  # whose tag says nothing of it
    ],
)
def test_the_activation_is_that_of_the_weights(model: str, quick: bool) -> None:
    assert find(model).quick_gelu is quick


@pytest.mark.parametrize(
    ("model", "causal"),
    [
        ("ViT-B-32/openai", True),
        ("ViT-B-16-SigLIP2-256/webli", False),
        ("MobileCLIP-S1/datacompdr", False),
        ("coca_ViT-B-32/laion2b_s13b_b90k", False),
        ("xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k", False),
    ],
)
def test_only_a_causal_tower_that_reads_the_end_of_a_text_is_given_less(
    model: str, causal: bool
) -> None:
    assert find(model).causal is causal


def test_a_checkpoint_is_prepared_for_like_the_tags_of_its_architecture(checkpoint: Path) -> None:
    siglip = find(f"ViT-B-16-SigLIP2-256:{checkpoint}").preprocessing

    assert (siglip.mean, siglip.fit, siglip.side) == ((0.5, 0.5, 0.5), "squash", 256)
    assert find(f"ViT-B-32:{checkpoint}").preprocessing == find("ViT-B-32/openai").preprocessing
    assert find(f"ViT-S-32:{checkpoint}").preprocessing.fit == "shortest"  # it has no tags


def test_where_tags_differ_a_checkpoint_needs_one(checkpoint: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="models of 'ViT-L-14' differ") as caught:
        find(f"ViT-L-14:{checkpoint}")

    assert "`open_clip:ViT-L-14/TAG:CHECKPOINT`, of openai, " in (caught.value.hint or "")
    tagged = find(f"ViT-L-14/openai:{checkpoint}")
    assert tagged.preprocessing == find("ViT-L-14/openai").preprocessing
    assert tagged.quick_gelu


def test_what_lies_beside_a_checkpoint_counts(checkpoint: Path) -> None:
    said = {
        "model_cfg": {"quick_gelu": True},
        "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "interpolation": "bilinear", "size": 99},
    }
    beside = checkpoint.with_name("open_clip_config.json")
    beside.write_text(json.dumps(said), encoding="utf-8")

    facts = find(f"ViT-L-14:{checkpoint}")

    assert facts.quick_gelu
    assert facts.preprocessing.mean == (0.1, 0.2, 0.3)
    assert facts.preprocessing.resampling == "bilinear"
    assert facts.preprocessing.side == 224  # that of the architecture
    beside.write_text("{", encoding="utf-8")
    with pytest.raises(EncoderError, match="cannot be read"):
        find(f"ViT-L-14:{checkpoint}")


def test_a_siglip_without_tags_is_not_taken_for_a_clip(
    siglip: TinyModel, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip

    monkeypatch.delitem(open_clip.pretrained._PRETRAINED, siglip.architecture)

    with pytest.raises(WeightsNotFoundError, match="Nothing says how pictures are prepared"):
        find(f"{siglip.architecture}:{checkpoint}")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("ViT-B-33/openai", "no architecture 'ViT-B-33' among its .*; near: ViT-B-32"),
        ("nothing-like-it/openai", r"no architecture 'nothing-like-it' among its \d+\."),
        ("hf-hub/openai", "no architecture 'hf-hub'"),
        ("ViT-B-32/open", "no weights 'open' of 'ViT-B-32', but: openai, "),
        ("ViT-S-32/openai", "no weights 'openai' of 'ViT-S-32', but: none"),
        ("ViT-B-32", "`open_clip:ViT-B-32` does not say whose weights; OpenCLIP knows: openai, "),
    ],
)
def test_an_unknown_model_is_told_with_what_is_known(model: str, message: str) -> None:
    with pytest.raises(UnknownBackendError, match=message):
        find(model)


def test_a_checkpoint_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="no checkpoint 'openai'") as caught:
        find("ViT-B-32:openai")

    assert "after a slash" in (caught.value.hint or "")
    with pytest.raises(WeightsNotFoundError, match="There is no checkpoint"):
        find(f"ViT-B-32:{tmp_path}")


def test_other_weights_have_another_fingerprint(checkpoint: Path) -> None:
    def fingerprints() -> list[str]:
        models = ("ViT-B-32/openai", "ViT-B-32/laion2b_e16", f"ViT-B-32:{checkpoint}")
        return [find(model).fingerprint() for model in models]

    before = fingerprints()
    assert fingerprints() == before
    assert len(set(before)) == 3
    checkpoint.write_bytes(b"others")

    after = fingerprints()

    assert after[:2] == before[:2]
    assert after[2] != before[2]


def test_a_checkpoint_keeps_its_fingerprint_wherever_it_lies(
    checkpoint: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "folder" / "copy.pt"
    copy.parent.mkdir()
    copy.write_bytes(checkpoint.read_bytes())

    assert find(f"ViT-B-32:{copy}").fingerprint() == find(f"ViT-B-32:{checkpoint}").fingerprint()


def test_a_checkpoint_that_is_gone_has_no_fingerprint(checkpoint: Path) -> None:
    facts = find(f"ViT-B-32:{checkpoint}")
    checkpoint.unlink()

    with pytest.raises(WeightsNotFoundError, match="cannot be read"):
        facts.fingerprint()


def test_a_tokenizer_that_cannot_be_had_is_told(
    siglip: TinyModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import open_clip

    from florilegium.encoders.open_clip.facts import open_reader

    config = open_clip.factory._MODEL_CONFIGS[siglip.architecture]
    monkeypatch.setitem(config["text_cfg"], "hf_tokenizer_name", str(tmp_path / "absent"))

    with pytest.raises(WeightsNotFoundError, match="tokenizer of 'open_clip:tiny-siglip/colours'"):
        open_reader(find(siglip.tagged))


def test_a_tokenizer_beside_the_checkpoint_is_taken(
    siglip: TinyModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import open_clip

    from florilegium.encoders.open_clip.facts import open_reader

    for source in (siglip.checkpoint, *(siglip.checkpoint.parent / "tokenizer").iterdir()):
        shutil.copy(source, tmp_path)
    model = f"{siglip.tagged}:{tmp_path / siglip.checkpoint.name}"
    without = find(model).fingerprint()
    config = open_clip.factory._MODEL_CONFIGS[siglip.architecture]
    beside = tmp_path / "open_clip_config.json"
    beside.write_text(json.dumps({"model_cfg": config}), encoding="utf-8")
    monkeypatch.setitem(config["text_cfg"], "hf_tokenizer_name", str(tmp_path / "absent"))

    reader = open_reader(find(model))

    assert reader.count("rose") == 5
    assert find(model).fingerprint() != without


def test_no_words_are_dropped_from_a_text_at_random(
    clip: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip

    from florilegium.encoders.open_clip.facts import open_reader

    config = open_clip.factory._MODEL_CONFIGS[clip.architecture]
    monkeypatch.setitem(config["text_cfg"], "tokenizer_kwargs", {"reduction_mask": "random"})

    reader = open_reader(find(clip.tagged))

    assert [len(window) for window in reader.windows("red " * 150)] == [77, 77]


@pytest.mark.parametrize(
    "cfg",
    [
        {"size": 224},
        {"size": 256, "interpolation": "bilinear", "mean": (0, 0, 0), "std": (1, 1, 1)},
        {"size": 64, "resize_mode": "squash", "mean": (0.5,) * 3, "std": (0.5,) * 3},
        {"size": 48, "resize_mode": "longest", "fill_color": 127},
    ],
)
@pytest.mark.parametrize("size", [(640, 427), (299, 501), (50, 50), (33, 7), (225, 224)])
def test_pixels_are_those_of_open_clip(cfg: dict[str, Any], size: tuple[int, int]) -> None:
    import open_clip

    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    photo = Image.fromarray(noise)
    theirs = open_clip.transform.PreprocessCfg(**cfg)
    pixels = open_clip.transform.image_transform_v2(theirs, is_train=False)(photo).numpy()

    ours = Preprocessing.from_open_clip({"mean": theirs.mean, "std": theirs.std, **cfg}).to_pixels(
        [photo]
    )[0]

    colours = np.abs(ours - pixels) * np.asarray(theirs.std)[:, None, None]
    assert colours.max() <= 1 / 255 + 1e-6
