"""Pictures of more than eight bits per value, brought to eight. Pure; knows Pillow and no file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE: Final = 1024  # pixels of a tile
_Place: TypeAlias = tuple[slice, slice]


def eight_bits(image: Image.Image) -> Image.Image:
    """Return greys of more than eight bits scaled to eight, and other modes that convert."""
    if image.mode in ("La", "RGBa"):
        return image.convert(image.mode.replace("a", "A"))
    if not image.mode.startswith(("I", "F")):
        return image
    low, high = _finite_range(image)
    start, end = _grey_range(low, high, is_float=image.mode == "F")
    transparent = image.info.get("transparency")
    levels = np.empty((image.height, image.width), dtype=np.uint8)
    opaque = np.empty_like(levels) if isinstance(transparent, int) else None
    for place, values in _tiles(image):
        known = np.nan_to_num(values, nan=start, posinf=end, neginf=start)
        levels[place] = np.rint(np.clip((known - start) / (end - start), 0.0, 1.0) * 255.0)
        if opaque is not None:
            opaque[place] = np.where(values == transparent, 0, 255)
    grey = Image.fromarray(levels)
    if opaque is not None:
        grey.putalpha(Image.fromarray(opaque))
    return grey


def _tiles(image: Image.Image) -> Iterator[tuple[_Place, npt.NDArray[np.float64]]]:
    """Yield the values of some rows and columns at a time, and where they stand."""
    # All at once they would take more than forty bytes per pixel.
    for top in range(0, image.height, _SIDE):
        for left in range(0, image.width, _SIDE):
            right, bottom = min(left + _SIDE, image.width), min(top + _SIDE, image.height)
            tile = image.crop((left, top, right, bottom))
            place = slice(top, bottom), slice(left, right)
            yield place, np.asarray(tile).astype(np.float64)


def _finite_range(image: Image.Image) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for _, values in _tiles(image):
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _grey_range(low: float, high: float, *, is_float: bool) -> tuple[float, float]:
    """Return which values are black and white.

    Floats are written as 0 to 1, 0 to 255, or anything; whole numbers as 0 to 65535, or anything.
    "Anything" is stretched from its darkest to its lightest value.
    """
    ceilings = (1.0, 255.0) if is_float else (65535.0,)
    for ceiling in ceilings:
        if low >= 0.0 and high <= ceiling:
            return 0.0, ceiling
    return low, high if high > low else low + 1.0
