"""Texts and pictures of a user, as rows of one of the library's two spaces. Reads no index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from florilegium.cache import check_embeddings
from florilegium.errors import InvalidQueryError
from florilegium.inputs import ImageLike, read_picture
from florilegium.parts import Parts
from florilegium.tracing import traced
from florilegium.types import Embeddings, Purpose


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedded:
    """Embeddings of one space: shape (n, dim), float32, rows of unit length.

    `encoder` is the id of the encoder whose space it is; only rows of one id compare.
    """

    encoder: str
    embeddings: Embeddings


@traced("embed")
def embed(
    parts: Parts,
    *,
    texts: Sequence[str],
    images: Sequence[ImageLike],
    purpose: Purpose,
    crossing: bool,
    max_pixels: int,
) -> Embedded:
    """Return what `Library.embed` does; pictures of more than `max_pixels` pixels are refused."""
    if isinstance(texts, str) or not (len(texts) or len(images)):
        raise InvalidQueryError(
            f"Texts and pictures are expected as lists, one of which has something in it; "
            f"got the texts {texts!r}."[:200],
            hint="Write texts=[...] or images=[...].",
        )
    pictures = [read_picture(one, max_pixels=max_pixels).image for one in images]
    with parts.using() as backends:
        is_crossing = crossing or bool(pictures)
        encoder = backends.query_encoder() if is_crossing else backends.query_text_encoder()
        found = [np.zeros((0, encoder.info.dim), dtype=np.float32)]
        if texts:
            rows = encoder.encode_texts(list(texts), purpose=purpose)
            found.append(check_embeddings(rows, count=len(texts), encoder=encoder))
        if pictures:
            rows = encoder.encode_images(pictures)
            found.append(check_embeddings(rows, count=len(pictures), encoder=encoder))
        return Embedded(encoder=encoder.info.id, embeddings=np.concatenate(found))
