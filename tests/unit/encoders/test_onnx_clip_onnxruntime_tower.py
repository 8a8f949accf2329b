"""ONNX Runtime runs a graph where it is told to, or says that it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from florilegium.encoders.onnx_clip.onnxruntime_tower import devices, open_onnxruntime_tower
from florilegium.encoders.onnx_clip.tower import Device
from florilegium.errors import EncoderError
from tests.unit.encoders.onnx_clip_samples import (
    TEXT,
    VISION,
    engine,
    pictures,
    write_int8_vision,
    write_text,
    write_vision,
)


def test_a_picture_becomes_the_row_that_its_graph_computes(tmp_path: Path) -> None:
    write_vision(tmp_path)

    tower = open_onnxruntime_tower(tmp_path, VISION, engine())

    rows = tower.run({"pixel_values": pictures((1, 2, 3), (4, 5, 6))})
    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_graph_in_fp16_is_fed_fp16_and_gives_float32(tmp_path: Path) -> None:
    write_vision(tmp_path, half=True)

    rows = open_onnxruntime_tower(tmp_path, VISION, engine(precision="fp16")).run(
        {"pixel_values": pictures((1, 2, 3))}
    )

    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 2, 3]]


def test_an_int8_graph_rounds_to_its_scale(tmp_path: Path) -> None:
    write_int8_vision(tmp_path)
    graph = replace(VISION, path="vision_int8.onnx")

    rows = open_onnxruntime_tower(tmp_path, graph, engine(precision="int8")).run(
        {"pixel_values": pictures((1.2, -2.3, 3.4))}
    )

    assert rows.tolist() == [[1, -2, 3]]


def test_texts_may_be_of_any_length(tmp_path: Path) -> None:
    write_text(tmp_path)
    tower = open_onnxruntime_tower(tmp_path, TEXT, engine())

    assert tower.run({"input_ids": np.array([[1, 2, 3]])}).tolist() == [[6, 12, 18]]
    assert tower.run({"input_ids": np.array([[1], [2]])}).tolist() == [[1, 2, 3], [2, 4, 6]]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_vision(tmp_path)
    file = tmp_path / VISION.path
    file.write_bytes(file.read_bytes()[:60])

    with pytest.raises(EncoderError, match=r"cannot load the graph 'vision\.onnx'") as caught:
        open_onnxruntime_tower(tmp_path, VISION, engine())

    assert "again" in (caught.value.hint or "")


def test_a_graph_with_another_output_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    write_vision(tmp_path)

    with pytest.raises(EncoderError, match="but 'pooled' is expected"):
        open_onnxruntime_tower(tmp_path, replace(VISION, output="pooled"), engine())


def test_pictures_of_another_size_are_an_error_of_ours(tmp_path: Path) -> None:
    write_vision(tmp_path)
    tower = open_onnxruntime_tower(tmp_path, VISION, engine())

    with pytest.raises(EncoderError, match=r"failed on the graph 'vision\.onnx'"):
        tower.run({"pixel_values": np.zeros((1, 3, 5, 5), dtype=np.float32)})


def test_a_closed_tower_says_so(tmp_path: Path) -> None:
    write_vision(tmp_path)
    tower = open_onnxruntime_tower(tmp_path, VISION, engine())

    tower.close()

    with pytest.raises(EncoderError, match="was closed"):
        tower.run({"pixel_values": pictures((1, 2, 3))})


def test_the_processor_is_always_a_device() -> None:
    assert "cpu" in devices()


def test_a_device_that_the_package_was_not_built_for_is_refused(tmp_path: Path) -> None:
    write_vision(tmp_path)
    absent: Device = "coreml" if "coreml" not in devices() else "cuda"

    with pytest.raises(EncoderError, match=f"'{absent}' is asked for, but ONNX Runtime"):
        open_onnxruntime_tower(tmp_path, VISION, engine(device=absent))


def test_a_device_that_does_not_start_is_not_replaced_by_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So it is where the package is built for CUDA, but the driver is not there.
    write_vision(tmp_path)
    asked: list[object] = []

    def open_session(file: str, options: object, **settings: object) -> SimpleNamespace:
        asked.append(settings)
        return SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)

    with pytest.raises(EncoderError, match="could not start it") as caught:
        open_onnxruntime_tower(tmp_path, VISION, engine(device="cuda"))

    assert "onnxruntime-gpu" in (caught.value.hint or "")
    assert asked == [
        {
            "providers": [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})],
            "enable_fallback": 0,
        }
    ]
