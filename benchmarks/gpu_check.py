"""CLIP in PyTorch on a graphics card: how near its rows are to the processor's, and how fast.

Usage: python -m benchmarks.gpu_check [--pictures N] [--rounds N] [--out FOLDER]

Needs the extra `clip` and a PyTorch for the card. The network is ViT-B/32 with random weights,
the pictures are made here. Three speeds of each precision and size of batch, in turns:

- bare: the tower of OpenCLIP on numbers that are on the card already
- rows: `encode_images` on pictures that are prepared, so with numbers made and carried over
- files: JPEG files decoded and prepared in threads, as ingest does, then `encode_images`
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import bench
from florilegium.config import EncoderConfig
from florilegium.images import open_image
from florilegium.read_ahead import ReadAhead
from florilegium.types import Embeddings

MODEL = "ViT-B-32"
SIZE = (500, 375)
PRECISIONS = ("fp32", "bf16", "fp16")
BATCHES = (16, 64, 256)
PACKAGES = ("florilegium", "numpy", "pillow", "torch", "open_clip_torch")
COMPARED = 64  # pictures, and as many texts
_SEED = 20261128
_BARE_SECONDS = 1.0


def main() -> None:
    arguments = parse()
    import torch

    if not torch.cuda.is_available():
        sys.stderr.write("SKIPPED: PyTorch finds no graphics card here; nothing was measured.\n")
        raise SystemExit(2)
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        checkpoint = make_checkpoint(Path(name))
        files = make_pictures(Path(name), arguments.pictures)
        results = {
            "card": torch.cuda.get_device_name(),
            "model": f"{MODEL}, random weights",
            "pictures": {"count": len(files), "pixels": SIZE, "kB, mean": kilobytes(files)},
            "rounds": arguments.rounds,
            "least cosine with the processor in fp32": agreement(checkpoint, files[:COMPARED]),
            "pictures a second: median, least, most": speeds(
                checkpoint, files, rounds=arguments.rounds
            ),
        }
    bench.write("gpu_check", results, out=arguments.out, packages=PACKAGES)


def parse() -> argparse.Namespace:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--pictures", type=int, default=1024)
    line.add_argument("--rounds", type=int, default=5)
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    return line.parse_args()


def make_checkpoint(folder: Path) -> Path:
    """Return a file of random weights."""
    import open_clip
    import torch

    torch.manual_seed(_SEED)
    torch.save(open_clip.create_model(MODEL).state_dict(), folder / "random.pt")
    return folder / "random.pt"


def make_pictures(folder: Path, count: int) -> list[Path]:
    """Return JPEG files of soft colours with grain."""
    noise = np.random.default_rng(_SEED)
    files = [folder / f"{number:05d}.jpg" for number in range(count)]
    for file in files:
        colours = noise.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        soft = np.asarray(Image.fromarray(colours).resize(SIZE, Image.Resampling.BICUBIC))
        grain = noise.normal(scale=6.0, size=(SIZE[1], SIZE[0], 1))
        Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8)).save(file, quality=90)
    return files


def kilobytes(files: Sequence[Path]) -> int:
    """Return how large files are in the mean."""
    return round(sum(file.stat().st_size for file in files) / len(files) / 1000)


def open_encoder(checkpoint: Path, **settings: Any) -> Any:
    """Return the encoder of the random weights, as the registry opens it."""
    from florilegium.encoders.open_clip.encoder import open_encoder as open_by_model

    return open_by_model(
        f"{MODEL}:{checkpoint}",
        config=EncoderConfig(**settings),
        texts=None,
        cache_folder=checkpoint.parent,
    )


def read(encoder: Any, file: Path) -> Image.Image:
    """Return a picture as ingest reads it."""
    side = 2 * encoder.info.image_side
    image = open_image(file.read_bytes(), max_pixels=10**9, name=file.name, least_side=side)
    prepared: Image.Image = encoder.prepare_image(image)
    return prepared


def agreement(checkpoint: Path, files: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Return the least cosine of rows on the card with those of the processor, by precision."""
    texts = [f"picture {number} of a red rose in a garden" for number in range(len(files))]

    def rows(**settings: Any) -> dict[str, Embeddings]:
        encoder = open_encoder(checkpoint, **settings)
        pictures = [read(encoder, file) for file in files]
        found = {
            "pictures": encoder.encode_images(pictures),
            "texts": encoder.encode_texts(texts, purpose="query"),
        }
        encoder.close()
        return found

    exact = rows(device="cpu", precision="fp32")
    return {
        precision: {
            kind: round(float((some * exact[kind]).sum(axis=1).min()), 6)
            for kind, some in rows(device="cuda", precision=precision).items()
        }
        for precision in PRECISIONS
    }


def speeds(checkpoint: Path, files: Sequence[Path], *, rounds: int) -> dict[str, Any]:
    """Return pictures a second by precision, batch and way."""
    reader = open_encoder(checkpoint, device="cpu")
    prepared = [read(reader, file) for file in files]
    pixels = reader._facts.preprocessing.to_pixels(prepared[: max(BATCHES)])
    measured: dict[tuple[str, int], dict[str, list[float]]] = {
        (precision, batch): {"bare": [], "rows": [], "files": []}
        for precision in PRECISIONS
        for batch in BATCHES
    }
    encoders = {
        (precision, batch): open_encoder(
            checkpoint, device="cuda", precision=precision, batch_size=batch
        )
        for precision, batch in measured
    }
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for (precision, batch), found in measured.items():
            encoder = encoders[precision, batch]
            encoder.encode_images(prepared[: 2 * batch])
            found["bare"].append(bare(encoder, pixels[:batch]))
            found["rows"].append(rate(len(files), partial(encoder.encode_images, prepared)))
            found["files"].append(rate(len(files), partial(encode_files, encoder, files, batch)))
    reading = [rate(len(files), partial(encode_files, reader, files, 0)) for _ in range(rounds)]
    return {
        "reading threads": min(os.cpu_count() or 1, 8),
        "files, read and prepared only": summary(reading),
        **{
            f"{precision}, batches of {batch}": {way: summary(some) for way, some in found.items()}
            for (precision, batch), found in measured.items()
        },
    }


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many of `count` are done in a second."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def bare(encoder: Any, pixels: Any) -> float:
    """Return pictures a second of the tower alone."""
    import torch

    towers = encoder._load_towers()
    given = torch.from_numpy(pixels).to("cuda", towers._dtype)
    with torch.inference_mode():
        for _ in range(20):
            towers._model.encode_image(given)
        torch.cuda.synchronize()
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < _BARE_SECONDS:
            for _ in range(20):
                towers._model.encode_image(given)
            torch.cuda.synchronize()
            count += 20 * len(given)
        return count / (time.perf_counter() - start)


def encode_files(encoder: Any, files: Sequence[Path], batch: int) -> None:
    """Read files in threads as ingest does, and encode them in batches; 0 reads them only."""
    with ReadAhead[Image.Image](weigh=lambda image: image.width * image.height * 3) as ahead:
        for file in files:
            ahead.submit(partial(read, encoder, file), weight=3 * SIZE[0] * SIZE[1])
        waiting: list[Image.Image] = []
        while ahead.outstanding:
            waiting.append(ahead.take())
            if batch and (len(waiting) == batch or not ahead.outstanding):
                encoder.encode_images(waiting)
                waiting = []


def summary(found: Sequence[float]) -> list[int]:
    """Return the median of measured rates, the least and the most."""
    return [round(each) for each in (median(found), min(found), max(found))]


if __name__ == "__main__":
    main()
