from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.answers import Citation
from florilegium.cli.ask import print_sources
from florilegium.cli.hits import (
    contribution_table,
    describe_place,
    draw_thumbnails,
    print_evidence,
    print_explanation,
    print_hits,
)
from florilegium.cli.render import print_table
from florilegium.evidence import Evidence
from florilegium.library import Library
from florilegium.retrieve import Explanation, RankingSummary
from florilegium.types import Modality
from tests.unit.cli.conftest import FAKES, Run
from tests.unit.cli.samples import ANSWER, IMAGE_HIT, TEXT_HIT


class Terminal(io.StringIO):
    """What a program sees as a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_text_stands_at_its_characters() -> None:
    assert describe_place(TEXT_HIT) == "characters 0-34"


def test_a_picture_has_its_pixels() -> None:
    assert describe_place(IMAGE_HIT) == "40×30 pixels"


def test_each_list_of_a_hit_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(contribution_table([TEXT_HIT]))

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1", "dahlia.md", "2.25", "paragraphs", "1", "0.500", "+2.00", "1.00"] in lines
    assert ["bm25", "-", "0.000", "+0.50", "0.50"] in lines


def test_no_score_is_less_than_nothing_by_its_sign_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    contribution = replace(TEXT_HIT.contributions[0], score=-0.0001)

    print_table(contribution_table([replace(TEXT_HIT, contributions=(contribution,))]))

    out = capsys.readouterr().out
    assert "0.000" in out
    assert "-0.000" not in out


def test_evidence_is_shown_with_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    print_evidence(0.5, ["the words agree"])

    assert capsys.readouterr().out == "Evidence: 0.50 (0 none, 1 certain)\n  - the words agree\n"


def test_a_list_that_took_no_part_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    ranking = RankingSummary(name="bm25", modality=Modality.TEXT, size=7, left_out="no words")
    evidence = Evidence(confidence=0.0, reasons=())

    print_explanation(Explanation(hits=(), rankings=(ranking,), evidence=evidence))

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["bm25", "text", "7", "0.000", "0.000", "0", "0.00", "no", "words"] in lines


def test_no_hits_are_told_on_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Library.open(folder) as library:
        print_hits(library, [], query="x")

    assert capsys.readouterr() == ("", "nothing found\n")


@pytest.mark.usefixtures("ingested")
def test_thumbnails_are_drawn_of_pictures_only(folder: Path) -> None:
    with Library.open(folder, overrides=FAKES) as library:
        hits = library.search("red", top_k=4)
        drawn = draw_thumbnails(library, hits)

    assert set(drawn) == {hit.item.id for hit in hits if hit.item.modality is Modality.IMAGE}
    assert len(drawn) == 2


def stdout_as_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a terminal with true colour that stands where stdout did."""
    # No fixture: stdout is exchanged between the set-up of a test and the test.
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


@pytest.mark.usefixtures("ingested")
def test_a_picture_that_is_gone_costs_only_its_thumbnail(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = stdout_as_terminal(monkeypatch)
    (folder / "gentian.png").unlink()
    with Library.open(folder, overrides=FAKES) as library:
        print_hits(library, library.search("red", modality="image"), query="red")

    shown = terminal.getvalue()
    assert "▀" in shown
    assert "gentian.png" in shown
    assert shown.count("cannot be read") == 1


@pytest.mark.usefixtures("ingested")
def test_a_cited_picture_that_is_gone_costs_only_its_thumbnail(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = stdout_as_terminal(monkeypatch)
    (folder / "gentian.png").unlink()
    with Library.open(folder, overrides=FAKES) as library:
        hits = library.search("blue", modality="image")
        citations = tuple(Citation(number=at, hit=hit) for at, hit in enumerate(hits, start=1))
        print_sources(library, replace(ANSWER, citations=citations))

    shown = terminal.getvalue()
    assert "gentian.png" in shown
    assert shown.count("cannot be read") == 1
    assert "Confidence 0.88" in shown


@pytest.mark.usefixtures("ingested")
def test_a_terminal_with_true_colour_shows_the_red_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = stdout_as_terminal(monkeypatch)
    with Library.open(folder, overrides=FAKES) as library:
        hits = library.search("red", modality="image")
        print_hits(library, hits, query="red")
        with_thumbnails = terminal.getvalue()
        print_hits(library, hits, query="red", show_thumbnails=False)

    assert "38;2;220;20;20;48;2;220;20;20m▀" in with_thumbnails
    assert "▀" not in terminal.getvalue().removeprefix(with_thumbnails)


@pytest.mark.usefixtures("ingested")
def test_markdown_pictures_are_no_part_of_an_excerpt(
    folder: Path, capsys: pytest.CaptureFixture[str], ingested: Run
) -> None:
    (folder / "poppy.txt").unlink()
    (folder / "note.md").write_text(
        "# Meadow\n\n![words](poppy.png)\n\nA red meadow.", encoding="utf-8"
    )
    ingested("ingest")
    with Library.open(folder, overrides=FAKES) as library:
        print_hits(library, library.search("red meadow", modality="text", top_k=1), query="red")

    out = capsys.readouterr().out
    assert "A red meadow." in out
    assert "![" not in out
