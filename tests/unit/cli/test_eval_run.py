"""`florilegium eval FILE` on the tiny library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from florilegium.gate_file import read_gate
from tests.unit.cli.conftest import Run

LINES = [
    {"text": "red", "modality": "image", "relevant": ["poppy.png"]},
    {"text": "When do I sow the poppy?", "modality": "text", "relevant": ["poppy.txt"]},
    {"text": "Where does the gentian grow?", "modality": "text", "relevant": ["gentian.txt"]},
    {"text": "Who wrote the first symphony?", "answerable": False},
]


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Return a file of labelled queries, one of which nothing answers."""
    file = tmp_path / "queries.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in LINES), encoding="utf-8")
    return file


def _stored(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / ".florilegium" / "evaluations").iterdir())


def test_a_file_of_queries_is_measured_and_stored(
    ingested: Run, queries: Path, folder: Path
) -> None:
    result = ingested(f"eval {queries}")

    assert result.exit_code == 0, result.output
    assert "text->image         1   1.000" in result.stdout
    assert "text->text          2   1.000" in result.stdout
    assert "3 answerable and 1 unanswerable queries" in result.stdout
    (stored,) = _stored(folder)
    assert stored.endswith("-queries.json")
    assert f"stored as {stored}" in result.stderr


def test_eval_file_is_eval_run_file(ingested: Run, queries: Path) -> None:
    assert ingested(f"eval run {queries}").exit_code == 0
    assert ingested("eval --json", str(queries)).exit_code == 0


def test_the_json_has_the_report_with_every_query(ingested: Run, queries: Path) -> None:
    data = json.loads(ingested(f"eval {queries}", "--json").stdout)

    assert data["report"]["total"]["metrics"]["MRR"] == 1
    assert len(data["report"]["results"]) == 4
    assert data["comparisons"] == []
    assert Path(data["stored"]).is_file()


def test_a_run_is_compared_with_the_last_one(ingested: Run, queries: Path) -> None:
    ingested(f"eval {queries}")

    data = json.loads(ingested(f"eval {queries}", "--against", "last", "--json").stdout)

    (comparison,) = data["comparisons"]
    assert comparison["a"].endswith("-queries.json")
    assert comparison["b"] == "this run"
    assert comparison["queries"] == 4
    assert all(row["difference"] == 0 for row in comparison["rows"])


def test_there_must_be_a_last_run(ingested: Run, queries: Path, folder: Path) -> None:
    result = ingested(f"eval {queries}", "--against", "last")

    assert result.exit_code == 2
    assert "no stored evaluation" in result.stderr
    assert not (folder / ".florilegium" / "evaluations").exists()


def test_other_settings_are_compared_in_one_run(ingested: Run, queries: Path, folder: Path) -> None:
    flags = ["--compare", "chat.min_confidence=1.0", "--compare", "retrieval.candidates=20"]

    data = json.loads(ingested(f"eval {queries}", *flags, "--json").stdout)

    first, second = data["comparisons"]
    assert (first["a"], first["b"]) == ("as configured", "chat.min_confidence=1.0")
    gate = next(row for row in first["rows"] if row["metric"] == "gate accuracy")
    assert gate["b"] < gate["a"]
    assert second["b"] == "retrieval.candidates=20"
    assert [name.endswith(".compared.json") for name in _stored(folder)].count(True) == 2


def test_a_setting_that_needs_another_index_is_refused_before_anything_runs(
    ingested: Run, queries: Path, folder: Path
) -> None:
    result = ingested(f"eval {queries}", "--compare", "encoder.name=fake:64")

    assert result.exit_code == 2
    assert "fake:64" in result.stderr
    assert not (folder / ".florilegium" / "evaluations").exists()


def test_the_best_threshold_is_stored_on_request(
    ingested: Run, queries: Path, folder: Path
) -> None:
    result = ingested(f"eval {queries}", "--store-threshold")

    gate = read_gate(folder / ".florilegium")
    assert gate is not None
    assert (gate.precision, gate.recall, gate.f1, gate.questions) == (1, 1, 1, 4)
    assert gate.encoders == {"fake:32": "fake-32-1"}
    assert f"threshold {gate.threshold:.3f}" in result.stderr


def test_a_threshold_needs_unanswerable_queries(ingested: Run, queries: Path, folder: Path) -> None:
    queries.write_text(json.dumps(LINES[0]), encoding="utf-8")

    result = ingested(f"eval {queries}", "--store-threshold")

    assert result.exit_code == 2
    assert '"answerable": false' in result.stderr
    assert read_gate(folder / ".florilegium") is None


def test_missing_paths_are_an_error_unless_they_are_allowed(ingested: Run, queries: Path) -> None:
    more = json.dumps({"text": "rose", "relevant": ["rose.txt"]})
    queries.write_text(f"{json.dumps(LINES[0])}\n{more}\n", encoding="utf-8")

    refused, allowed = ingested(f"eval {queries}"), ingested(f"eval {queries}", "--allow-missing")

    assert refused.exit_code == 2
    assert "1 relevant paths are not in the library: 'rose.txt'" in refused.stderr
    assert allowed.exit_code == 0
    assert "1 queries that have no other were left out" in allowed.stdout


def test_a_wrong_line_is_exit_code_2(ingested: Run, queries: Path) -> None:
    queries.write_text("nonsense\n", encoding="utf-8")

    result = ingested(f"eval {queries}", "--json")

    assert result.exit_code == 2
    assert "line 1: this is no JSON" in json.loads(result.stderr)["error"]["message"]


def test_a_file_that_is_not_there_is_exit_code_2(ingested: Run) -> None:
    assert ingested("eval gone.jsonl").exit_code == 2


def test_evaluating_before_ingest_says_what_to_run(run: Run, queries: Path) -> None:
    result = run(f"eval {queries}")

    assert result.exit_code == 2
    assert "hint: Run `florilegium ingest`." in result.stderr
