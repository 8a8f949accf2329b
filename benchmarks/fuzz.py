"""Feed mutated files and queries to every place where they come in, guided by coverage.

Usage: python -m benchmarks.fuzz [--seconds 60] [--targets NAME ...]

Needs the dependency group `fuzz` (Atheris). Each target runs in a process of its own for the given
time, from the seeds of the property tests. Whatever is raised beside FlorilegiumError, or takes
longer than ten seconds, is a crash; its input is kept in --folder.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bench
from florilegium.loaders import html, image, text
from tests.property import test_hostile_input as entry_points

PACKAGES = ("florilegium", "atheris", "pillow", "pyyaml")
LONGEST_RUN = 10  # seconds of one input
MOST_BYTES = 20_000
MOST_MEGABYTES = 4_000
_EXECUTED = re.compile(r"(?:Done|stat::number_of_executed_units:)\s+(\d+)")
_COVERED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/")


def targets(folder: Path) -> dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]]:
    """Return what is fuzzed, by name: a function of bytes, and the seeds it starts from."""
    pictures, texts = entry_points.HEALTHY, entry_points.TEXTS
    loaders = (
        ("image", image, "a.png", pictures),
        ("markdown", text, "a.md", texts),
        ("text", text, "a.txt", texts),
        ("html", html, "a.html", texts),
    )
    found: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
        "pictures": (entry_points.try_picture, pictures),
    }
    for name, module, file, seeds in loaders:
        load = partial(entry_points.try_loader, module.open_loader, file, folder=folder)
        found[f"loader {name}"] = (load, seeds)
    for file in ("a.png.json", "a.yaml", "a.xmp", "captions.csv", "captions.jsonl"):
        found[f"description {file}"] = (partial(entry_points.try_description, file), texts)
    found["parsed text"] = (_as_text(entry_points.try_text), texts)
    found["query"] = (_as_text(entry_points.try_query), texts)
    return found


def _as_text(function: Callable[[str], None]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        function(data.decode("utf-8", "surrogateescape"))

    return run


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.child:
        fuzz(options.child, options)
        return 0
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        for name in options.targets or targets(folder):
            results.append(measure(name, folder, seconds=options.seconds))
            print(json.dumps(results[-1]), flush=True)
    bench.write("fuzz", results, out=options.out, packages=PACKAGES)
    return 1 if any(result["crashes"] for result in results) else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="time of each target")
    parser.add_argument("--targets", nargs="+", default=[], help="names; all by default")
    parser.add_argument("--folder", type=Path, help="where inputs are kept; a scratch folder")
    parser.add_argument("--out", type=Path, default=bench.RESULTS)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def measure(name: str, folder: Path, *, seconds: int) -> dict[str, Any]:
    """Fuzz one target in a process of its own and return what came of it."""
    home = folder / re.sub(r"\W", "_", name)
    (home / "corpus").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets(home)[name][1]):
        (home / "corpus" / f"seed {number}").write_bytes(seed)
    command = [sys.executable, "-m", "benchmarks.fuzz", "--child", name]
    done = subprocess.run(
        [*command, "--seconds", str(seconds), "--folder", str(home)],
        capture_output=True,
        check=False,
        timeout=seconds + 120,
    )
    said = done.stderr.decode("utf-8", "replace")
    covered = _COVERED.findall(said)
    executed = [int(count) for count in _EXECUTED.findall(said)]
    crashes = sorted(file.name for file in home.glob("*-*") if file.is_file())
    if done.returncode and not crashes:
        raise RuntimeError(f"the target {name!r} could not be run: {said[-2000:]}")
    if crashes:
        print(said[-3000:], file=sys.stderr)
    return {
        "target": name,
        "seconds": seconds,
        "executions": max(executed, default=0),
        "covered": int(covered[-1][0]) if covered else 0,
        "corpus": int(covered[-1][2]) if covered else 0,
        "crashes": len(crashes),
    }


def fuzz(name: str, options: argparse.Namespace) -> None:
    """Run one target until its time is over; Atheris ends the process."""
    import atheris

    _instrument(atheris)
    function, _ = targets(options.folder)[name]
    flags = [
        f"-max_total_time={options.seconds}",
        f"-timeout={LONGEST_RUN}",
        f"-max_len={MOST_BYTES}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-artifact_prefix={options.folder}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *flags, str(options.folder / "corpus")], function)
    atheris.Fuzz()


def _instrument(atheris: Any) -> None:
    # Only what is ours: libraries would take a minute, and are not what is tested.
    for name, module in list(sys.modules.items()):
        if name.startswith("florilegium."):
            for function in [one for one in vars(module).values() if callable(one)]:
                if getattr(function, "__module__", "") == name and hasattr(function, "__code__"):
                    atheris.instrument_func(function)


if __name__ == "__main__":
    sys.exit(main())
