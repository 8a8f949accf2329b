"""A folder is looked at, run once and written down; what does not fit together is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.errors import EncoderError, WeightsNotFoundError
from tests.tiny_onnx import write_tiny_clip

VISION, TEXT = "onnx/vision_model.onnx", "onnx/text_model.onnx"


def rename(file: Path, old: str, new: str) -> None:
    """Give an input or an output of a graph another name."""
    model = onnx.load(file)
    ports = {port.name for port in (*model.graph.input, *model.graph.output)}
    assert old in ports
    for port in (*model.graph.input, *model.graph.output):
        port.name = new if port.name == old else port.name
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    onnx.save(model, file)


def test_the_record_says_what_goes_in_and_what_comes_out(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path, dim=20, external=True)

    record = survey_folder(tmp_path, id="tiny", origin={"source": "drawn"})

    variant = record.variants["fp32"]
    assert (record.id, record.family, record.dim) == ("tiny", "clip", 20)
    assert (variant.vision.inputs, variant.vision.output) == (("pixel_values",), "image_embeds")
    assert (variant.text.inputs, variant.text.output) == (("input_ids",), "text_embeds")
    assert variant.text.data == ("onnx/text_model.onnx_data",)
    assert len(variant.image_row) == len(variant.text_row) == 20
    assert record.origin == {"source": "drawn"}


def test_every_file_that_is_used_is_hashed(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path, external=True)
    (tmp_path / "README.md").write_text("Not used.", encoding="utf-8")

    record = survey_folder(tmp_path, id="tiny")

    assert [file.path for file in record.files] == [
        "config.json",
        "onnx/text_model.onnx",
        "onnx/text_model.onnx_data",
        "onnx/vision_model.onnx",
        "preprocessor_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    text = record.file(TEXT)
    assert text.size == (tmp_path / TEXT).stat().st_size
    assert text.sha256 == hashlib.sha256((tmp_path / TEXT).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("options", "fixed"),
    [
        ({"family": "clip"}, False),
        ({"family": "clip", "mask": True, "causal": False}, False),
        ({"family": "clip", "causal": False}, True),
        ({"family": "siglip"}, True),
        ({"family": "clip", "layout": "immich"}, True),
    ],
)
def test_a_tower_that_does_not_read_its_padding_need_not_be_padded(
    tmp_path: Path, options: dict[str, Any], fixed: bool
) -> None:
    write_tiny_clip(tmp_path, **options)

    assert survey_folder(tmp_path, id="tiny").text.fixed_length is fixed


def test_all_precisions_are_written_down(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path, half=True)

    record = survey_folder(tmp_path, id="tiny")

    rows = [np.array(variant.image_row) for variant in record.variants.values()]
    assert list(record.variants) == ["fp32", "fp16"]
    np.testing.assert_allclose(rows[0], rows[1], atol=0.01)


def test_a_folder_of_half_precision_alone_is_a_model_too(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path, half=True)
    for path in (VISION, TEXT):
        (tmp_path / path).unlink()

    record = survey_folder(tmp_path, id="tiny")

    assert list(record.variants) == ["fp16"]
    assert not record.text.fixed_length


def test_the_padding_token_is_the_one_that_the_configuration_names(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path, family="siglip")
    vocabulary = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]

    assert survey_folder(tmp_path, id="tiny").text.pad_id == vocabulary["</s>"]


def test_a_padding_token_that_the_tokenizer_lacks_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    file.write_text(file.read_text("utf-8").replace("<|endoftext|>", "<nothing>"), "utf-8")

    with pytest.raises(EncoderError, match="does not know the token '<nothing>'"):
        survey_folder(tmp_path, id="tiny")


@pytest.mark.parametrize("content", [b"<html>please log in</html>", b"\x89PNG\r\n\xff"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(content)

    with pytest.raises(EncoderError, match="tokenizer of the model cannot be read"):
        survey_folder(tmp_path, id="tiny")


def test_a_folder_without_graphs_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / TEXT).unlink()

    with pytest.raises(WeightsNotFoundError, match="no pair of ONNX graphs"):
        survey_folder(tmp_path, id="tiny")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="There is no folder"):
        survey_folder(tmp_path / "absent", id="tiny")


def test_a_row_before_the_projection_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    rename(tmp_path / VISION, "image_embeds", "pooler_output")

    with pytest.raises(EncoderError, match="'pooler_output', 'last_hidden_state', but one of"):
        survey_folder(tmp_path, id="tiny")


def test_a_graph_that_wants_more_than_pictures_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    model = onnx.load(tmp_path / VISION)
    model.graph.input.append(
        helper.make_tensor_value_info("pixel_attention_mask", onnx.TensorProto.INT64, ["n", 4])
    )
    onnx.save(model, tmp_path / VISION)

    with pytest.raises(EncoderError, match="'pixel_attention_mask', but pictures"):
        survey_folder(tmp_path, id="tiny")


def test_a_graph_that_wants_more_than_tokens_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    model = onnx.load(tmp_path / TEXT)
    model.graph.input.append(
        helper.make_tensor_value_info("position_ids", onnx.TensorProto.INT64, ["n", "s"])
    )
    onnx.save(model, tmp_path / TEXT)

    with pytest.raises(EncoderError, match="'position_ids', but the tokens"):
        survey_folder(tmp_path, id="tiny")


def test_towers_of_two_models_are_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path / "a", dim=16)
    write_tiny_clip(tmp_path / "b", dim=20)
    shutil.copy(tmp_path / "b" / TEXT, tmp_path / "a" / TEXT)

    with pytest.raises(EncoderError, match="pictures have 16 numbers and those of texts 20"):
        survey_folder(tmp_path / "a", id="tiny")


def test_precisions_of_two_models_are_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path / "a", half=True)
    write_tiny_clip(tmp_path / "b", half=True, seed=1)
    shutil.copy(
        tmp_path / "b" / "onnx/vision_model_fp16.onnx",
        tmp_path / "a" / "onnx/vision_model_fp16.onnx",
    )

    with pytest.raises(EncoderError, match="in fp16 give other rows"):
        survey_folder(tmp_path / "a", id="tiny")


def test_a_file_that_is_no_graph_is_named(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / VISION).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")

    with pytest.raises(EncoderError, match="cannot load the graph"):
        survey_folder(tmp_path, id="tiny")
