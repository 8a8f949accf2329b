"""From a module of PyTorch to an ONNX graph, and from fp32 to fp16. Knows no model."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch
from onnxruntime.transformers.float16 import convert_float_to_float16

from florilegium.errors import EncoderError
from florilegium.exporting.attention import use_plain_attention

_OPSET = 17
_MOST_BYTES = 2_000_000_000  # of one file; what is more goes beside it


def trace_graph(
    module: Any, example: Any, file: Path, *, given: str, row: str, any_length: bool
) -> None:
    """Write the graph of a module that takes one array, of any number of inputs.

    Args:
        module: What is traced; its attention is replaced by plain steps.
        example: Two inputs.
        file: Where the graph goes; weights of large models go beside it.
        given: The name of the input.
        row: The name of the output.
        any_length: Whether the second dimension is open, too.

    Raises:
        EncoderError: The module cannot be traced.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    axes = {0: "batch", 1: "length"} if any_length else {0: "batch"}
    use_plain_attention(module)
    with warnings.catch_warnings():
        # Tracing warns of every shape that it takes for fixed; the rows are compared afterwards.
        warnings.simplefilter("ignore")
        try:
            # The older exporter needs no package of its own.
            with TemporaryDirectory(dir=file.parent) as folder:
                traced = Path(folder) / file.name
                torch.onnx.export(
                    module,
                    (example,),
                    str(traced),
                    input_names=[given],
                    output_names=[row],
                    dynamic_axes={given: axes, row: {0: "batch"}},
                    opset_version=_OPSET,
                    dynamo=False,
                )
                # It puts each weight of a large model into a file of its own.
                save_graph(onnx.load(traced), file)
        except (RuntimeError, ValueError, TypeError) as error:
            raise EncoderError(
                f"The model cannot be traced: {error}.",
                hint="Only models of the CLIP family can be exported.",
            ) from error


def halve_graph(source: Path, target: Path) -> None:
    """Write a graph with its weights in fp16; what goes in and out stays fp32."""
    model = convert_float_to_float16(
        onnx.load(source), keep_io_types=True, disable_shape_infer=False
    )
    save_graph(model, target)


def save_graph(model: onnx.ModelProto, file: Path) -> None:
    """Write a graph, with its weights beside it if they are too large for one file."""
    large = model.ByteSize() > _MOST_BYTES
    onnx.save(
        model, file, save_as_external_data=large, location=f"{file.name}_data" if large else None
    )
