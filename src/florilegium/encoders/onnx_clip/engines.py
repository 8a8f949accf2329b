"""Opens a graph in the engine that is asked for, in exactly the way that is asked for.

Imports an optional engine only when it is used. Knows nothing of which engine is best.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from florilegium.encoders.onnx_clip import onnxruntime_tower
from florilegium.encoders.onnx_clip.record import Graph
from florilegium.encoders.onnx_clip.tower import Device, Engine, Tower
from florilegium.errors import MissingExtraError, WeightsNotFoundError

_OPENVINO_TOWER = "florilegium.encoders.onnx_clip.openvino_tower"


def open_tower(folder: Path, graph: Graph, engine: Engine) -> Tower:
    """Return the tower of a model folder, loaded.

    Raises:
        WeightsNotFoundError: A file of the graph is not there.
        MissingExtraError: The engine is not installed.
        EncoderError: The graph is not what the record says, or the engine cannot run it so.
    """
    for path in (graph.path, *graph.data):
        if not (folder / path).is_file():
            raise WeightsNotFoundError(
                f"The model folder {str(folder)!r} has no file {path!r}.",
                hint="Fetch or export the model again.",
            )
    if engine.name == "openvino":
        tower: Tower = _import_openvino().open_openvino_tower(folder, graph, engine)
        return tower
    return onnxruntime_tower.open_onnxruntime_tower(folder, graph, engine)


def onnxruntime_devices() -> frozenset[Device]:
    """Return what the installed ONNX Runtime was built for, be it there or not."""
    return onnxruntime_tower.devices()


def openvino_capabilities() -> frozenset[str] | None:
    """Return what OpenVINO says this processor can do; None when it is not installed."""
    try:
        found: frozenset[str] = _import_openvino().capabilities()
    except MissingExtraError:
        return None
    return found


def versions() -> dict[str, str]:
    """Return the versions of the installed engines, without importing the optional one."""
    found = {"onnxruntime": onnxruntime_tower.VERSION}
    with suppress(PackageNotFoundError):
        found["openvino"] = version("openvino")
    return found


def _import_openvino() -> ModuleType:
    try:
        return import_module(_OPENVINO_TOWER)
    except ImportError as error:
        raise MissingExtraError(
            f"The engine 'openvino' cannot be used: {error}.",
            hint="Run `pip install 'florilegium[openvino]'`.",
        ) from error
