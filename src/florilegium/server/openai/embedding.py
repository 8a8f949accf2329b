"""The route of embeddings: texts and pictures as vectors of one encoder of a library."""

from __future__ import annotations

import base64
from time import monotonic
from typing import Final

from florilegium.embedding import Embedded
from florilegium.errors import InvalidRequestError
from florilegium.library import Library
from florilegium.protocols import Encoder
from florilegium.serialize import Json
from florilegium.server.openai.catalogue import SpaceName, split_encoder
from florilegium.server.openai.errors import ParameterError, about
from florilegium.server.openai.schema import EmbeddingsRequest
from florilegium.server.pictures import picture_bytes
from florilegium.server.question_limits import check_whole
from florilegium.server.service import Service
from florilegium.server.users import User
from florilegium.types import Embeddings, Modality

MOST_CHARACTERS: Final = 1_000_000
"""Characters that the texts of a request may have together: counting their tokens takes seconds."""

_MOST_PER_TOKEN: Final = 32  # characters; no language has as many on average, not even with spaces


async def answer_embeddings(request: EmbeddingsRequest, *, service: Service, user: User) -> Json:
    """Return the embeddings of all inputs in their order, texts before pictures.

    Raises:
        ParameterError: There is no such encoder for this user; there is no input, a text is empty
            or too long, or a picture cannot be read; or the encoder reads no pictures or gives
            another number of dimensions.
    """
    since = monotonic()
    with about("model"):
        name, space = split_encoder(request.model)
        service.served(name, user)

    with about("florilegium.images"):
        files = [picture_bytes(url) for url in request.florilegium.images]
        images = await service.read_pictures(files, since=since)

    def check(library: Library) -> int:
        with library.reading() as index:
            encoder = index.text_encoder if space == "text" else index.encoder
            return check_inputs(request, encoder, space=space)

    def embed(library: Library) -> Embedded:
        return library.embed(
            texts=request.texts,
            images=images,
            purpose=request.florilegium.purpose,
            crossing=space == "image",
        )

    tokens = await service.look(user, name, check, since=since)
    embedded = await service.embed(user, name, embed, since=since)
    return {
        "object": "list",
        "model": request.model,
        "data": [
            {
                "object": "embedding",
                "index": place,
                "embedding": pack(row) if request.encoding_format == "base64" else row.tolist(),
            }
            for place, row in enumerate(embedded.embeddings)
        ],
        # Pictures have no tokens.
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "florilegium": {"encoder": embedded.encoder},
    }


def check_inputs(request: EmbeddingsRequest, encoder: Encoder, *, space: SpaceName) -> int:
    """Return how many tokens the texts have. Raises ParameterError."""
    info = encoder.info
    if not request.texts and not request.florilegium.images:
        raise _refused(
            "input", "There is nothing to embed.", "Give texts as input, or florilegium.images."
        )
    if request.dimensions not in {None, info.dim}:
        raise _refused(
            "dimensions",
            f"The encoder {info.id!r} gives {info.dim} dimensions, not {request.dimensions}.",
            "Leave dimensions out.",
        )
    if request.texts and Modality.TEXT not in info.modalities:
        raise _refused(
            "input",
            f"The encoder {info.id!r} reads no texts.",
            "Ask for the one of texts, whose id ends with :text.",
        )
    if request.florilegium.images and space == "text":
        raise _refused(
            "florilegium.images",
            "Pictures are not compared with texts in the space of the text encoder.",
            "Ask for the encoder of pictures and texts, whose id ends with :image.",
        )
    _check_characters(request, most=_MOST_PER_TOKEN * info.max_text_tokens)
    total = 0
    for place, text in enumerate(request.texts):
        param = _param(request, place)
        with about(param):
            check_whole(text)
        if not text.strip():
            raise _refused(param, "The text is empty.", "Leave it out, or send some words.")
        tokens = encoder.count_tokens(text)
        if tokens > info.max_text_tokens:
            raise _refused(
                param,
                f"The text has {tokens} tokens, more than the {info.max_text_tokens} that "
                f"{info.id!r} reads, and nothing is cut silently.",
                "Send it in shorter pieces.",
            )
        total += tokens
    return total


def pack(row: Embeddings) -> str:
    """Return the float32 of one embedding, shape (dim,), little-endian and in base64."""
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")


def _check_characters(request: EmbeddingsRequest, *, most: int) -> None:
    """Refuse what is too long for its tokens to be counted. Raises ParameterError."""
    for place, text in enumerate(request.texts):
        if len(text) > most:
            raise _refused(
                _param(request, place),
                f"The text has {len(text)} characters, more than the {most} that are taken.",
                "Send it in shorter pieces.",
            )
    together = sum(map(len, request.texts))
    if together > MOST_CHARACTERS:
        raise _refused(
            "input",
            f"The texts have {together} characters together, more than the {MOST_CHARACTERS} "
            "that are taken.",
            "Send them in several requests.",
        )


def _param(request: EmbeddingsRequest, place: int) -> str:
    return "input" if isinstance(request.input, str) else f"input[{place}]"


def _refused(param: str, message: str, hint: str) -> ParameterError:
    return ParameterError(InvalidRequestError(message, hint=hint), param)
