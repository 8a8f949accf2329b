"""What goes into a graph and what comes out, compared with what the record and the caller say.

Knows no engine: each describes its graph by names and element types.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from florilegium.encoders.onnx_clip.record import Graph
from florilegium.encoders.onnx_clip.tower import Inputs
from florilegium.errors import EncoderError

_HINT = "Fetch or export the model again; a graph of another kind cannot be used in its place."


def check_names(graph: Graph, *, inputs: Collection[str], outputs: Collection[str]) -> None:
    """Compare a graph with its record. Raises EncoderError when they name other things."""
    if set(graph.inputs) != set(inputs):
        raise EncoderError(
            f"The graph {graph.path!r} takes {_list(inputs)}, but {_list(graph.inputs)} "
            "is expected.",
            hint=_HINT,
        )
    if graph.output not in outputs:
        raise EncoderError(
            f"The graph {graph.path!r} gives {_list(outputs)}, but {graph.output!r} is expected.",
            hint=_HINT,
        )


def takes_one(graph: Graph, first: int | None) -> bool:
    """Return whether a graph was exported for one input at a time.

    `first` is the first dimension of its inputs, None if it is open. Raises EncoderError when it
    is fixed to another number.
    """
    if first not in {None, 1}:
        raise EncoderError(
            f"The graph {graph.path!r} was exported for {first} inputs at a time; one, or any "
            "number, is expected.",
            hint="Export the model again with `florilegium models export`.",
        )
    return first == 1


def feed(
    graph: Graph, inputs: Inputs, types: Mapping[str, npt.DTypeLike]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the arrays as the graph wants them: by its names, in its types, in one piece.

    OpenVINO would compute with whatever an input held before, if one were missing.
    """
    if set(inputs) != set(types):
        raise EncoderError(
            f"The graph {graph.path!r} takes {_list(types)}, but was given {_list(inputs)}."
        )
    return {name: np.ascontiguousarray(array, dtype=types[name]) for name, array in inputs.items()}


def check_rows(
    graph: Graph, rows: npt.NDArray[np.generic], *, count: int
) -> npt.NDArray[np.float32]:
    """Return the output as float32, if it has one row for each input. Raises EncoderError."""
    if rows.ndim != 2 or len(rows) != count:
        raise EncoderError(
            f"The output {graph.output!r} of {graph.path!r} has the shape {rows.shape}, "
            f"but ({count}, dimensions) is expected.",
            hint=_HINT,
        )
    return np.asarray(rows, dtype=np.float32)


def _list(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)) or "nothing"
