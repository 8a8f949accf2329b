"""`florilegium eval make`: choices become lines, at once, and none is asked twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from florilegium.cli import eval_make
from florilegium.cli.eval_make import Choice, parse_choice
from florilegium.errors import InvalidQueryError
from florilegium.labelled import read_jsonl
from tests.unit.cli.conftest import Run


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return the file that is written, which is not there yet."""
    return tmp_path / "labels" / "queries.jsonl"


@pytest.fixture(autouse=True)
def _labels_folder(target: Path) -> None:
    target.parent.mkdir()


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_typed_queries_are_labelled(ingested: Run, target: Path) -> None:
    answers = "red\n1\nviolin\nn\nblue\ns\nq\n"

    result = ingested(f"eval make {target}", "--modality", "image", stdin=answers)

    assert result.exit_code == 0, result.output
    assert "poppy.png" in result.stdout
    assert _lines(target) == [
        {"text": "red", "modality": "image", "relevant": ["poppy.png"]},
        {"text": "violin", "modality": "image", "answerable": False},
    ]
    assert "2 new queries" in result.stderr


def test_what_was_labelled_is_not_asked_again(ingested: Run, target: Path) -> None:
    queries = target.with_name("queries.txt")
    queries.write_text("red poppy\n\nblue gentian\nviolin\n", encoding="utf-8")

    first = ingested(f"eval make {target}", "--queries", str(queries), stdin="1\nq\n")
    second = ingested(f"eval make {target}", "--queries", str(queries), stdin="1 2\nn\n")

    assert "1 new queries" in first.stderr
    assert "labelled already: red poppy" in second.stderr
    assert [line["text"] for line in _lines(target)] == ["red poppy", "blue gentian", "violin"]
    assert len(_lines(target)[1]["relevant"]) == 2


def test_a_choice_is_written_before_the_next_question(
    ingested: Run, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["red", "1"])

    def read(prompt: str) -> str:
        for answer in answers:
            return answer
        raise KeyboardInterrupt

    monkeypatch.setattr(eval_make, "_read", read)

    result = ingested(f"eval make {target}")

    assert result.exit_code == 130
    assert [line["text"] for line in _lines(target)] == ["red"]


def test_a_wrong_answer_is_asked_for_again(ingested: Run, target: Path) -> None:
    answers = "red\n99\nwhat\n+ gone.txt\n\n1 + gentian.txt\n"

    result = ingested(f"eval make {target}", "--modality", "image", stdin=answers)

    assert "'99' is not a number of the list" in result.stderr
    assert "There is no file 'gone.txt' in the library." in result.stderr
    assert "Nothing was chosen." in result.stderr
    assert _lines(target)[0]["relevant"] == ["poppy.png", "gentian.txt"]


def test_a_picture_can_be_the_query(ingested: Run, target: Path, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    Image.new("RGB", (20, 20), (220, 30, 30)).save(picture)

    result = ingested(
        f"eval make {target}", "--modality", "text", stdin=f"@{picture}\n1\n@gone.png\nq\n"
    )

    (query,) = read_jsonl(target)
    assert query.image == "../mine.png"
    assert query.direction == "image->text"
    assert "There is no file 'gone.png'" in result.stderr
    assert ingested(f"eval {target}").exit_code == 0


def test_the_library_asks_for_itself(ingested: Run, target: Path) -> None:
    first = ingested(f"eval make {target}", "--from-captions")
    second = ingested(f"eval make {target}", "--from-captions")

    assert "4 new queries" in first.stderr
    assert "0 new queries" in second.stderr
    assert {(line["text"], line["modality"]) for line in _lines(target)} >= {
        ("poppy", "image"), ("gentian", "image"),
    }  # fmt: skip
    assert ingested(f"eval {target}").exit_code == 0


def test_only_captions_of_one_modality_on_request(ingested: Run, target: Path) -> None:
    ingested(f"eval make {target}", "--from-captions", "--modality", "image")

    assert {line["modality"] for line in _lines(target)} == {"image"}


def test_a_file_without_its_last_line_end_is_gone_on_with(ingested: Run, target: Path) -> None:
    target.write_text('{"text": "mine", "answerable": false}', encoding="utf-8")

    ingested(f"eval make {target}", stdin="red\nn\n")

    assert [line["text"] for line in _lines(target)] == ["mine", "red"]


def test_a_file_that_cannot_be_written_is_an_error(ingested: Run, target: Path) -> None:
    result = ingested(f"eval make {target.parent / 'gone' / 'x.jsonl'}", stdin="red\n1\n")

    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_file_that_is_wrong_is_not_added_to(ingested: Run, target: Path) -> None:
    target.write_text("nonsense\n", encoding="utf-8")

    result = ingested(f"eval make {target}", stdin="red\n1\n")

    assert result.exit_code == 2
    assert target.read_text(encoding="utf-8") == "nonsense\n"


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("n", Choice()),
        (" s ", Choice(skipped=True)),
        ("q\n", Choice(stopped=True)),
        ("2", Choice(relevant=("b",))),
        ("2, 1", Choice(relevant=("b", "a"))),
        ("1 1 + a", Choice(relevant=("a",))),
        ("+ notes/c d.md", Choice(relevant=("notes/c d.md",))),
    ],
)
def test_an_answer_is_understood(answer: str, choice: Choice) -> None:
    assert parse_choice(answer, ["a", "b"], {"a", "b", "notes/c d.md"}) == choice


@pytest.mark.parametrize("answer", ["", "0", "3", "-1", "x", "1 x", "+", "+ c", "²"])
def test_an_answer_that_means_nothing_is_refused(answer: str) -> None:
    with pytest.raises(InvalidQueryError):
        parse_choice(answer, ["a", "b"], {"a", "b"})
