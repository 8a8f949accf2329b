"""What users hand in, made into what searches understand: pictures, signed terms, modalities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias, cast

from PIL import Image

from florilegium.answers import Turn
from florilegium.errors import InvalidQueryError
from florilegium.images import image_from
from florilegium.terms import split_terms
from florilegium.types import Modality, Picture, Query

ImageLike: TypeAlias = str | Path | bytes | Image.Image | Picture
"""A path, the bytes of a file, a Pillow image, or a picture that was opened before."""

MOST_PICTURES = 16
MOST_TERMS: Final = 16
"""Signed terms of a query: each is searched for as the whole text is, in every list."""

_CONTROLS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))


def make_query(
    text: str,
    *,
    image: ImageLike | Sequence[ImageLike] | None,
    modality: Modality | str | None,
    top_k: int,
    max_pixels: int,
) -> Query:
    """Return the query that a user means.

    Args:
        text: Words, with signed terms among them (see `split_terms`).
        image: A picture or several.
        modality: `image` or `text`, or None for both.
        top_k: How many hits are wanted.
        max_pixels: Pictures with more pixels are refused.

    Raises:
        InvalidQueryError: A picture cannot be read, there are too many of them or of the terms, or
            a value is unknown.
    """
    plain, terms = split_terms(read_text(text))
    if len(terms) > MOST_TERMS:
        raise InvalidQueryError(
            f"The query has {len(terms)} signed terms, but at most {MOST_TERMS} are searched for.",
            hint="Leave out the + of words, which are searched for without it too.",
        )
    return Query(
        text=plain,
        terms=terms,
        pictures=read_pictures(image, max_pixels=max_pixels),
        modality=read_modality(modality),
        top_k=read_top_k(top_k),
    )


def read_text(value: object) -> str:
    """Return a text to search or ask for. Raises InvalidQueryError for what is none.

    Control characters say nothing: a text that holds nothing else is empty.
    """
    if not isinstance(value, str):
        raise InvalidQueryError(
            f"A text to search or ask for is of the type {type(value).__name__!r}.",
            hint="Give it as `str`; a picture is given as `image`.",
        )
    is_empty = not value.translate(_CONTROLS).strip()
    return "" if is_empty and value.strip() else value  # blanks alone are empty as they are


def read_history(value: object) -> tuple[Turn, ...]:
    """Return the turns before a question. Raises InvalidQueryError for what is none."""
    if isinstance(value, list | tuple) and all(isinstance(turn, Turn) for turn in value):
        return tuple(value)
    raise InvalidQueryError(
        f"A history is of the type {type(value).__name__!r}, or holds what is no turn.",
        hint="Give `Answer.history` of the answer before, or a list of `Turn`.",
    )


def read_pictures(
    image: ImageLike | Sequence[ImageLike] | None, *, max_pixels: int
) -> tuple[Picture, ...]:
    """Return the pictures of a query. Raises InvalidQueryError."""
    if image is None:
        return ()
    if isinstance(image, list | tuple):
        given: list[ImageLike] = list(image)
    else:
        given = [cast(ImageLike, image)]  # which the errors of `image_from` check
    if len(given) > MOST_PICTURES:
        raise InvalidQueryError(
            f"The query has {len(given)} pictures, but at most {MOST_PICTURES} are searched with.",
            hint="Choose those that show best what you look for.",
        )
    return tuple(read_picture(one, max_pixels=max_pixels) for one in given)


def read_picture(image: ImageLike, *, max_pixels: int) -> Picture:
    """Return one picture of a query. Raises InvalidQueryError."""
    if isinstance(image, Picture):
        return image
    opened, content_hash = image_from(image, max_pixels=max_pixels)
    return Picture(image=opened, content_hash=content_hash)


def read_top_k(value: object) -> int:
    """Return how many hits are wanted, whatever the number. Raises InvalidQueryError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidQueryError(
            f"top_k is {value!r}, but must be a whole number.", hint="Say how many hits you want."
        )
    return value


def read_modality(value: Modality | str | None) -> Modality | None:
    """Return the modality that is meant. Raises InvalidQueryError."""
    try:
        return None if value is None else Modality(value)
    except ValueError as error:
        raise InvalidQueryError(
            f"There is no modality {value!r}.", hint="Say `image` or `text`, or leave it out."
        ) from error
