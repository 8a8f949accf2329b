"""A tiny library with fakes behind it, and a way to run commands on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from florilegium.cli.app import app
from florilegium.library import Library

# Files are read in this process: a worker for each test takes a second to start. With workers the
# commands run in tests/e2e.
FAKES = {
    "encoder.name": "fake:32",
    "text_encoder.name": "fake:32",
    "store.name": "memory",
    "ingest.isolate": "false",
}
FAKE_FLAGS = [part for key, value in FAKES.items() for part in ("--set", f"{key}={value}")]

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The settings of whoever runs the tests, and their embedding cache, stay out of it.
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a library that was made, but not ingested: two pictures and two texts."""
    folder = tmp_path / "garden"
    with Library.create(folder, overrides=FAKES):
        pass
    Image.new("RGB", (40, 30), (220, 20, 20)).save(folder / "poppy.png")
    Image.new("RGB", (30, 40), (20, 60, 220)).save(folder / "gentian.png")
    (folder / "poppy.txt").write_text(
        "Poppy\n\nThe red poppy grows in fields. Sow it in autumn.", encoding="utf-8"
    )
    (folder / "gentian.txt").write_text(
        "Gentian\n\nThe blue gentian grows in the mountains. Water it with rain.",
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    """Return what runs a command on the tiny library."""

    def run(command: str, *arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(
            app,
            [*command.split(), "--library", str(folder), *FAKE_FLAGS, *arguments],
            input=stdin,
        )

    return run


@pytest.fixture
def ingested(run: Run) -> Run:
    """Return `run`, after the tiny library was ingested."""
    assert run("ingest").exit_code == 0
    return run


@pytest.fixture
def library(folder: Path, ingested: Run) -> Iterator[Library]:
    """Return the ingested tiny library, with a chat model that answers in any case."""
    del ingested  # it fills the index
    chat = {"chat.name": "fake", "chat.min_confidence": "0"}
    with Library.open(folder, overrides=FAKES | chat) as library:
        yield library
