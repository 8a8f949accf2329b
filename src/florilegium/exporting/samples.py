"""Pictures and texts to fit int8 to, and to measure drift on. Knows Pillow, no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from florilegium.encoders.onnx_clip.probe import PROBE_TEXT, probe_image
from florilegium.errors import ConfigError, SourceError
from florilegium.images import open_image

MOST = 128
_MOST_PIXELS = 64_000_000
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_DRAWN = 24

TEXTS: tuple[str, ...] = (
    PROBE_TEXT,
    "a photo of a red rose",
    "a photo of a cat on a sofa",
    "two children play football in the rain",
    "an old map of a harbour, drawn by hand",
    "the front of a temple at night",
    "sunflowers",
    "a close-up of a bee on a daisy",
    "How often do I water an orchid in winter?",
    "a rocket on its launch pad before sunrise",
    "a cup of coffee and a spoon on a wooden table",
    "diagram of a steam engine with numbered parts",
    "white marble statue of a standing woman",
    "a page of handwriting from 1784",
    "a street market with fruit, vegetables and flowers",
    "mountains behind a lake, early morning, fog",
    "a yellow tram in a narrow street",
    "a bowl of noodle soup",
    "the moon",
    "portrait of a man with a beard and a hat, oil on canvas",
    "a chart with a rising line, blue on white",
    "a black dog that runs along the beach towards the camera with a stick in its mouth",
    "tools for the garden: a spade, a rake, a pair of gloves and a watering can made of tin",
    "which of these has leaves that stand opposite each other, and flowers in May?",
)


def read_pictures(pictures: Path | Sequence[Path] | None) -> list[Image.Image]:
    """Return the pictures of a folder or a list of files; without them, drawn ones.

    Raises:
        ConfigError: There is none that can be read.
    """
    if pictures is None:
        return _draw()
    files = _files(pictures) if isinstance(pictures, Path) else list(pictures)
    found: list[Image.Image] = []
    for file in files[:MOST]:
        try:
            data = file.read_bytes()
            found.append(open_image(data, max_pixels=_MOST_PIXELS, name=str(file), least_side=1024))
        except (OSError, SourceError):
            continue
    if not found:
        raise ConfigError(
            f"None of the {len(files)} pictures that were named can be read.",
            hint="Give --pictures a folder of photos.",
        )
    return found


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{str(folder)!r} is no folder.", hint="Mend --pictures.")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


def _draw() -> list[Image.Image]:
    # Parts of one drawing, turned and in other colours, are better than none.
    whole = probe_image()
    drawn: list[Image.Image] = []
    for number in range(_DRAWN):
        left, top = 8 * (number % 6), 6 * (number % 5)
        part = whole.crop((left, top, whole.width - left, whole.height - 2 * top))
        red, green, blue = part.rotate(15 * number).split()
        bands = [(red, green, blue), (blue, red, green), (green, blue, red)][number % 3]
        drawn.append(Image.merge("RGB", bands))
    return drawn
