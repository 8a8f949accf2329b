"""What a model folder says is read, and what it does not say is not guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from florilegium.encoders.onnx_clip.configuration import Configuration, read_configuration
from florilegium.errors import EncoderError, WeightsNotFoundError
from tests.tiny_onnx import write_tiny_clip

GRAPHS = {"vision": "onnx/vision_model.onnx", "text": "onnx/text_model.onnx"}


def read(folder: Path, **options: Any) -> Configuration:
    write_tiny_clip(folder, **options)
    return read_configuration(folder, **GRAPHS)


def change(file: Path, **values: object) -> None:
    """Change values of a JSON file; None takes one out."""
    tree = {**json.loads(file.read_text("utf-8")), **values}
    kept = {key: value for key, value in tree.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


def test_clip_reads_77_tokens_as_they_are(tmp_path: Path) -> None:
    found = read(tmp_path)

    assert (found.family, found.max_tokens, found.pad_token) == ("clip", 77, "<|endoftext|>")
    assert (found.lowercase, found.canonical) == (False, False)
    assert found.preprocessing.fit == "shortest"


def test_siglip_reads_64_tokens_without_capitals_and_punctuation(tmp_path: Path) -> None:
    found = read(tmp_path, family="siglip")

    assert (found.family, found.max_tokens, found.pad_token) == ("siglip", 64, "</s>")
    assert (found.lowercase, found.canonical) == (True, True)
    assert found.preprocessing.fit == "squash"


def test_siglip_2_keeps_punctuation_and_its_tokenizer_names_no_limit(tmp_path: Path) -> None:
    found = read(tmp_path, family="siglip2")

    assert (found.family, found.max_tokens, found.pad_token) == ("siglip", 64, "<pad>")
    assert (found.lowercase, found.canonical) == (True, False)


def test_files_beside_the_graphs_count_too(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path, family="siglip2", layout="immich")

    found = read_configuration(tmp_path, vision="visual/model.onnx", text="textual/model.onnx")

    assert found.tokenizer == "textual/tokenizer.json"
    assert found.family == "siglip"
    assert found.canonical  # as its OpenCLIP configuration says
    assert found.preprocessing.rounding == "even"
    assert set(found.files) == {
        "config.json",
        "textual/special_tokens_map.json",
        "textual/tokenizer.json",
        "textual/tokenizer_config.json",
        "visual/preprocess_cfg.json",
    }


def test_one_file_for_all_of_the_processor_is_read(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    whole = read_configuration(tmp_path, **GRAPHS)
    old = tmp_path / "preprocessor_config.json"
    new = {"image_processor": json.loads(old.read_text("utf-8"))}
    (tmp_path / "processor_config.json").write_text(json.dumps(new), encoding="utf-8")
    old.unlink()

    assert read_configuration(tmp_path, **GRAPHS).preprocessing == whole.preprocessing


def test_the_position_table_says_how_many_tokens_fit(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    change(tmp_path / "config.json", text_config={"max_position_embeddings": 52})

    assert read_configuration(tmp_path, **GRAPHS).max_tokens == 52


def test_the_pad_token_may_be_said_elsewhere(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path, family="siglip")
    change(tmp_path / "tokenizer_config.json", pad_token=None)

    assert read_configuration(tmp_path, **GRAPHS).pad_token == "</s>"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({}, False),
        ({"padding_side": "left"}, True),
        ({"tokenizer_class": "Siglip2Tokenizer"}, True),
        ({"tokenizer_class": "Siglip2Tokenizer", "padding_side": "right"}, False),
    ],
)
def test_the_side_of_the_padding_is_that_of_the_tokenizer(
    tmp_path: Path, said: dict[str, str], left: bool
) -> None:
    write_tiny_clip(tmp_path, family="siglip2")
    change(tmp_path / "tokenizer_config.json", **said)

    assert read_configuration(tmp_path, **GRAPHS).pad_left is left


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    change(tmp_path / "config.json", model_type="bert")

    with pytest.raises(EncoderError, match="type 'bert', but one of clip, siglip"):
        read_configuration(tmp_path, **GRAPHS)


def test_missing_preprocessing_is_not_guessed(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()

    with pytest.raises(WeightsNotFoundError, match="how pictures are prepared"):
        read_configuration(tmp_path, **GRAPHS)


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / "tokenizer.json").unlink()

    with pytest.raises(WeightsNotFoundError, match=r"no tokenizer\.json"):
        read_configuration(tmp_path, **GRAPHS)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / "config.json").write_text(content, encoding="utf-8")

    with pytest.raises(EncoderError, match=r"'config\.json' of the model cannot be read"):
        read_configuration(tmp_path, **GRAPHS)
