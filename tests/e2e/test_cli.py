"""The command line as its users have it: real processes, pipes, a terminal, signals."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from florilegium.courtesy import going_first

COMMAND = [sys.executable, "-c", "from florilegium.cli.app import main; main()"]
FAKES = "--set encoder.name=fake:32 --set text_encoder.name=fake:32 --set store.name=memory"
HEAVY = ("torch", "chromadb", "onnxruntime", "gradio", "fastapi", "skimage", "sklearn", "scipy")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = {name: str(tmp_path / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    return {**os.environ, **home, "TERM": "xterm-256color", "NO_COLOR": ""}


@pytest.fixture
def folder(tmp_path: Path, environment: dict[str, str]) -> Path:
    """Return a library with a red picture and two texts, not ingested yet."""
    folder = tmp_path / "garden"
    subprocess.run(
        [*COMMAND, "init", str(folder), *FAKES.split()],
        env=environment,
        check=True,
        capture_output=True,
    )
    image = Image.new("RGB", (60, 40), "white")
    ImageDraw.Draw(image).ellipse((10, 5, 50, 35), fill=(220, 20, 20))
    image.save(folder / "poppy.png")
    (folder / "poppy.txt").write_text("Poppy\n\nA red poppy. Sow it in autumn.", encoding="utf-8")
    (folder / "茶.txt").write_text("茶\n\n绿茶用八十度的水冲泡。", encoding="utf-8")
    return folder


def _run(
    folder: Path, environment: dict[str, str], *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def _read_terminal(leader: int, *, until: bytes, seconds: float = 60) -> bytes:
    seen = b""
    end = time.monotonic() + seconds
    while until not in seen and time.monotonic() < end:
        if select.select([leader], [], [], 0.5)[0]:
            try:
                seen += os.read(leader, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
    return seen


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    leader, follower = pty.openpty()
    yield leader, follower
    os.close(leader)


def test_ingest_search_and_ask_work_from_within_the_folder(
    folder: Path, environment: dict[str, str]
) -> None:
    ingest = _run(folder, environment, "ingest", "--json")
    search = _run(folder, environment, "search", "red", "--modality", "image", "--json")
    ask = _run(folder, environment, "ask", "When do I sow a red poppy?", "--json")

    assert [run.returncode for run in (ingest, search, ask)] == [0, 0, 0]
    assert [run.stderr for run in (ingest, search, ask)] == ["", "", ""]
    assert json.loads(ingest.stdout)["added"] == 3
    assert json.loads(search.stdout)[0]["path"] == "poppy.png"
    assert json.loads(ask.stdout)["hits"][0]["path"] == "poppy.txt"


def test_a_bad_file_is_exit_code_3_and_the_others_are_found(
    folder: Path, environment: dict[str, str]
) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")

    ingest = _run(folder, environment, "ingest")
    search = _run(folder, environment, "search", "red", "--json")

    assert ingest.returncode == 3
    assert "broken.jpg" in ingest.stdout
    assert len(json.loads(search.stdout)) == 3


def test_an_error_has_no_traceback_and_no_stdout(folder: Path, environment: dict[str, str]) -> None:
    result = _run(folder, environment, "search", "red")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: Nothing was ingested")
    assert "Traceback" not in result.stderr


def test_chinese_goes_in_and_out(folder: Path, environment: dict[str, str]) -> None:
    _run(folder, environment, "ingest")

    result = _run(folder, environment, "search", "绿茶", "--modality", "text", "--top-k", "1")

    assert "茶.txt" in result.stdout
    assert "绿茶用八十度的水冲泡" in result.stdout


def test_a_closed_pipe_is_no_error(folder: Path, environment: dict[str, str]) -> None:
    _run(folder, environment, "ingest")
    reader, writer = os.pipe()
    os.close(reader)

    result = subprocess.run(
        [*COMMAND, "search", "red"],
        cwd=folder,
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writer)

    assert result.stderr == ""


def test_ctrl_c_is_exit_code_130(
    folder: Path, environment: dict[str, str], terminal: tuple[int, int]
) -> None:
    for number in range(200):
        Image.new("RGB", (600, 600), (number % 256, 0, 0)).save(folder / f"{number}.png")
    leader, follower = terminal
    (folder / ".florilegium").mkdir(exist_ok=True)
    with going_first(folder / ".florilegium"):  # so that it has not ended before it is told to
        process = subprocess.Popen(
            [*COMMAND, "ingest"],
            cwd=folder,
            env=environment,
            stderr=follower,
            stdout=subprocess.PIPE,
            # Tests in the background ignore Ctrl-C, and what they start would, too.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        os.close(follower)
        shown = _read_terminal(leader, until=b"/203")

        process.send_signal(signal.SIGINT)
    shown += _read_terminal(leader, until=b"run again to go on")
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert b"run again to go on" in shown
    assert b"Traceback" not in shown
    assert json.loads(_run(folder, environment, "ingest", "--json").stdout)["seen"] == 203


def test_a_chat_in_a_terminal_prompts_answers_and_leaves_at_ctrl_d(
    folder: Path, environment: dict[str, str], terminal: tuple[int, int]
) -> None:
    _run(folder, environment, "ingest")
    leader, follower = terminal
    process = subprocess.Popen(
        [*COMMAND, "chat", "--set", "chat.name=fake", "--set", "chat.min_confidence=0"],
        cwd=folder,
        env=environment | {"COLORTERM": "truecolor"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)

    assert b"> " in _read_terminal(leader, until=b"> ")
    os.write(leader, b"@poppy.png when do I sow it?\n")
    answer = _read_terminal(leader, until=b"Confidence")
    # Before the next prompt the terminal is not the line editor's, and Ctrl-D would be lost.
    if b"> " not in answer.partition(b"Confidence")[2]:
        assert b"> " in _read_terminal(leader, until=b"> ")
    os.write(leader, b"\x04")
    process.wait(timeout=60)

    assert b"Sources" in answer
    assert process.returncode == 0


def test_help_loads_no_heavy_package(environment: dict[str, str]) -> None:
    code = (
        "import sys; sys.argv = ['florilegium', '--help']\n"
        "from florilegium.cli.app import main\n"
        "try: main()\n"
        f"finally: sys.stderr.write(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert result.returncode == 0
    assert result.stderr == ""


@pytest.mark.slow
def test_the_offline_profile_answers_from_a_tiny_library(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "real"
    _run(tmp_path, environment, "init", str(folder))
    image = Image.new("RGB", (224, 224), "white")
    ImageDraw.Draw(image).ellipse((40, 40, 180, 180), fill=(230, 120, 20))
    image.save(folder / "orange.png")
    (folder / "orange.md").write_text(
        "# The orange\n\n![A ripe orange](orange.png)\n\nAn orange tree needs a frost-free winter. "
        "Water an orange tree once a week in summer.",
        encoding="utf-8",
    )
    (folder / "violin.md").write_text(
        "# The violin\n\nThe strings of a violin are tuned in fifths: G, D, A and E.",
        encoding="utf-8",
    )

    ingest = _run(folder, environment, "ingest")
    search = _run(folder, environment, "search", "violin strings", "--json")
    ask = _run(folder, environment, "ask", "How often do I water an orange tree?", "--json")
    refusal = _run(folder, environment, "ask", "Who won the football cup in 1954?", "--json")
    doctor = _run(folder, environment, "doctor")

    assert ingest.returncode == 0, ingest.stderr
    assert json.loads(search.stdout)[0]["path"] == "violin.md"
    assert "once a week" in json.loads(ask.stdout)["answer"]
    assert json.loads(ask.stdout)["citations"][0]["path"] == "orange.md"
    assert json.loads(refusal.stdout)["refused"] is True
    assert refusal.returncode == 0
    assert doctor.returncode == 0, doctor.stdout
