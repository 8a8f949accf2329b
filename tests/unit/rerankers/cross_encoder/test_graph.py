from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from florilegium.errors import RerankError
from florilegium.rerankers.cross_encoder.graph import PairGraph
from florilegium.rerankers.cross_encoder.pairs import Batch, PairReader
from tests.tiny_reranker import Output, write_tiny_reranker

TEXTS = ["red rose", "coffee", "dahlias are planted after the last frost"]


def read(folder: Path, texts: list[str] = TEXTS) -> Batch:
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    reader = PairReader(text, max_tokens=64, pad_id=0)
    (batch,) = reader.batches(reader.read("red rose", texts), 32)
    return batch


def open_graph(folder: Path) -> PairGraph:
    return PairGraph(folder / "onnx/model.onnx", threads=1)


@pytest.mark.parametrize("output", ["flat", "two"])
def test_all_forms_of_output_give_the_same_scores(tmp_path: Path, output: Output) -> None:
    one = write_tiny_reranker(tmp_path / "one")
    other = write_tiny_reranker(tmp_path / "other", output=output)

    np.testing.assert_allclose(
        open_graph(one).score(read(one)), open_graph(other).score(read(other)), rtol=1e-5
    )


def test_inputs_are_given_as_the_graph_names_them(tmp_path: Path) -> None:
    folder = write_tiny_reranker(tmp_path, types=False, int32=True)

    scores = open_graph(folder).score(read(folder))

    assert scores.shape == (3,)
    assert scores.dtype == np.float32


def test_what_is_masked_does_not_count_and_would_count_otherwise(tmp_path: Path) -> None:
    def change_by_padding(masked: bool) -> float:
        folder = write_tiny_reranker(tmp_path / str(masked), masked=masked)
        graph = open_graph(folder)
        together = dict(zip(read(folder).positions, graph.score(read(folder)), strict=True))
        alone = graph.score(read(folder, ["coffee"]))
        return abs(float(together[1] - alone[0]))

    assert change_by_padding(masked=True) < 1e-5
    assert change_by_padding(masked=False) > 1e-2


def test_a_graph_that_quantizes_per_batch_is_told_from_others(tmp_path: Path) -> None:
    plain = write_tiny_reranker(tmp_path / "plain")
    quantized = write_tiny_reranker(tmp_path / "quantized", dynamic=True)

    assert open_graph(plain).is_batched
    graph = open_graph(quantized)
    assert not graph.is_batched
    # It is for this that it must take one pair at a time.
    batch = read(quantized)
    together = dict(zip(batch.positions, graph.score(batch), strict=True))
    alone = graph.score(read(quantized, ["coffee"]))
    assert abs(float(together[1] - alone[0])) > 1e-4


@pytest.mark.parametrize(("output", "message"), [("three", r"\(3, 3\)"), ("nan", "no number")])
def test_what_is_no_score_is_refused(tmp_path: Path, output: Output, message: str) -> None:
    folder = write_tiny_reranker(tmp_path, output=output)

    with pytest.raises(RerankError, match=message):
        open_graph(folder).score(read(folder))


@pytest.mark.parametrize("data", [b"", b"no graph"])
def test_a_damaged_graph_is_named(tmp_path: Path, data: bytes) -> None:
    folder = write_tiny_reranker(tmp_path)
    (folder / "onnx/model.onnx").write_bytes(data)

    with pytest.raises(RerankError, match=r"model\.onnx.*cannot be loaded"):
        open_graph(folder)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["input_ids", "attention_mask", "pixels"], "pixels"), (["input_ids"], "attention_mask")],
)
def test_other_inputs_are_named(tmp_path: Path, names: list[str], message: str) -> None:
    infos = [helper.make_tensor_value_info(n, TensorProto.INT64, ["n", "l"]) for n in names]
    node = helper.make_node("Cast", ["input_ids"], ["logits"], to=TensorProto.FLOAT)
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "l"])
    graph = helper.make_graph([node], "odd", infos, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "odd.onnx")

    with pytest.raises(RerankError, match=message):
        PairGraph(tmp_path / "odd.onnx", threads=1)


def test_tokens_that_the_graph_does_not_know_are_an_error_of_ours(tmp_path: Path) -> None:
    folder = write_tiny_reranker(tmp_path)
    batch = read(folder)
    batch.ids[0, 0] = 10_000

    with pytest.raises(RerankError, match="failed on"):
        open_graph(folder).score(batch)
