"""The self-test: a picture and a text, the same in all versions, and how its rows are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

PROBE_TEXT = "A red rose in a garden, after the rain."

_WIDTH, _HEIGHT = 320, 240


def probe_image() -> Image.Image:
    """Return a picture of many colours, with edges, whose sides differ."""
    across = np.linspace(0, 255, _WIDTH)
    down = np.linspace(0, 255, _HEIGHT)[:, None]
    pixels = np.empty((_HEIGHT, _WIDTH, 3))
    pixels[:, :, 0] = across
    pixels[:, :, 1] = down
    pixels[:, :, 2] = 255 - (across + down) / 2
    pixels[60:180, 40:120] = (200, 20, 40)
    pixels[90:150, 180:300] = (250, 240, 60)
    pixels[::8, 200:] = 0
    return Image.fromarray(pixels.astype(np.uint8))


def cosine(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Return the cosine of two rows of one length; 0 if one of them has no direction."""
    a, b = (np.asarray(row, dtype=np.float64) for row in (one, other))
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0
