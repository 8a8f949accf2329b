"""Pictures and texts that all contestants read: made here, the same at each run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from florilegium.demo.pictures import PICTURES, find_picture

SMALL = (500, 375)
LARGE = (4000, 3000)
QUALITY = 90
SEED = 20261124
# Each distinct one takes half a second to make; the copies differ in a comment, and every one of
# them is decoded.
DISTINCT_LARGE = 25
# An enlarged photo is smooth. With this much grain it compresses to 3 MB, as photos of 12
# megapixels do.
_GRAIN = 7.0
_GRAIN_SIDE = 1024

_WORDS = """
red old small wild bright quiet yellow wooden broken early tall frozen
rose cat bridge coin rocket moon cup garden clock temple river engine
garden harbour museum forest kitchen market valley station field workshop
morning evening summer winter spring autumn rain snow sunlight fog
"""


def make_small(folder: Path, count: int, *, seed: int = SEED) -> list[Path]:
    """Return files of crops of photographs, 500 × 375."""
    return [
        _save(picture, folder, number)
        for number, picture in enumerate(islice(_crops(SMALL, seed), count))
    ]


def make_large(folder: Path, count: int) -> list[Path]:
    """Return files of 12 megapixels; every `DISTINCT_LARGE` of them show the same picture."""
    grain = np.random.default_rng(SEED).normal(scale=_GRAIN, size=(_GRAIN_SIDE, _GRAIN_SIDE, 3))
    pictures = islice(_crops(LARGE, SEED + 1), min(count, DISTINCT_LARGE))
    files = [
        _save(_add_grain(picture, grain), folder, number) for number, picture in enumerate(pictures)
    ]
    return multiply(files, count)


def multiply(files: list[Path], count: int) -> list[Path]:
    """Return these files and so many copies of them, each with bytes of its own, as are wanted."""
    copies = [files[0].with_name(f"{number:05d}.jpg") for number in range(len(files), count)]
    for number, copy in enumerate(copies):
        copy_with_comment(files[number % len(files)], copy, str(number))
    return files + copies


def copy_with_comment(source: Path, target: Path, comment: str) -> None:
    """Copy a JPEG and put a comment in, so that its bytes are new and its picture is not."""
    data = source.read_bytes()
    said = comment.encode()
    segment = b"\xff\xfe" + (len(said) + 2).to_bytes(2, "big") + said
    target.write_bytes(data[:2] + segment + data[2:])


def make_queries(count: int) -> list[str]:
    """Return short texts of about eight words, all different."""
    chance = random.Random(SEED)
    columns = [line.split() for line in _WORDS.strip().splitlines()]
    found: dict[str, None] = {}
    while len(found) < count:
        adjective, noun, place, time = (chance.choice(words) for words in columns)
        found[f"a {adjective} {noun} in the {place} in {time}"] = None
    return list(found)


def make_documents(count: int) -> list[str]:
    """Return texts of about fifty words, which fit CLIP's limit."""
    sentences = make_queries(6 * count)
    return [". ".join(sentences[6 * i : 6 * i + 6]) + "." for i in range(count)]


def _crops(size: tuple[int, int], seed: int) -> Iterator[Image.Image]:
    chance = random.Random(seed)
    sources = [Image.open(file).convert("RGB") for file in map(find_picture, PICTURES)]
    number = 0
    while True:
        picture = sources[number % len(sources)]
        width = chance.uniform(0.5, 1.0) * picture.width
        height = chance.uniform(0.5, 1.0) * picture.height
        left = chance.uniform(0, picture.width - width)
        top = chance.uniform(0, picture.height - height)
        box = (int(left), int(top), int(left + width), int(top + height))
        yield picture.crop(box).resize(size, Image.Resampling.BICUBIC)
        number += 1


def _add_grain(picture: Image.Image, grain: npt.NDArray[np.float64]) -> Image.Image:
    across, down = (-(-side // _GRAIN_SIDE) for side in picture.size)
    field = np.tile(grain, (down, across, 1))[: picture.height, : picture.width]
    pixels = np.clip(np.asarray(picture, dtype=np.float64) + field, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def _save(picture: Image.Image, folder: Path, number: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{number:05d}.jpg"
    picture.save(file, quality=QUALITY)
    return file
