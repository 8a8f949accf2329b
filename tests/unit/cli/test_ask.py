from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.answers import (
    Candidate,
    Event,
    Failed,
    Failure,
    Finished,
    Identification,
    Retrieved,
    Token,
    Turn,
)
from florilegium.cli.ask import (
    breaks_off,
    print_explanation,
    print_sources,
    write_events,
)
from florilegium.library import Library
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
    answer = write_events(_events(), question="x")

    assert answer is ANSWER
    assert capsys.readouterr() == ("Twice a week.\n", "")


def test_a_stream_that_breaks_off_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="without Finished"):
        write_events(_events()[:-1])


ROSE = Candidate(name="rose", share=0.7, path="rose.txt")
TULIP = Candidate(name="tulip", share=0.3)
BY_VOTE = Identification(candidates=(ROSE, TULIP), chosen=ROSE, by="vote", note="fake is blind.")


def test_what_was_searched_and_what_the_picture_shows_is_talk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Retrieved(hits=(), searched="rose in winter", with_image=True, identification=BY_VOTE)

    write_events([found, Finished(answer=ANSWER)], question="in winter?")

    assert capsys.readouterr() == (
        "",
        (
            "(searched for: rose in winter)\n"
            "(the picture: the nearest pictures say rose, with 70% of the votes (fake is blind.))\n"
        ),
    )


FAILURE = Failure(model="openai:x", code="chat_timeout", message="Nothing came.", hint="Wait.")


def test_a_model_that_fails_in_the_middle_keeps_its_words_and_quoting_is_offered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = replace(ANSWER, failure=FAILURE)

    answer = write_events([Token(text="Twice "), Failed(failure=FAILURE), Finished(answer=cut)])

    assert breaks_off(answer)
    out, err = capsys.readouterr()
    assert out == "Twice \n"
    assert err.splitlines() == [
        "error: Nothing came.",
        "hint: Wait.",
        "(what it had said is kept; --quote, or /quote in a chat, answers by quoting)",
    ]


def test_an_answer_that_stands_in_says_so_and_does_not_break_off(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failure = replace(FAILURE, stands_in=True, hint=None)
    whole = replace(ANSWER, failure=failure)

    answer = write_events([Failed(failure=failure), Token(text="Yes."), Finished(answer=whole)])

    assert not breaks_off(answer)
    out, err = capsys.readouterr()
    assert out == "Yes.\n"
    assert "openai:x is out of reach, so the answer below is quoted from the library" in err


def test_an_explanation_tells_search_picture_model_notes_and_evidence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_explanation(
        replace(
            ANSWER,
            searched="rose in winter",
            model="fake",
            identification=BY_VOTE,
            notes=("2 of 4 sources did not fit.",),
        )
    )

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:7] == [
        "Searched for: rose in winter",
        "The picture: the nearest pictures say rose, with 70% of the votes (fake is blind.)",
        "  - rose: 70% of the votes, told of in rose.txt",
        "  - tulip: 30% of the votes",
        "Answered by: fake",
        "  - 2 of 4 sources did not fit.",
        "What each list gave",
    ]
    assert lines[-1] == "  - the words agree"


def test_an_explanation_is_shown_when_asked_for(ingested: Run) -> None:
    plain = ingested("ask", "Where does the blue gentian grow?", *FAKE_CHAT, *ALWAYS)
    explained = ingested(
        "ask", "Where does the blue gentian grow?", "--explain", *FAKE_CHAT, *ALWAYS
    )

    assert explained.stdout.startswith(plain.stdout)
    assert "Answered by: fake" in explained.stdout


def test_quoting_is_answered_by_sentences_of_the_library(ingested: Run) -> None:
    result = ingested("ask", "Where does the gentian grow?", "--quote", "--json", *FAKE_CHAT)

    assert json.loads(result.stdout)["model"] == "extractive"


DOWN = ("--set", "chat.name=openai:x", "--set", "chat.base_url=http://127.0.0.1:9/v1",
        "--set", "chat.retries=0")  # fmt: skip


def test_a_server_that_is_down_is_told_and_the_answer_is_quoted(ingested: Run) -> None:
    result = ingested("ask", "Where does the blue gentian grow?", *DOWN, *ALWAYS)

    assert result.exit_code == 0
    assert "Sources" in result.stdout
    assert "error: " in result.stderr
    assert "openai:x is out of reach" in result.stderr


def test_a_server_that_is_down_is_in_the_json(ingested: Run) -> None:
    result = ingested("ask", "Where does the blue gentian grow?", "--json", *DOWN, *ALWAYS)

    data = json.loads(result.stdout)
    assert data["model"] == "extractive"
    assert data["failure"]["code"] == "chat_unavailable"
    assert data["failure"]["stands_in"] is True


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


def test_a_chinese_question_gets_chinese_words_round_its_answer(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (Turn(question="怎么给大丽花浇水？", answer="每天。"),)
    with Library.open(folder) as library:
        print_sources(library, replace(ANSWER, history=asked))
        print_sources(library, replace(REFUSAL, history=asked))

    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "",
        "来源",
        " [1] dahlia.md  The dahlia  字符 12-29",
        "     “Water it [daily].”",
        " [2] a/b.png  b  40×30 像素",
        "",
        "置信度 0.88",
        "  - no word of it is in the library",
        "",
        "最接近的内容",
        "  dahlia.md  The dahlia（文本，0.500）",
        "  a/b.png  b（图片，0.250）",
        "",
        "置信度 0.12",
    ]


def test_what_a_chinese_follow_up_searched_for_is_said_in_chinese(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Retrieved(
        hits=(), searched="玫瑰 冬天呢", with_image=True, identification=replace(BY_VOTE, note=None)
    )

    write_events([found, Finished(answer=ANSWER)], question="冬天呢？")

    assert capsys.readouterr().err.splitlines() == [
        "（检索词：玫瑰 冬天呢）",
        "（图片：最相近的图片认为是“rose”，得票 70%）",
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


def test_an_answer_is_written_from_what_a_filter_admits(ingested: Run) -> None:
    result = ingested("ask", "red", "--type", "png", "--json", *ALWAYS)

    hits = json.loads(result.stdout)["hits"]
    assert hits
    assert all(hit["path"].endswith(".png") for hit in hits)
