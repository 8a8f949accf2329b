"""The processor's name comes from the system; threads are those that this process may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from florilegium.encoders.onnx_clip.processor import processor_name, usable_threads


def test_on_linux_the_name_is_that_of_the_first_core(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU @ 2:1 GHz\n\nmodel name\t: Other\n",
        encoding="utf-8",
    )

    assert processor_name(file) == "Some CPU @ 2:1 GHz"


def test_elsewhere_it_is_what_python_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "arm")

    assert processor_name(tmp_path / "absent") == "arm"


def test_a_file_without_a_name_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So it is on ARM: the file is there, the line is not.
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t:\n", encoding="utf-8")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    assert processor_name(file) == "aarch64"


def test_this_machine_has_a_name() -> None:
    assert processor_name()


def test_the_number_that_is_asked_for_is_used() -> None:
    assert usable_threads(3) == 3


def test_without_a_number_each_core_of_this_process_has_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 6}, raising=False)

    assert usable_threads(0) == 3


def test_where_the_system_does_not_say_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)

    assert usable_threads(0) == 6
