"""What all benchmarks share: where the data is, what machine this is, how results are written."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ir_measures

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("florilegium", "numpy", "onnxruntime", "chromadb", "pillow", "tokenizers")


def parser(description: str) -> argparse.ArgumentParser:
    """Return a command line with `--data` and `--out`."""
    line = argparse.ArgumentParser(description=description)
    line.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    line.add_argument("--out", type=Path, default=RESULTS)
    return line


def need(folder: Path) -> Path:
    """Return a folder of evaluation data; end the program loudly if it is absent."""
    if not folder.is_dir():
        sys.stderr.write(
            f"SKIPPED: the evaluation data {folder} is not here. "
            "Name its folder with --data; nothing was measured.\n"
        )
        raise SystemExit(2)
    return folder


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


@contextmanager
def copied(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield a temporary folder with the files of `folder` that match, since data is read-only."""
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        target = Path(name) / "library"
        for file in sorted(folder.glob(pattern)):
            if file.is_file():
                place = target / file.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
        yield target


@contextmanager
def place(name: str, *, keep: bool) -> Iterator[Path]:
    """Yield a folder to build in; with `keep` always the same one, which is left as it is."""
    if keep:
        folder = Path(tempfile.gettempdir()) / "florilegium-bench" / name
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as temporary:
            yield Path(temporary)


def metrics(
    run: Mapping[str, Mapping[str, float]], relevant: Mapping[str, str]
) -> dict[str, float]:
    """Return R@1, R@5, R@10 and MRR in percent (ir-measures), one relevant file a query."""
    wanted = [ir_measures.parse_measure(name) for name in ("R@1", "R@5", "R@10", "RR@100")]
    qrels = {query: {file: 1} for query, file in relevant.items()}
    found = {query: dict(scores) for query, scores in run.items()}
    measured = ir_measures.calc_aggregate(wanted, qrels, found)
    names = {"R@1": "R@1", "R@5": "R@5", "R@10": "R@10", "RR@100": "MRR"}
    return {names[str(measure)]: round(100 * value, 1) for measure, value in measured.items()}


def ranked(files: Iterable[str]) -> dict[str, float]:
    """Return falling scores for files in order of rank, the first place of each counting."""
    return {file: 1.0 / rank for rank, file in enumerate(dict.fromkeys(files), start=1)}


def write(name: str, results: object, *, out: Path, packages: Sequence[str] = PACKAGES) -> None:
    """Write results with machine, versions, commit and command, and print them."""
    record = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join([f"python -m benchmarks.{name}", *map(_public, sys.argv[1:])]),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "versions": {package: version(package) for package in packages},
        "commit": _commit(),
        "results": results,
    }
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    print(text)


def _public(argument: str) -> str:
    # Where a machine keeps things is nobody's business.
    return "PATH" if Path(argument).is_absolute() else argument


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip()
