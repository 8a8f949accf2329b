"""Dynamic batching on a graphics card: queries that threads encode at once, shared or one by one.

Usage: python -m benchmarks.gpu_batching [--seconds N] [--rounds N] [--out FOLDER]

Needs the extra `clip` and a PyTorch for the card. The network is ViT-B/32 with random weights.
Each thread encodes one query after the other, as searches of a server do; nothing else of a search
is measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import bench
from benchmarks.gpu_check import MODEL, PACKAGES, make_checkpoint, make_pictures, open_encoder, read
from florilegium.batching import BatchingEncoder

THREADS = (1, 8, 50)
BATCH = 16
PICTURES = 64


def main() -> None:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    line.add_argument("--rounds", type=int, default=5)
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    arguments = line.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.stderr.write("SKIPPED: PyTorch finds no graphics card here; nothing was measured.\n")
        raise SystemExit(2)
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        checkpoint = make_checkpoint(Path(name))
        encoder = open_encoder(checkpoint, device="cuda", batch_size=BATCH)
        pictures = [read(encoder, file) for file in make_pictures(Path(name), PICTURES)]
        texts = [f"picture {number} of a red rose in a garden" for number in range(PICTURES)]
        results: dict[str, Any] = {
            "card": torch.cuda.get_device_name(),
            "model": f"{MODEL}, random weights",
            "most inputs of a batch": BATCH,
            "rounds": arguments.rounds,
        }
        for kind in ("texts", "pictures"):
            for threads in THREADS:
                results[f"{kind}, {threads} threads"] = compare(
                    encoder, kind, texts, pictures, threads, arguments
                )
    bench.write("gpu_batching", results, out=arguments.out, packages=PACKAGES)


def compare(
    encoder: Any,
    kind: str,
    texts: list[str],
    pictures: list[Any],
    threads: int,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Return queries a second with batching and without, in turns, and how large batches were."""
    found: dict[str, list[float]] = {"on": [], "off": []}
    shared = BatchingEncoder(encoder, batch_size=BATCH)
    for _ in range(arguments.rounds):
        for mode, one in (("on", shared), ("off", encoder)):

            def encode(number: int, one: Any = one) -> None:
                if kind == "texts":
                    one.encode_texts([texts[number % len(texts)]], purpose="query")
                else:
                    one.encode_images([pictures[number % len(pictures)]])

            encode(0)
            found[mode].append(rate(encode, threads=threads, seconds=arguments.seconds))
    counts = [count for count in shared.counts() if count.batches]
    batches, inputs = sum(c.batches for c in counts), sum(c.inputs for c in counts)
    return {
        "queries a second, batching on: median, least, most": summary(found["on"]),
        "queries a second, batching off: median, least, most": summary(found["off"]),
        "inputs of a batch, mean": round(inputs / batches, 1),
    }


def rate(encode: Callable[[int], None], *, threads: int, seconds: float) -> float:
    """Return how many queries so many threads encode in a second."""
    done = [0] * threads
    until = time.perf_counter() + seconds

    def work(own: int) -> None:
        while time.perf_counter() < until:
            encode(own + done[own])
            done[own] += 1

    begun = time.perf_counter()
    running = [threading.Thread(target=work, args=(own,)) for own in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(done) / (time.perf_counter() - begun)


def summary(rates: list[float]) -> list[int]:
    return [round(median(rates)), round(min(rates)), round(max(rates))]


if __name__ == "__main__":
    main()
