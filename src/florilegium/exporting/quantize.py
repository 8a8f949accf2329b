"""int8 graphs whose rows do not depend on the batch: products with weights, with fixed scales.

The products of attention stay as they are: they have no weights, and quantising them gained
nothing (decision 0009). Knows graphs and arrays, no model.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from florilegium.errors import EncoderError

_PRODUCTS = ("MatMul", "Gemm")


class _Samples(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    def __init__(self, samples: Sequence[Mapping[str, Any]]) -> None:
        self._samples: Iterator[Mapping[str, Any]] = iter(samples)

    def get_next(self) -> Mapping[str, Any] | None:
        return next(self._samples, None)


def quantize_graph(source: Path, target: Path, samples: Sequence[Mapping[str, Any]]) -> None:
    """Write the graph `source` with its products of weights in int8.

    Weights have a scale for each column, what is multiplied with them one scale for all, found
    on the samples. Both ranges are symmetric; activations are written with an offset of 128,
    which every engine computes fast.

    Args:
        source: A graph in fp32.
        target: Where the other one goes.
        samples: Batches of input, by name.

    Raises:
        EncoderError: There is nothing to quantise, or no sample.
    """
    if not samples:
        raise EncoderError("int8 needs samples to find its scales on, but there are none.")
    with tempfile.TemporaryDirectory(prefix="florilegium-") as name:
        prepared = Path(name) / "prepared.onnx"
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # the package speaks through the root logger
        try:
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            chosen = products_of_weights(onnx.load(prepared, load_external_data=False))
            if not chosen:
                raise EncoderError(f"The graph {source.name!r} has no product of weights.")
            quantize_static(
                str(prepared),
                str(target),
                _Samples(samples),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                calibrate_method=CalibrationMethod.MinMax,
                op_types_to_quantize=list(_PRODUCTS),
                nodes_to_quantize=chosen,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    # What comes out need not be rounded again before what follows.
                    "OpTypesToExcludeOutputQuantization": list(_PRODUCTS),
                },
            )
        finally:
            root.setLevel(level)


def products_of_weights(model: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes that multiply with weights of the graph."""
    weights = {each.name for each in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in _PRODUCTS and weights.intersection(node.input[:2])
    ]
