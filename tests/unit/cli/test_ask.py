from __future__ import annotations

import json
from pathlib import Path

import pytest

from florilegium.cli.ask import print_sources, write_events
from florilegium.library import Library
from florilegium.types import Event, Finished, Retrieved, Token
from tests.unit.cli.conftest import Run
from tests.unit.cli.samples import ANSWER, REFUSAL

ALWAYS = ("--set", "chat.min_confidence=0")
NEVER = ("--set", "chat.min_confidence=1")
FAKE_CHAT = ("--set", "chat.name=fake")


def _events() -> list[Event]:
    found = Retrieved(hits=ANSWER.hits, searched="x", with_image=False)
    return [found, Token(text="Twice "), Token(text="a week."), Finished(answer=ANSWER)]


def test_tokens_are_written_and_the_answer_is_returned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = write_events(_events())

    assert answer is ANSWER
    assert capsys.readouterr() == ("Twice a week.\n", "")


def test_a_stream_that_breaks_off_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="without Finished"):
        write_events(_events()[:-1])


def test_sources_are_numbered_with_place_and_quote(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Library.open(folder) as library:
        print_sources(library, ANSWER)

    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "",
        "Sources",
        " [1] dahlia.md  The dahlia  characters 12-29",
        "     “Water it [daily].”",
        " [2] a/b.png  b  40×30 pixels",
        "",
        "Confidence 0.88",
    ]


def test_a_refusal_says_what_came_closest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Library.open(folder) as library:
        print_sources(library, REFUSAL)

    assert capsys.readouterr().out.splitlines() == [
        "  - no word of it is in the library",
        "",
        "What came closest",
        "  dahlia.md  The dahlia (text, 0.500)",
        "  a/b.png  b (image, 0.250)",
        "",
        "Confidence 0.12",
    ]


def test_a_question_is_answered_with_sources(ingested: Run) -> None:
    result = ingested("ask", "Where does the blue gentian grow?", *FAKE_CHAT, *ALWAYS)

    assert result.exit_code == 0
    assert "Sources\n [1] " in result.stdout


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_the_answer_is_the_same_however_it_comes(ingested: Run, flag: str) -> None:
    question = "Where does the blue gentian grow?"
    data = json.loads(ingested("ask", question, "--json", *FAKE_CHAT, *ALWAYS).stdout)

    out = ingested("ask", question, flag, *FAKE_CHAT, *ALWAYS).stdout

    assert out.startswith(data["answer"] + "\n")


def test_an_answer_as_json_has_citations_and_hits(ingested: Run) -> None:
    result = ingested("ask", "Where does the gentian grow?", "--json", *FAKE_CHAT, *ALWAYS)

    data = json.loads(result.stdout)
    assert data["refused"] is False
    assert data["citations"][0]["number"] == 1
    assert data["hits"][0]["rank"] == 1


def test_a_refusal_is_exit_code_0(ingested: Run) -> None:
    result = ingested("ask", "How is a violin tuned?", *NEVER)

    assert result.exit_code == 0
    assert "Sources" not in result.stdout
    assert "What came closest" in result.stdout


def test_a_picture_alone_is_a_question(ingested: Run, folder: Path) -> None:
    picture = str(folder / "poppy.png")

    result = ingested("ask", "--image", picture, "--json", *FAKE_CHAT, *ALWAYS)

    assert result.exit_code == 0
    assert "poppy.txt" in [hit["path"] for hit in json.loads(result.stdout)["hits"]]


def test_neither_question_nor_picture_is_exit_code_2(ingested: Run) -> None:
    result = ingested("ask")

    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_an_unknown_chat_model_is_exit_code_2(ingested: Run) -> None:
    result = ingested("ask", "Where?", "--json", "--set", "chat.name=oracle")

    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"]["code"] == "backend_unknown"
