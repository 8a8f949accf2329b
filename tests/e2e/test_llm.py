"""The command line `llm` asks a library as its file of settings in the how-to says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from tests.conftest import draw
from tests.e2e.openai_samples import ANSWER, QUESTION, SOURCES
from tests.e2e.serving import serving


@pytest.fixture
def address(tiny_library: Library) -> Iterator[str]:
    with serving(create_app(tiny_library, config=ServerConfig(page=False))) as address:
        yield address


@pytest.fixture
def llm_folder(address: str, tmp_path: Path) -> Path:
    """Return a folder of settings for `llm`, as the how-to has it."""
    folder = tmp_path / "llm"
    folder.mkdir()
    (folder / "extra-openai-models.yaml").write_text(
        f'- model_id: flowers\n  model_name: tiny\n  api_base: "{address}/v1"\n  vision: true\n',
        encoding="utf-8",
    )
    return folder


def llm(folder: Path, *arguments: str) -> str:
    """Run `llm`, and return what it writes."""
    # Without plugins: one that is installed here need not work.
    environment = {**os.environ, "LLM_USER_PATH": str(folder), "LLM_LOAD_PLUGINS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "llm", *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_llm_streams_an_answer(llm_folder: Path) -> None:
    assert llm(llm_folder, "-m", "flowers", "--key", "x", QUESTION) == ANSWER + SOURCES + "\n"


def test_llm_asks_about_a_picture_and_goes_on(llm_folder: Path, tmp_path: Path) -> None:
    draw("green", "circle", size=48).save(tmp_path / "circle.png")

    first = llm(
        llm_folder, "-m", "flowers", "--key", "x", "-a", str(tmp_path / "circle.png"),
        "What is this?",
    )  # fmt: skip
    second = llm(llm_folder, "--continue", "--key", "x", "How many corners has it?")

    assert "`circle.md`" in first
    assert "no corners" in second


def test_llm_does_without_a_stream_and_with_a_system_prompt(llm_folder: Path) -> None:
    said = llm(
        llm_folder, "-m", "flowers", "--key", "x", "--no-stream", "-s", "Cite nothing.",
        "-o", "temperature", "0.5", QUESTION,
    )  # fmt: skip

    assert said == ANSWER + SOURCES + "\n"


def test_llm_cuts_an_answer_short(llm_folder: Path) -> None:
    said = llm(llm_folder, "-m", "flowers", "--key", "x", "-o", "max_tokens", "6", QUESTION)

    assert said == "A red square … [1]" + SOURCES + "\n"
