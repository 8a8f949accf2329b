from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from florilegium.cli.app import app
from florilegium.cli.demo import QUESTIONS
from florilegium.demo import pictures
from tests.unit.cli.conftest import FAKE_FLAGS


def _demo(folder: Path) -> Result:
    return CliRunner().invoke(app, ["demo", "--folder", str(folder), *FAKE_FLAGS])


def test_the_demo_shows_four_directions_and_five_questions(tmp_path: Path) -> None:
    folder = tmp_path / "my demo"

    result = _demo(folder)

    assert result.exit_code == 0, result.stderr
    assert f"cd '{folder}'\n" in result.stdout
    for direction in ("text → image", "image → image", "text → text", "image → text"):
        assert direction in result.stdout
    for question, _ in QUESTIONS:
        assert question in result.stdout
    told = result.stdout.count("Confidence") + result.stdout.count("置信度")
    assert told == len(QUESTIONS)
    assert "florilegium chat" in result.stdout


def test_the_demo_can_run_twice_and_keeps_what_was_changed(tmp_path: Path) -> None:
    _demo(tmp_path / "demo")
    (tmp_path / "demo" / "cat.md").write_text("A cat of mine.", encoding="utf-8")

    result = _demo(tmp_path / "demo")

    assert result.exit_code == 0, result.stderr
    assert "0 files copied" in result.stderr
    assert (tmp_path / "demo" / "cat.md").read_text(encoding="utf-8") == "A cat of mine."


def test_a_folder_of_somebody_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("Mine.", encoding="utf-8")

    result = _demo(tmp_path)

    assert result.exit_code == 2
    assert "is not a demo library" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_its_pictures_the_demo_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "find_spec", lambda _: None)

    result = _demo(tmp_path / "demo")

    assert result.exit_code == 2
    assert "pip install 'florilegium[demo]'" in result.stderr
    assert not (tmp_path / "demo").exists()
