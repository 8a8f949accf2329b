"""How the graph of a cross-encoder is called, in repositories of the hub and in folders."""

from __future__ import annotations

from collections.abc import Collection

from florilegium.errors import WeightsNotFoundError

# In fp32 first. Those of transformers.js, optimum and ONNX Runtime's own tools follow; what they
# shrank is taken only where there is nothing else.
_NAMES = (
    "model",
    "model_fp16",
    "model_quantized",
    "model_int8",
    "model_uint8",
    "model_q4",
    "model_bnb4",
    "model_qint8_avx512_vnni",
    "model_qint8_avx512",
    "model_quint8_avx2",
    "model_qint8_arm64",
)
GRAPHS = tuple(f"{folder}{name}.onnx" for name in _NAMES for folder in ("onnx/", ""))


def find_graph(paths: Collection[str]) -> str | None:
    """Return the graph among `paths` that is taken if no other is asked for."""
    return next((path for path in GRAPHS if path in paths), None)


def require_graph(paths: Collection[str], *, repository: str, asked: str) -> str:
    """Return the graph among the paths of a repository, of those that were asked for if any were.

    Raises:
        WeightsNotFoundError: There is none.
    """
    graph = find_graph(paths)
    if graph is None:
        called = f" that is called like {asked!r}" if asked else ""
        raise WeightsNotFoundError(
            f"The repository {repository!r} has no ONNX graph of a reranker{called}.",
            hint="Choose one with onnx/model.onnx, such as that of a card; "
            "`florilegium models list` shows them.",
        )
    return graph
