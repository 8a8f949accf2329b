from __future__ import annotations

import io

import pytest
from PIL import Image
from rich.console import Console
from rich.text import Text

from florilegium.cli.thumbnails import HALF_BLOCK, can_show, draw

RED, BLUE = (255, 0, 0), (0, 0, 255)


class Terminal(io.StringIO):
    """What a program sees as a terminal."""

    def isatty(self) -> bool:
        return True


def _colours(text: Text) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system="truecolor", width=80)
    console.print(text, end="")
    return stream.getvalue()


def test_two_pixels_above_each_other_share_a_cell() -> None:
    image = Image.new("RGB", (1, 2), RED)
    image.putpixel((0, 1), BLUE)

    text = draw(image, columns=1, rows=1)

    assert text.plain == HALF_BLOCK
    assert "38;2;255;0;0;48;2;0;0;255" in _colours(text)


@pytest.mark.parametrize(
    ("size", "columns", "rows"),
    [((100, 100), 4, 2), ((400, 100), 4, 1), ((100, 400), 1, 2), ((1, 1), 4, 2)],
)
def test_a_picture_fits_and_keeps_its_shape(size: tuple[int, int], columns: int, rows: int) -> None:
    lines = draw(Image.new("RGB", size), columns=4, rows=2).plain.split("\n")

    assert [len(line) for line in lines] == [columns] * rows


def test_a_very_flat_picture_still_has_a_line() -> None:
    assert draw(Image.new("RGB", (5000, 1)), columns=8, rows=4).plain == HALF_BLOCK * 8


def test_a_very_tall_picture_still_has_a_column() -> None:
    assert draw(Image.new("RGB", (1, 5000)), columns=8, rows=2).plain == "▀\n▀"


def test_grey_pictures_are_drawn_too() -> None:
    text = draw(Image.new("L", (4, 4), 128), columns=4, rows=2)

    assert "38;2;128;128;128" in _colours(text)


def test_a_terminal_with_true_colour_can_show_pictures() -> None:
    assert can_show(Console(file=Terminal(), color_system="truecolor"))


def test_a_terminal_with_few_colours_cannot() -> None:
    assert not can_show(Console(file=Terminal(), color_system="256"))


def test_a_pipe_cannot_even_if_colour_is_forced() -> None:
    pipe = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor")

    assert not can_show(pipe)
