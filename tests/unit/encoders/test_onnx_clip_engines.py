"""A tower opens in the engine that is asked for, or an error says what is missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from florilegium.encoders.onnx_clip import engines
from florilegium.encoders.onnx_clip.engines import open_tower
from florilegium.encoders.onnx_clip.tower import EngineName
from florilegium.errors import MissingExtraError, WeightsNotFoundError
from tests.unit.encoders.onnx_clip_samples import VISION, engine, pictures, write_vision


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the import of OpenVINO fail, as where it is not installed."""
    monkeypatch.delitem(sys.modules, "florilegium.encoders.onnx_clip.openvino_tower", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_both_engines_give_the_same_row(tmp_path: Path, name: EngineName) -> None:
    write_vision(tmp_path)

    rows = open_tower(tmp_path, VISION, engine(name)).run({"pixel_values": pictures((1, 2, 3))})

    assert rows.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_missing_file_is_named(tmp_path: Path, name: EngineName) -> None:
    write_vision(tmp_path)
    graph = replace(VISION, data=("vision.onnx_data",))

    with pytest.raises(WeightsNotFoundError, match=r"has no file 'vision\.onnx_data'"):
        open_tower(tmp_path, graph, engine(name))


@pytest.mark.usefixtures("without_openvino")
def test_without_openvino_its_towers_say_how_to_install_it(tmp_path: Path) -> None:
    write_vision(tmp_path)

    with pytest.raises(MissingExtraError) as caught:
        open_tower(tmp_path, VISION, engine("openvino"))

    assert caught.value.hint == "Run `pip install 'florilegium[openvino]'`."


@pytest.mark.usefixtures("without_openvino")
def test_without_openvino_the_other_engine_works(tmp_path: Path) -> None:
    write_vision(tmp_path)

    assert engines.openvino_capabilities() is None
    assert open_tower(tmp_path, VISION, engine()).run({"pixel_values": pictures((1, 2, 3))}).any()


def test_the_processor_can_be_asked_what_it_does() -> None:
    assert "FP32" in (engines.openvino_capabilities() or ())
    assert "cpu" in engines.onnxruntime_devices()


def test_versions_are_known_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines.versions() == {
        "onnxruntime": metadata.version("onnxruntime"),
        "openvino": metadata.version("openvino"),
    }

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(engines, "version", absent)

    assert set(engines.versions()) == {"onnxruntime"}
