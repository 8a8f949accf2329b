"""Pictures in a terminal, two pixels to a character cell. Knows Pillow and rich, no library.

The upper half of a cell takes the foreground colour of `▀`, the lower half the background.
"""

from __future__ import annotations

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

HALF_BLOCK = "▀"


def can_show(console: Console) -> bool:
    """Return whether pictures come out right here: a terminal with true colour, no pipe."""
    # `is_terminal` can be forced by the environment for a pipe; `isatty` cannot.
    return console.file.isatty() and console.color_system == "truecolor"


def draw(image: Image.Image, *, columns: int, rows: int) -> Text:
    """Return an RGB picture as text of at most `columns` cells by `rows` lines."""
    width, height = _fit(image.size, columns=columns, pixel_rows=2 * rows)
    small = image.resize((width, height), Image.Resampling.BOX).convert("RGB")
    text = Text(no_wrap=True, end="")
    for top in range(0, height, 2):
        if top:
            text.append("\n")
        for x in range(width):
            text.append(HALF_BLOCK, style=_cell(small, x, top))
    return text


def _fit(size: tuple[int, int], *, columns: int, pixel_rows: int) -> tuple[int, int]:
    width, height = size
    scale = min(columns / width, pixel_rows / height)
    even_height = max(2, round(height * scale / 2) * 2)
    return max(1, round(width * scale)), even_height


def _cell(image: Image.Image, x: int, top: int) -> Style:
    upper, lower = image.getpixel((x, top)), image.getpixel((x, top + 1))
    if not isinstance(upper, tuple) or not isinstance(lower, tuple):
        raise TypeError(f"An RGB picture is needed, not {image.mode!r}.")
    return Style(color=Color.from_rgb(*upper[:3]), bgcolor=Color.from_rgb(*lower[:3]))
