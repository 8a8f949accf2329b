"""Modules of PyTorch become graphs that ONNX Runtime runs, and graphs in half the bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from florilegium.errors import EncoderError

pytestmark = pytest.mark.torch

WIDTH = 96
VOCABULARY = 50


def tokens_to_rows() -> Any:
    """Return a module that looks tokens up, lets them attend to each other, and takes the mean."""
    import torch

    class Small(torch.nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(VOCABULARY, WIDTH)
            self.attention = torch.nn.MultiheadAttention(WIDTH, 2, batch_first=True)
            self.out = torch.nn.Linear(WIDTH, WIDTH)

        def forward(self, ids: Any) -> Any:
            given = self.table(ids)
            seen, _ = self.attention(given, given, given, need_weights=False)
            return self.out(given + seen).mean(dim=1)

    torch.manual_seed(1)
    return Small().eval()


def tokens(batch: int, length: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, VOCABULARY, (batch, length))


def trace(module: Any, file: Path, *, any_length: bool = True) -> None:
    import torch

    from florilegium.exporting.graphs import trace_graph

    trace_graph(
        module,
        torch.from_numpy(tokens(2, 8)),
        file,
        given="input_ids",
        row="text_embeds",
        any_length=any_length,
    )


def run(file: Path, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found: npt.NDArray[np.float32] = session.run(["text_embeds"], {"input_ids": ids})[0]
    return found


@pytest.mark.parametrize(("batch", "length"), [(2, 8), (1, 8), (7, 8), (1, 3), (3, 21)])
def test_a_graph_takes_other_numbers_and_lengths_than_it_was_traced_with(
    tmp_path: Path, batch: int, length: int
) -> None:
    import torch

    module = tokens_to_rows()
    ids = tokens(batch, length)
    with torch.inference_mode():
        expected = module(torch.from_numpy(ids)).numpy()

    trace(module, tmp_path / "onnx" / "text.onnx")

    np.testing.assert_allclose(run(tmp_path / "onnx" / "text.onnx", ids), expected, atol=1e-5)


def test_where_its_length_is_fixed_a_graph_says_so(tmp_path: Path) -> None:
    from florilegium.encoders.onnx_clip.onnxruntime_tower import describe_graph

    trace(tokens_to_rows(), tmp_path / "fixed.onnx", any_length=False)
    trace(tokens_to_rows(), tmp_path / "open.onnx", any_length=True)

    assert describe_graph(tmp_path / "fixed.onnx").inputs["input_ids"][1] == 8
    assert describe_graph(tmp_path / "open.onnx").inputs["input_ids"][1] is None
    assert run(tmp_path / "fixed.onnx", tokens(5, 8)).shape == (5, WIDTH)


def test_a_module_that_cannot_be_traced_is_told(tmp_path: Path) -> None:
    import torch

    class Broken(torch.nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
        def forward(self, ids: Any) -> Any:
            raise RuntimeError("no such layer")

    with pytest.raises(EncoderError, match="The model cannot be traced: no such layer"):
        trace(Broken(), tmp_path / "text.onnx")


def test_half_a_graph_has_half_the_bytes_and_nearly_the_same_rows(tmp_path: Path) -> None:
    import onnx

    from florilegium.exporting.graphs import halve_graph

    whole, half = tmp_path / "text.onnx", tmp_path / "text_fp16.onnx"
    trace(tokens_to_rows(), whole)

    halve_graph(whole, half)

    assert half.stat().st_size < 0.6 * whole.stat().st_size
    (row,) = onnx.load(half).graph.output
    assert row.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    exact, near = run(whole, tokens(4, 6)), run(half, tokens(4, 6))
    assert near.dtype == np.float32
    np.testing.assert_allclose(near, exact, atol=0.01)
    assert not np.array_equal(near, exact)


def test_a_floating_input_stays_in_fp32(tmp_path: Path) -> None:
    import torch

    from florilegium.encoders.onnx_clip.onnxruntime_tower import describe_graph
    from florilegium.exporting.graphs import halve_graph, trace_graph

    whole, half = tmp_path / "vision.onnx", tmp_path / "vision_fp16.onnx"
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 8), torch.nn.Flatten())
    trace_graph(layers.eval(), torch.zeros(2, 3, 8, 8), whole, given="pixel_values",
                row="image_embeds", any_length=False)  # fmt: skip

    halve_graph(whole, half)

    import onnxruntime

    session = onnxruntime.InferenceSession(str(half), providers=["CPUExecutionProvider"])
    pixels = np.ones((3, 3, 8, 8), dtype=np.float32)
    assert session.run(None, {"pixel_values": pixels})[0].dtype == np.float32
    assert describe_graph(half).inputs == describe_graph(whole).inputs
