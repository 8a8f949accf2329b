"""How the graphs of a model are called, in repositories of the hub and in our own exports."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from florilegium.types import Precision

# Vision and text graph, by layout: of transformers.js, optimum and our exports, the same without a
# folder, and of Immich. The part in braces is the precision.
LAYOUTS = (
    ("onnx/vision_model{}.onnx", "onnx/text_model{}.onnx"),
    ("vision_model{}.onnx", "text_model{}.onnx"),
    ("visual/model{}.onnx", "textual/model{}.onnx"),
)
# The int8 graphs of transformers.js, `_quantized` and `_int8`, choose their scales per batch, so
# that a row would depend on what else is in it. Ours have fixed ones, and a name of their own.
SUFFIXES: Mapping[Precision, str] = {"fp32": "", "fp16": "_fp16", "int8": "_qdq"}
_WEIGHTS_BESIDE = re.compile(r"[._]data(_\d+)?")


def find_pair(paths: Collection[str], precision: Precision) -> tuple[str, str] | None:
    """Return the vision and the text graph in a precision, if `paths` has both."""
    suffix = SUFFIXES.get(precision)
    for vision, text in LAYOUTS if suffix is not None else ():
        pair = vision.format(suffix), text.format(suffix)
        if set(pair) <= set(paths):
            return pair
    return None


def weights_beside(graph: str, paths: Collection[str]) -> tuple[str, ...]:
    """Return the files among `paths` that hold weights of a graph outside of it, by name."""
    return tuple(
        sorted(
            path
            for path in paths
            if path.startswith(graph) and _WEIGHTS_BESIDE.fullmatch(path[len(graph) :])
        )
    )
