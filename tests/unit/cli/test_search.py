from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


def test_a_text_finds_the_picture_of_its_colour(ingested: Run) -> None:
    hits = json.loads(ingested("search", "red", "--modality", "image", "--json").stdout)

    assert hits[0]["path"] == "poppy.png"
    assert (hits[0]["width"], hits[0]["height"]) == (40, 30)


def test_a_picture_finds_the_text_of_its_colour(ingested: Run, folder: Path) -> None:
    picture = str(folder / "gentian.png")

    hits = json.loads(ingested("search", "--image", picture, "--modality", "text", "--json").stdout)

    assert hits[0]["path"] == "gentian.txt"


def test_top_k_limits_the_hits(ingested: Run) -> None:
    assert len(json.loads(ingested("search", "red", "--top-k", "1", "--json").stdout)) == 1


def test_the_table_shows_kind_path_and_excerpt(ingested: Run) -> None:
    result = ingested("search", "blue gentian mountains", "--modality", "text")

    assert result.exit_code == 0
    assert "gentian.txt" in result.stdout
    assert "grows in the mountains" in result.stdout


def test_the_table_has_no_control_characters_on_a_pipe(ingested: Run) -> None:
    assert "\x1b" not in ingested("search", "red", "--thumbnails").stdout


def test_explain_shows_lists_and_evidence(ingested: Run) -> None:
    out = ingested("search", "red", "--explain").stdout

    assert "What each list gave" in out
    assert "Lists of this query" in out
    assert "Evidence: " in out


def test_explain_as_json_has_the_contributions(ingested: Run) -> None:
    data = json.loads(ingested("search", "red", "--explain", "--json").stdout)

    assert set(data) == {
        "hits", "rankings", "evidence", "candidates", "admitted", "learnt", "seconds"
    }  # fmt: skip
    assert set(data["seconds"]) >= {"vectors", "calibration", "fusion", "evidence"}
    assert data["hits"][0]["contributions"]


@pytest.mark.parametrize("arguments", [(), ("red", "--top-k", "0")])
def test_a_query_that_means_nothing_is_exit_code_2(
    ingested: Run, arguments: tuple[str, ...]
) -> None:
    result = ingested("search", *arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")


def test_a_query_picture_that_is_not_there_is_exit_code_2(ingested: Run) -> None:
    result = ingested("search", "--image", "nowhere.png", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"]["code"] == "query_invalid"
    assert "nowhere.png" in result.stderr


def test_searching_before_ingest_says_what_to_run(run: Run) -> None:
    result = run("search", "red")

    assert result.exit_code == 2
    assert "hint: Run `florilegium ingest`." in result.stderr


def test_an_unknown_modality_is_a_usage_error(ingested: Run) -> None:
    result = ingested("search", "red", "--modality", "sound")

    assert result.exit_code == 2
    assert "sound" in result.stderr


def test_an_unknown_setting_is_refused_by_name(ingested: Run) -> None:
    result = ingested("search", "red", "--set", "retrieval.topk=3")

    assert result.exit_code == 2
    assert "retrieval.topk" in result.stderr


def test_filters_hold(ingested: Run) -> None:
    hits = json.loads(ingested("search", "red", "--type", "txt", "--json").stdout)

    assert hits
    assert {Path(hit["path"]).suffix for hit in hits} == {".txt"}
