"""Start-up time, rates of ingest for pictures and texts, a second run, and peak memory.

Usage: python -m benchmarks.ingest_speed [--data FOLDER] [--out FOLDER]

The command line is run as users run it, each measurement in a process of its own. Pictures are
crops of 500 × 375 pixels, as JPEG, of the photographs that the demo's packages bring along.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import bench
from florilegium.demo.pictures import PICTURES, find_picture

COUNT = 300
SIZE = (500, 375)
STARTS = 7
RUNS = 3
SEED = 20261122


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    texts = bench.need(arguments.data / "qa-en")
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        folder = Path(name) / "pictures"
        make_pictures(folder)
        results = {
            "start-up": measure_start(),
            "pictures": measure_ingest(folder),
        }
    with bench.copied(texts, "texts/**/*.txt") as folder:
        results["texts"] = measure_ingest(folder)
    bench.write("ingest_speed", results, out=arguments.out)


def make_pictures(folder: Path) -> None:
    folder.mkdir()
    chance = random.Random(SEED)
    sources = [Image.open(file).convert("RGB") for file in map(find_picture, PICTURES)]
    for number in range(COUNT):
        picture = sources[number % len(sources)]
        width = chance.uniform(0.5, 1.0) * picture.width
        height = chance.uniform(0.5, 1.0) * picture.height
        left = chance.uniform(0, picture.width - width)
        top = chance.uniform(0, picture.height - height)
        box = (int(left), int(top), int(left + width), int(top + height))
        picture.crop(box).resize(SIZE).save(folder / f"{number:05d}.jpg", quality=90)


def measure_start() -> dict[str, Any]:
    seconds = [run(["--help"])[1] for _ in range(STARTS + 1)][1:]
    return {"command": "florilegium --help", "median ms": round(1000 * statistics.median(seconds))}


def measure_ingest(folder: Path) -> dict[str, Any]:
    run(["init", str(folder)])
    rates: list[float] = []
    memory: list[float] = []
    report: dict[str, Any] = {}
    for _ in range(RUNS):
        for file in (folder / ".florilegium").iterdir():
            # All but the lock goes, the cache too, so that everything is encoded again.
            subprocess.run(["rm", "-rf", str(file)], check=True)
        out, _, megabytes = run(["ingest", "--json", "--library", str(folder)])
        report = json.loads(out)
        rates.append(report["added"] / report["seconds"])
        memory.append(megabytes)
    out, seconds, _ = run(["ingest", "--json", "--library", str(folder)])
    return {
        "files": report["added"],
        "inputs encoded": report["encoded"],
        "files/s, median": round(statistics.median(rates), 1),
        "files/s, of all runs": [round(rate, 1) for rate in rates],
        "peak memory MB, median": round(statistics.median(memory)),
        "unchanged files again: seconds in ingest": round(json.loads(out)["seconds"], 3),
        "unchanged files again: seconds of the command": round(seconds, 2),
    }


def run(arguments: list[str]) -> tuple[str, float, float]:
    """Return what the command printed, its seconds, and its peak memory in MB (10^6 bytes)."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "florilegium", *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(f"{arguments} ended with exit code {process.returncode}")
        out.seek(0)
        return out.read(), seconds, usage.ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
