"""Peak memory of an ingest, by the number and the size of its pictures.

Usage: python -m benchmarks.ingest_memory [--encoder NAME ...] [--set KEY=VALUE ...] [--out FOLDER]

The command line is run as users run it, each time in a process of its own and on a new library.
Pictures of 12 megapixels show whether memory grows with what waits to be encoded; many small ones
show what each picture in the index takes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import bench, clip_data
from benchmarks.ingest_speed import run

LIMIT_MB = 1500
AIM = 50_000


def main() -> None:
    arguments = parse()
    results: dict[str, Any] = {}
    for encoder in arguments.encoder:
        settings = [f"encoder.name={absolute(encoder)}", *arguments.set]
        large = measure_all(make_large, arguments.large, settings)
        small = measure_all(make_small, arguments.small, settings)
        name = encoder.partition(":")[0]
        results[name] = {
            "settings": arguments.set,
            "12 megapixels": large,
            "500 × 375": small,
            **extrapolate(large, small),
        }
    bench.write("ingest_memory", results, out=arguments.out)


def parse() -> argparse.Namespace:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--encoder", nargs="+", default=["starter"], help="names as in the settings")
    line.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="more settings")
    line.add_argument("--large", nargs=2, type=int, default=[100, 400], metavar="COUNT")
    line.add_argument("--small", nargs=2, type=int, default=[1000, 5000], metavar="COUNT")
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    return line.parse_args()


def absolute(encoder: str) -> str:
    """Return the name of an encoder with the folder of its model, if it names one, in full."""
    kind, _, model = encoder.partition(":")
    return f"{kind}:{Path(model).absolute()}" if model and Path(model).is_dir() else encoder


def make_large(folder: Path, count: int) -> None:
    clip_data.make_large(folder, count)


def make_small(folder: Path, count: int) -> None:
    distinct = clip_data.make_small(folder, min(count, clip_data.DISTINCT_LARGE))
    clip_data.multiply(distinct, count)


def measure_all(
    make: Callable[[Path, int], None], counts: Sequence[int], settings: Sequence[str]
) -> dict[str, Any]:
    """Return peak memory and rate for each number of pictures."""
    return {str(count): measure(make, count, settings) for count in counts}


def measure(
    make: Callable[[Path, int], None], count: int, settings: Sequence[str]
) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        folder = Path(name) / "pictures"
        # In a process of its own: a child is counted with what its parent had when it began.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(make, folder, count).result()
        run(["init", str(folder), *(word for one in settings for word in ("--set", one))])
        out, seconds, megabytes = run(["ingest", "--json", "--library", str(folder)])
        report = json.loads(out)
    if report["added"] != count:
        raise SystemExit(f"{report['added']} of {count} pictures were added.")
    return {"peak memory MB": round(megabytes), "seconds": round(seconds, 1)}


def extrapolate(large: dict[str, Any], small: dict[str, Any]) -> dict[str, float]:
    """Return what a picture in the index takes, and the peak that this makes for many large ones.

    The peak of the large pictures holds what waits to be encoded, whose room is bounded; on top
    of it comes what each further picture in the index was seen to take.
    """
    few, many = small
    grown = small[many]["peak memory MB"] - small[few]["peak memory MB"]
    each = max(0.0, grown / (int(many) - int(few)))
    most = max(large, key=int)
    expected = large[most]["peak memory MB"] + each * (AIM - int(most))
    return {
        "kB per picture in the index": round(1000 * each, 1),
        f"peak memory MB expected of {AIM} pictures of 12 megapixels": round(expected),
        "limit MB": LIMIT_MB,
    }


if __name__ == "__main__":
    main()
