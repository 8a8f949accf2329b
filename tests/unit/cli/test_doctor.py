from __future__ import annotations

import json

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


def test_a_good_check_is_marked_so(ingested: Run) -> None:
    result = ingested("doctor")

    assert "WRONG" not in result.stdout
    assert result.stdout.count(" ok ") >= 4
