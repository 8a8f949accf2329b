from __future__ import annotations

import json
import re
from pathlib import Path

from tests.tiny_onnx import write_tiny_clip
from tests.unit.cli.conftest import Run


def test_a_library_that_can_work_is_exit_code_0(ingested: Run) -> None:
    result = ingested("doctor", "--json")

    assert result.exit_code == 0
    assert [check["name"] for check in json.loads(result.stdout) if not check["ok"]] == []


def test_a_library_without_an_index_is_exit_code_1(run: Run) -> None:
    result = run("doctor")

    assert result.exit_code == 1
    assert "WRONG" in result.stdout
    assert "florilegium ingest" in result.stdout


def test_a_chat_model_that_is_not_there_is_found(ingested: Run) -> None:
    result = ingested("doctor", "--json", "--set", "chat.name=oracle")

    (wrong,) = [check for check in json.loads(result.stdout) if not check["ok"]]
    assert result.exit_code == 1
    assert wrong["name"] == "chat model"
    assert "oracle" in wrong["message"]


def test_the_engine_that_was_chosen_is_shown_with_what_was_measured(
    ingested: Run, tmp_path: Path
) -> None:
    write_tiny_clip(tmp_path / "tiny")

    result = ingested("doctor", "--json", "--set", f"encoder.name=onnx_clip:{tmp_path / 'tiny'}")

    (found,) = [c for c in json.loads(result.stdout) if c["name"] == "image-text encoder"]
    assert found["ok"]
    assert re.search(r"pictures by (onnxruntime|openvino) \w+.*: \d+ pictures/s", found["message"])
    assert re.search(r"texts by (onnxruntime|openvino) \w+.*: \d+ texts/s", found["message"])


def test_a_good_check_is_marked_so(ingested: Run) -> None:
    result = ingested("doctor")

    assert "WRONG" not in result.stdout
    assert result.stdout.count(" ok ") >= 4
