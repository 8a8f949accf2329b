from __future__ import annotations

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.model_files import select_files
from florilegium.model_hub import HubFile, Repository

VISION, TEXT = "onnx/vision_model.onnx", "onnx/text_model.onnx"


def _repository(*paths: str) -> Repository:
    files = tuple(HubFile(path=path, size=1) for path in paths)
    return Repository(name="tiny/clip", commit="1" * 40, files=files)


@pytest.mark.parametrize(
    ("vision", "text", "tokenizer"),
    [
        ("onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json"),
        ("vision_model.onnx", "text_model.onnx", "tokenizer.json"),
        ("visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json"),
    ],
)
def test_graphs_are_found_in_the_layouts_of_hub_repositories(
    vision: str, text: str, tokenizer: str
) -> None:
    files = select_files(_repository(vision, text, tokenizer, "other/tokenizer.json"), ["fp32"])

    assert {file.path for file in files} == {vision, text, tokenizer}


def test_weights_beside_a_graph_belong_to_it() -> None:
    beside = [f"{TEXT}_data", f"{TEXT}.data", f"{TEXT}_data_1"]
    foreign = [f"{TEXT}_old", "onnx/text_model_q4.onnx_data"]

    files = select_files(_repository(VISION, TEXT, "tokenizer.json", *beside, *foreign), ["fp32"])

    assert {file.path for file in files} == {VISION, TEXT, "tokenizer.json", *beside}


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([VISION, "tokenizer.json"], "no pair of ONNX graphs in fp32"),
        ([VISION, TEXT], "no tokenizer.json"),
        (["model.safetensors", "tokenizer.json"], "'onnx/vision_model.onnx' and its like"),
    ],
)
def test_a_repository_that_is_no_model_of_ours_says_what_it_lacks(
    paths: list[str], message: str
) -> None:
    with pytest.raises(WeightsNotFoundError, match=message) as caught:
        select_files(_repository(*paths), ["fp32"])

    assert "florilegium models export" in str(caught.value.hint)


def test_int8_graphs_of_others_are_never_taken() -> None:
    repository = _repository(VISION, TEXT, "onnx/vision_model_int8.onnx", "tokenizer.json")

    with pytest.raises(WeightsNotFoundError, match="no pair of ONNX graphs in int8"):
        select_files(repository, ["fp32", "int8"])


def test_terms_are_fetched_from_the_top_only() -> None:
    files = select_files(
        _repository(VISION, TEXT, "tokenizer.json", "LICENSE", "README.md", "onnx/README.md"),
        ["fp32"],
    )

    assert {"LICENSE", "README.md"} <= {file.path for file in files}
    assert "onnx/README.md" not in {file.path for file in files}
