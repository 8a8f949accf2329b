"""OpenVINO runs a graph in the numbers and streams that are asked for, and tells nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from florilegium.encoders.onnx_clip.openvino_tower import capabilities, open_openvino_tower
from florilegium.encoders.onnx_clip.tower import Tower
from florilegium.errors import EncoderError
from florilegium.types import Precision
from tests.conftest import ROOT
from tests.unit.encoders.onnx_clip_samples import (
    TEXT,
    VISION,
    engine,
    pictures,
    write_int8_vision,
    write_text,
    write_vision,
)

RUN_BOTH_ENGINES = """
import sys, threading
from pathlib import Path
from florilegium.encoders.onnx_clip.engines import open_tower
from tests.unit.encoders.onnx_clip_samples import VISION, engine, pictures
for name in ("onnxruntime", "openvino"):
    open_tower(Path(sys.argv[1]), VISION, engine(name)).run({"pixel_values": pictures((1, 2, 3))})
assert "openvino_telemetry" not in sys.modules
assert threading.active_count() == 1, threading.enumerate()
"""


def _open_vision(folder: Path, *, streams: int = 1, precision: Precision = "fp32") -> Tower:
    write_vision(folder)
    return open_openvino_tower(
        folder, VISION, engine("openvino", streams=streams, precision=precision)
    )


@pytest.mark.parametrize("streams", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_rows_come_in_the_order_of_the_pictures_whatever_the_streams(
    tmp_path: Path, streams: int, count: int
) -> None:
    tower = _open_vision(tmp_path, streams=streams)

    rows = tower.run({"pixel_values": pictures(*((i, i + 1, i + 2) for i in range(count)))})

    assert rows.dtype == np.float32
    assert rows.tolist() == [[i, i + 1, i + 2] for i in range(count)]


def test_rows_are_not_changed_by_the_next_run(tmp_path: Path) -> None:
    tower = _open_vision(tmp_path)
    first = tower.run({"pixel_values": pictures((1, 2, 3))})

    tower.run({"pixel_values": pictures((7, 8, 9))})

    assert first.tolist() == [[1, 2, 3]]


def test_several_threads_may_use_one_tower(tmp_path: Path) -> None:
    tower = _open_vision(tmp_path, streams=2)

    with ThreadPoolExecutor(4) as threads:
        rows = list(
            threads.map(
                lambda i: tower.run({"pixel_values": pictures((i, 0, 0), (0, i, 0))}), range(40)
            )
        )

    assert [each.tolist() for each in rows] == [[[i, 0, 0], [0, i, 0]] for i in range(40)]


def test_texts_may_be_of_any_length(tmp_path: Path) -> None:
    write_text(tmp_path)
    tower = open_openvino_tower(tmp_path, TEXT, engine("openvino", streams=2))

    assert tower.run({"input_ids": np.array([[1, 2, 3]])}).tolist() == [[6, 12, 18]]
    assert tower.run({"input_ids": np.array([[1], [2]])}).tolist() == [[1, 2, 3], [2, 4, 6]]


def test_a_graph_in_fp16_is_fed_fp16_and_may_be_computed_with_in_fp32(tmp_path: Path) -> None:
    write_vision(tmp_path, half=True)

    rows = open_openvino_tower(tmp_path, VISION, engine("openvino")).run(
        {"pixel_values": pictures((1, 2, 3))}
    )

    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 2, 3]]


def test_an_int8_graph_rounds_to_its_scale(tmp_path: Path) -> None:
    write_int8_vision(tmp_path)
    graph = replace(VISION, path="vision_int8.onnx")

    rows = open_openvino_tower(tmp_path, graph, engine("openvino", precision="int8")).run(
        {"pixel_values": pictures((1.2, -2.3, 3.4))}
    )

    assert rows.tolist() == [[1, -2, 3]]


@pytest.mark.parametrize(("precision", "name"), [("bf16", "BF16"), ("fp16", "FP16")])
def test_what_the_processor_does_not_compute_in_is_refused_and_not_replaced(
    tmp_path: Path, precision: Precision, name: str
) -> None:
    if name in capabilities():
        _open_vision(tmp_path, precision=precision)
        return

    with pytest.raises(EncoderError, match=f"does not compute in {precision} on this processor"):
        _open_vision(tmp_path, precision=precision)


def test_another_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="on the processor only, not on 'cuda'"):
        open_openvino_tower(tmp_path, VISION, engine("openvino", device="cuda"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / VISION.path).write_bytes(b"")

    with pytest.raises(EncoderError, match=r"cannot load the graph 'vision\.onnx'"):
        open_openvino_tower(tmp_path, VISION, engine("openvino"))


def test_a_graph_with_another_output_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    write_vision(tmp_path)

    with pytest.raises(EncoderError, match="but 'pooled' is expected"):
        open_openvino_tower(tmp_path, replace(VISION, output="pooled"), engine("openvino"))


def test_a_tower_works_on_after_pictures_of_another_size(tmp_path: Path) -> None:
    tower = _open_vision(tmp_path, streams=2)

    with pytest.raises(EncoderError, match=r"failed on the graph 'vision\.onnx'"):
        tower.run({"pixel_values": np.zeros((2, 3, 5, 5), dtype=np.float32)})

    assert tower.run({"pixel_values": pictures((1, 2, 3))}).tolist() == [[1, 2, 3]]


def test_a_closed_tower_says_so(tmp_path: Path) -> None:
    tower = _open_vision(tmp_path)

    tower.close()

    with pytest.raises(EncoderError, match="was closed"):
        tower.run({"pixel_values": pictures((1, 2, 3))})


def test_fp32_is_always_possible() -> None:
    assert "FP32" in capabilities()


def test_neither_engine_reports_to_its_maker_or_writes_into_the_users_folders(
    tmp_path: Path,
) -> None:
    # Both do unless they are stopped; where they see a CI they do not.
    write_vision(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    shown = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    folders = {"HOME": str(home), "XDG_CACHE_HOME": str(home)}

    run = subprocess.run(
        [sys.executable, "-B", "-c", RUN_BOTH_ENGINES, tmp_path],
        cwd=ROOT, env=shown | folders, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    assert list(home.rglob("*")) == []
