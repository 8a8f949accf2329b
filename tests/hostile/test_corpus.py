"""All kinds of hostile files at once, as a user would meet them: by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from florilegium import IngestReport, Library
from florilegium.cli.ingest import print_report
from florilegium.report import FailedFile
from tests.conftest import FAKES
from tests.hostile import all_kinds
from tests.hostile.accounts import QUESTION, count, is_printable, paths, write_healthy
from tests.hostile.conftest import made_place

MOST_SECONDS: Final = 300  # on a busy machine
MOST_MEGABYTES: Final = 1_200
_PARTIAL: Final = 3
_ABSENT_STORE: Final = {name: value for name, value in FAKES.items() if name != "store.name"}


@pytest.fixture(scope="module")
def corpus() -> Iterator[Path]:
    """Return a library of all kinds that this machine can make, with healthy files between."""
    with made_place() as place:
        root = place / "library"
        for number, kind in enumerate(all_kinds.ALL):
            if all_kinds.why_not(kind):
                continue
            folder = root / f"{number:03}"
            folder.mkdir(parents=True)
            kind.write(folder)
            if number % 10 == 0:
                write_healthy(root, name=f"healthy {number}")
        overrides = {**_ABSENT_STORE, "ingest.isolate": True, "ingest.file_seconds": 5.0}
        Library.create(root, overrides=overrides).close()
        yield root


def run(root: Path, *arguments: str) -> tuple[int, bytes, bytes]:
    """Return exit code, stdout and stderr of a command."""
    command = [sys.executable, "-m", "florilegium", *arguments, "--library", str(root)]
    done = subprocess.run(command, capture_output=True, timeout=2 * MOST_SECONDS, check=False)
    return done.returncode, done.stdout, done.stderr


def run_measured(root: Path, *arguments: str) -> tuple[int, bytes, int]:
    """Return exit code, stdout, and peak memory in megabytes of a command and its children."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:])\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024\n"
        "sys.stderr.write(f'\\nPEAK {peak}\\n'); sys.exit(done.returncode)\n"
    )
    command = [sys.executable, "-c", code, sys.executable, "-m", "florilegium", *arguments]
    done = subprocess.run(
        [*command, "--library", str(root)],
        capture_output=True,
        timeout=2 * MOST_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, int(done.stderr.rpartition(b"PEAK ")[2])


def test_a_folder_of_all_kinds_is_ingested(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    code, out, megabytes = run_measured(corpus, "ingest", "--json")
    seconds = time.monotonic() - started
    first = json.loads(out)
    _, again, _ = run(corpus, "ingest", "--json")
    second = json.loads(again)

    assert code == _PARTIAL
    assert seconds < MOST_SECONDS
    assert megabytes < MOST_MEGABYTES
    assert seen(first) + first["ignored"] == count(corpus)
    for failure in first["failed"]:
        assert failure["code"].startswith("source_")
        assert is_printable(failure["message"])
        assert is_printable(failure["hint"])
    assert (second["added"], second["updated"], second["removed"]) == (0, 0, 0)
    assert second["encoded"] == 0
    assert second["unchanged"] == first["added"]

    check_searches(corpus)
    check_terminal(corpus)
    print_report(IngestReport(failed=tuple(FailedFile(**one) for one in first["failed"])))
    check_shown(*capsys.readouterr())


def seen(report: dict[str, Any]) -> int:
    """Return how many files a report counts."""
    names = ("added", "updated", "unchanged", "remaining")
    return sum(int(report[name]) for name in names) + len(report["failed"])


def check_searches(root: Path) -> None:
    """Check that the healthy files are found, and that hostile names come out as JSON."""
    with Library.open(root) as library:
        found = paths(library.search(QUESTION, top_k=1000))
        answer = library.ask(QUESTION, quote=True)
    healthy = {file.name for file in root.glob("healthy*")}
    assert {name for name in healthy if name.endswith(".txt")} <= set(found)
    assert answer.text
    _, out, _ = run(root, "search", "rose", "--json", "--top-k", "500")
    assert len(json.loads(out)) > 100
    _, out, _ = run(root, "ask", "What does the rose want?", "--json", "--quote")
    json.loads(out)


def check_terminal(root: Path) -> None:
    """Check that no name or text drives the terminal."""
    for arguments in (
        ("search", "red rose", "--top-k", "500"),
        ("search", "terminal drive rose", "--explain"),
        ("ask", "What does the rose want?", "--quote"),
    ):
        _, out, err = run(root, *arguments)
        check_shown(out.decode("utf-8"), err.decode("utf-8"))


def check_shown(*texts: str) -> None:
    """Check that what a terminal got is text and nothing else."""
    for text in texts:
        assert all(is_printable(line) for line in text.split("\n"))
        assert not any(mark in text for mark in "\u202e\u2066\u2067\u2028\u2029")
