"""What it costs to read files in processes of their own: ingest with them and without, in turns.

Usage: python -m benchmarks.isolation [--runs N] [--small N] [--large N] [--out FOLDER]

The command line is run as users run it, on crops of 500 × 375 pixels as JPEG, on pictures of 12
megapixels as PNG, whose pixels all go from one process to the other, and on a single file, which
shows what the start of the processes takes. Both ways take turns, so that a busy machine slows
both alike; the ratio is that of the sums.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import bench
from benchmarks.ingest_speed import make_pictures, run
from florilegium.demo.pictures import PICTURES, find_picture

WAYS = {"in processes of their own": "true", "in the process": "false"}
LARGE_SIZE = (4000, 3000)


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--runs", type=int, default=5)
    line.add_argument("--small", type=int, default=300)
    line.add_argument("--large", type=int, default=24)
    arguments = line.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        small, large, one = (Path(name) / kind for kind in ("small", "large", "one"))
        make_pictures(small)
        for file in sorted(small.iterdir())[arguments.small :]:
            file.unlink()
        make_large(large, arguments.large)
        make_large(one, 0)
        (one / "a.txt").write_text("A rose is a rose.", encoding="utf-8")
        for label, folder in (("JPEG, small", small), ("PNG, 12 MP", large), ("one text", one)):
            results[label] = compare(folder, runs=arguments.runs)
    bench.write("isolation", results, out=arguments.out)


def make_large(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        source = Image.open(find_picture(PICTURES[number % len(PICTURES)])).convert("RGB")
        picture = source.resize(LARGE_SIZE).rotate(number)
        picture.save(folder / f"{number:05d}.png", compress_level=1)


def compare(folder: Path, *, runs: int) -> dict[str, Any]:
    """Ingest a folder anew in both ways, in turns, after one run of each that does not count."""
    run(["init", str(folder)])
    measured: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    files = 0
    for _ in range(runs + 1):
        for way, value in WAYS.items():
            subprocess.run(["rm", "-rf", str(folder / ".florilegium")], check=True)
            (folder / ".florilegium").mkdir()
            files, *numbers = ingest(folder, isolate=value)
            measured[way].append((numbers[0], numbers[1]))
    result: dict[str, Any] = {"files": files}
    for column, what in enumerate(("seconds", "processor seconds")):
        counted = {way: [one[column] for one in some[1:]] for way, some in measured.items()}
        isolated, direct = (sum(counted[way]) for way in WAYS)
        result[what] = {
            "median": {way: round(statistics.median(some), 2) for way, some in counted.items()},
            "of all runs": {way: [round(one, 2) for one in some] for way, some in counted.items()},
            "ratio": round(isolated / direct, 3),
        }
    return result


def ingest(folder: Path, *, isolate: str) -> tuple[int, float, float]:
    """Return how many files were added, in how many seconds, and in how many of all processors."""
    command = [sys.executable, "-m", "florilegium", "ingest", "--json", "--library", str(folder)]
    command += ["--set", f"ingest.isolate={isolate}"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with exit code {process.returncode}")
        out.seek(0)
        report = json.loads(out.read())
    # The time of the workers is in it, since the command waits for them.
    return report["added"], report["seconds"], usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
