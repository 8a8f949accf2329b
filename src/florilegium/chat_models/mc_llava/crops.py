"""Which parts of a picture MC-LLaVA looks at, and how many tokens each part gets.

Follows the published image processor of MC-LLaVA to the pixel. Pure: sizes in, boxes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, as Pillow cuts."""

_GROWTH = 10  # pixels that the side of a crop grows by until the crops are few enough


def choose_boxes(width: int, height: int, *, side: int, most: int) -> list[Box]:
    """Return the whole picture, and then the crops of it from left to right, each from the top.

    Crops overlap by half of their side. A picture of hardly more than one crop has none.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        side: Of the smallest crop: what the vision tower reads, in pixels.
        most: Crops there may be besides the whole picture; larger pictures get larger crops.
    """
    whole = (0, 0, width, height)
    if most == 0 or max(width, height) <= side + side // 2:
        return [whole]
    while _count(width, side) * _count(height, side) > most:
        side += _GROWTH
    across, down = _spans(width, side), _spans(height, side)
    if len(across) == len(down) == 1:
        return [whole]
    return [whole, *((left, top, right, low) for left, right in across for top, low in down)]


def find_centres(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Return where the middle of each box is, as shares of the first, which is the picture."""
    _, _, width, height = boxes[0]
    return [
        ((left + right) / 2 / width, (top + low) / 2 / height) for left, top, right, low in boxes
    ]


def share_tokens(tokens: int, *, boxes: int) -> list[int]:
    """Return how many tokens of a picture each of its boxes gets: alike, the last one the rest."""
    share = tokens // boxes
    return [share] * (boxes - 1) + [tokens - share * (boxes - 1)]


def _count(length: int, side: int) -> int:
    # At least one, unlike in the original, where a strip that is thinner than a crop has no limit.
    return max(1, (length - side) // (side // 2) + 1)


def _spans(length: int, side: int) -> list[tuple[int, int]]:
    """Return from where to where crops reach in one direction; the last one ends at the edge."""
    starts = [step * (side // 2) for step in range(_count(length, side))]
    return [*((start, start + side) for start in starts[:-1]), (starts[-1], length)]
