"""What an ingest of many files takes: memory, and the time of a second one that has little to do.

Usage: python -m benchmarks.resources [--files N] [--starter N] [--queries N] [--out FOLDER]

A made folder of small pictures and short texts, all of them different, is ingested, ingested again
unchanged, after its top folder was renamed, and after every file was. Then queries are put to a
library with the starter encoder. Each step runs in a process of its own
(benchmarks/resources_steps.py). 20,000 files are ingested with the fake encoder, whose vectors of
32 numbers leave memory and time to all that is not an encoder, and fewer with the starter.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import bench

SEED = 20261126
TEXT_EVERY = 4  # so many files hold one text; the others are pictures
IN_A_FOLDER = 500
SIDE = 64
BLOCKS = 8
WORDS = 40
VOCABULARY = 2_000
DIM = 32
FAKES = {"encoder.name": f"fake:{DIM}", "text_encoder.name": f"fake:{DIM}"}


def main() -> None:
    arguments = parse()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        results["fake"] = measure(Path(name) / "pictures", arguments.files, FAKES)
        records = results["fake"]["first"]["records"]
        alone = {"files": arguments.files, "records": records, "dim": DIM}
        results["store alone"] = step("store", Path(name), alone)
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        folder = Path(name) / "pictures"
        results["starter"] = measure(folder, arguments.starter, {})
        results["queries"] = step("queries", folder, {"count": arguments.queries})
    bench.write("resources", results, out=arguments.out)


def parse() -> argparse.Namespace:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--files", type=int, default=20_000, help="ingested with the fake encoder")
    line.add_argument("--starter", type=int, default=4_000, help="ingested with the starter")
    line.add_argument("--queries", type=int, default=10_000, help="half text, half picture")
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    return line.parse_args()


def measure(folder: Path, count: int, settings: dict[str, str]) -> dict[str, Any]:
    """Return what each step took in a folder of so many files."""
    make_folder(folder, count)
    found: dict[str, Any] = {
        "files": count,
        "first": step("ingest", folder, {"settings": settings}),
        "unchanged": step("ingest", folder, {"settings": settings}),
    }
    (folder / "all").rename(folder / "everything")
    found["top folder renamed"] = step("ingest", folder, {"settings": settings})
    rename_files(folder)
    found["every file renamed"] = step("ingest", folder, {"settings": settings})
    return found


def make_folder(folder: Path, count: int) -> None:
    """Write pictures of coloured blocks and texts of drawn words, each under a number."""
    chance = np.random.default_rng(SEED)
    words = np.asarray([f"word{number}" for number in range(VOCABULARY)])
    for number in range(count):
        place = folder / "all" / f"{number // IN_A_FOLDER:03d}"
        place.mkdir(parents=True, exist_ok=True)
        if number % TEXT_EVERY == TEXT_EVERY - 1:
            said = " ".join(chance.choice(words, size=WORDS))
            text = f"Number {number}. {said}.\n"
            (place / f"{number:06d}.txt").write_text(text, encoding="utf-8")
        else:
            blocks = chance.integers(0, 256, size=(BLOCKS, BLOCKS, 3), dtype=np.uint8)
            picture = Image.fromarray(blocks).resize((SIDE, SIDE))
            picture.save(place / f"{number:06d}.jpg")


def rename_files(folder: Path) -> None:
    """Give every file another name, as a camera does: no word that would have to be encoded."""
    for file in sorted((folder / "everything").rglob("*.*")):
        file.rename(file.with_name(f"IMG_{file.name}"))


def step(name: str, folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Run a step in a process of its own, and return what it found."""
    command = [sys.executable, "-m", "benchmarks.resources_steps", name, str(folder)]
    done = subprocess.run(
        [*command, json.dumps(wanted)],
        cwd=bench.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"{name} {folder.name}: {json.dumps(found)[:300]}", flush=True)
    return found


if __name__ == "__main__":
    main()
