"""How surely a picture that was saved again is recognised, and how often another is taken for it.

Usage: python -m benchmarks.near_duplicates [--data FOLDER] [--out FOLDER]

Positives are pictures with their re-encodings; negatives are all pairs of different pictures, and
of drawings on a plain background, the hard case. A sweep shows why the limits are what they are.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image, ImageDraw, ImageEnhance

from benchmarks import bench
from florilegium.near_duplicates import MOST_BITS, MOST_SHADES, group, perceptual_hash

EVERY = 3  # of the pictures, every third is saved again
DRAWINGS = 200
COLOURS = ("red", "green", "blue", "yellow", "black", "purple", "orange", "gray")
# Pictures of scikit-image that are one picture in two files.
SAME = {"chessboard_GRAY.png"}
SWEEP = [(bits, shades) for bits in (32, 40, 48, 56, 64) for shades in (20, 28, 40, 255)]
SEED = 20260101


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    files = sorted(bench.need(arguments.data / "flowers5").glob("*/*.jpg"))
    files += sorted((bench.need(arguments.data / "stamps") / "images").glob("*"))
    shipped = Path(skimage.__file__).parent / "data"
    files += sorted(one for one in shipped.iterdir() if one.suffix in {".png", ".jpg", ".jpeg"})
    photographs = [opened(file) for file in files if file.name not in SAME]
    results = {
        "limits": {"bits": MOST_BITS, "shades": MOST_SHADES},
        "pictures": measure(photographs, every=EVERY),
        "drawings": measure(list(drawings()), every=1),
        "speed": measure_speed(photographs),
    }
    bench.write("near_duplicates", results, out=arguments.out)


def opened(file: Path) -> Image.Image:
    image = Image.open(file).convert("RGB")
    image.thumbnail((600, 600))
    return image


def drawings() -> Iterator[Image.Image]:
    """Yield shapes of several colours, scattered, and one shape in all colours."""
    chance = random.Random(SEED)
    for _ in range(DRAWINGS):
        image = Image.new("RGB", (320, 240), chance.choice(["white", "white", "lightgray"]))
        for _ in range(chance.choice([1, 1, 2, 3])):
            x, y, half = (
                chance.randrange(40, 260),
                chance.randrange(40, 180),
                chance.randrange(15, 70),
            )
            box = (x - half, y - half, x + half, y + half)
            draw = getattr(ImageDraw.Draw(image), chance.choice(["rectangle", "ellipse"]))
            draw(box, fill=chance.choice(COLOURS))
        yield image
    for kind in ("rectangle", "ellipse"):
        for half in (40, 80):
            for colour in COLOURS:
                image = Image.new("RGB", (240, 240), "white")
                box = (120 - half, 120 - half, 120 + half, 120 + half)
                getattr(ImageDraw.Draw(image), kind)(box, fill=colour)
                yield image


def measure(images: list[Image.Image], *, every: int) -> dict[str, Any]:
    hashes = [perceptual_hash(image) for image in images]
    known = np.stack([row(one) for one in hashes if one is not None])
    pairs = np.concatenate([apart(known[i], known[i + 1 :]) for i in range(len(known) - 1)])
    again: dict[str, list[tuple[int, int]]] = {}
    for image, before in list(zip(images, hashes, strict=True))[::every]:
        if before is None:
            continue
        for kind, variant in variants(image):
            after = perceptual_hash(variant)
            # Where the second shows too little, it is not found.
            near = (999, 999) if after is None else tuple(apart(row(before), row(after)[None])[0])
            again.setdefault(kind, []).append((int(near[0]), int(near[1])))
    found = {kind: np.asarray(some) for kind, some in again.items()}
    return {
        "pictures": len(images),
        "without a hash": hashes.count(None),
        "pairs": len(pairs),
        "pairs taken for one": count(pairs, MOST_BITS, MOST_SHADES),
        "saved again": sum(map(len, found.values())),
        "recognised": share(np.concatenate(list(found.values())), MOST_BITS, MOST_SHADES),
        "recognised, of each kind": {
            kind: share(some, MOST_BITS, MOST_SHADES) for kind, some in found.items()
        },
        "sweep": [
            {
                "bits": bits,
                "shades": shades,
                "recognised": share(np.concatenate(list(found.values())), bits, shades),
                "pairs taken for one": count(pairs, bits, shades),
            }
            for bits, shades in SWEEP
        ],
    }


def variants(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    width, height = image.size
    x, y = round(0.02 * width), round(0.02 * height)
    for quality in (50, 75, 95):
        yield f"JPEG, quality {quality}", jpeg(image, quality)
    for factor in (0.5, 0.75, 1.5):
        size = (round(factor * width), round(factor * height))
        yield f"{factor} of the size, JPEG", jpeg(image.resize(size, Image.Resampling.BICUBIC), 80)
    yield "left cut by 2 %", jpeg(image.crop((x, 0, width, height)), 85)
    yield "top cut by 2 %", jpeg(image.crop((0, y, width, height)), 85)
    inner = (x // 2, y // 2, width - x // 2, height - y // 2)
    yield "each side cut by 1 %", jpeg(image.crop(inner), 85)
    yield "each side cut by 2 %", jpeg(image.crop((x, y, width - x, height - y)), 85)
    for factor in (0.9, 1.1):
        yield f"brightness {factor}", jpeg(ImageEnhance.Brightness(image).enhance(factor), 85)
    yield "contrast 1.1", jpeg(ImageEnhance.Contrast(image).enhance(1.1), 85)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def row(hash_: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(hash_, dtype=np.uint8)


def apart(one: Any, others: Any) -> Any:
    """Return bits and shades that a hash is from others, shape (n, 2)."""
    bits = np.bitwise_count(one[:32] ^ others[:, :32]).sum(axis=1, dtype=np.int64)
    shades = np.abs(one[32:].astype(np.int16) - others[:, 32:]).max(axis=1)
    return np.stack([bits, shades], axis=1)


def count(pairs: Any, bits: int, shades: int) -> int:
    return int(((pairs[:, 0] <= bits) & (pairs[:, 1] <= shades)).sum())


def share(pairs: Any, bits: int, shades: int) -> float:
    return round(count(pairs, bits, shades) / len(pairs), 4)


def measure_speed(images: list[Image.Image]) -> dict[str, float]:
    """Return the milliseconds that hashes and groups take on one core."""
    some = images[:300]
    large = images[0].resize((4000, 3000))
    hashes = {str(number): perceptual_hash(image) for number, image in enumerate(images[:200])}
    known = {id_: hash_ for id_, hash_ in hashes.items() if hash_ is not None}
    return {
        "hash of a picture of the set, ms": best(lambda: [perceptual_hash(one) for one in some])
        / len(some),
        "hash of 4000 x 3000 pixels, ms": best(lambda: perceptual_hash(large)),
        "group of 200, ms": best(lambda: group(known, list(known))),
    }


def best(call: Any) -> float:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return round(1000 * min(seconds), 3)


if __name__ == "__main__":
    main()
