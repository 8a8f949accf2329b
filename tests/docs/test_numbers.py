"""The numbers in the documents are those of the result files, and the demo is told once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.make_numbers import BLOCK, PAGES, TABLES, fill
from tests.conftest import ROOT

DEMO = ("<!-- the demo", "<!-- end of the demo -->")


@pytest.mark.parametrize("page", PAGES)
def test_the_numbers_of_a_page_are_those_of_the_results(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    assert BLOCK.search(text), "the page quotes no numbers: take it off the list"
    assert fill(text, page) == text, "run `make docs`"


def test_every_table_is_on_the_page_of_the_benchmarks() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")

    assert {match[2] for match in BLOCK.finditer(text)} == set(TABLES)


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=str)
def test_a_result_says_how_it_was_made(file: Path) -> None:
    result = json.loads(file.read_text(encoding="utf-8"))
    parts = [result] if "command" in result else list(result.values())

    for part in parts:
        assert {"command", "date", "machine", "versions"} <= set(part)


def test_fused_is_not_worse_than_its_parts() -> None:
    results = json.loads(
        (ROOT / "benchmarks" / "results" / "text_retrieval.json").read_text(encoding="utf-8")
    )["results"]

    for found in results.values():
        for name in ("words", "chunks", "sentences"):
            assert found["fused"]["MRR"] >= found.get(name, {"MRR": 0.0})["MRR"]


def test_readme_and_tutorial_tell_the_same_demo() -> None:
    told = [
        (ROOT / page).read_text(encoding="utf-8").partition(DEMO[0])[2].partition(DEMO[1])[0]
        for page in ("README.md", "docs/tutorial.md")
    ]

    assert told[0] == told[1] != ""
