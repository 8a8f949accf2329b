"""What a chat holds, made into what the page shows and what a follow-up question needs.

Pure functions of answers, exchanges and JSON. A stored reply is `answer_to_json`, with what each
list gave to the hits, and `stopped` or `error` if there is no whole answer.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from PIL import Image

from florilegium.answers import Answer, Candidate, Identification, Retrieved, Turn
from florilegium.citations import cite
from florilegium.errors import FlorilegiumError
from florilegium.images import thumbnail
from florilegium.serialize import Json, answer_to_json, citations_to_json, hits_to_json
from florilegium.server.chats import Exchange
from florilegium.types import Hit

PICTURE_SIDE = 1024  # pixels: of a question's picture as it is kept
THUMBNAIL_SIDE = 320
_QUALITY = 85


def hits_with_contributions(hits: Sequence[Hit]) -> list[Json]:
    """Return hits as JSON, each with what the lists gave to it."""
    return [
        data | {"contributions": [asdict(part) for part in hit.contributions]}
        for hit, data in zip(hits, hits_to_json(hits), strict=True)
    ]


def finished_reply(answer: Answer) -> Json:
    """Return an answer as it is stored and shown."""
    return answer_to_json(answer) | {"hits": hits_with_contributions(answer.hits)}


def unfinished_reply(
    text: str, *, found: Retrieved | None = None, error: Json | None = None
) -> Json:
    """Return what there is of an answer that was stopped, or that an `error` ended.

    Its numbers stand for what was found, as those of a whole answer do.
    """
    return {
        "answer": text,
        "refused": False,
        "stopped": error is None,
        "error": error,
        "searched": found.searched if found else "",
        "citations": citations_to_json(cite(text, found.hits)) if found else [],
        "hits": hits_with_contributions(found.hits) if found else [],
    }


def error_to_json(error: FlorilegiumError) -> Json:
    """Return what is told of an error."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def is_whole(reply: Json) -> bool:
    """Return whether a reply is a whole answer, so that a follow-up may rest on it."""
    return not reply.get("stopped") and reply.get("error") is None


def turns_of(exchanges: Sequence[Exchange], *, most: int) -> tuple[Turn, ...]:
    """Return the history for the next question: at most `most` turns, oldest first.

    As in `Answer.history`, only the newest picture is held; it stays in play even if its turn
    would be too old.
    """
    whole = [exchange for exchange in exchanges if is_whole(exchange.reply)]
    newest = next((one for one in reversed(whole) if one.picture is not None), None)
    kept = whole[-most:] if most else []
    if newest is not None and kept and newest not in kept:
        kept = [newest, *kept[1:]]
    return tuple(_turn(exchange, with_picture=exchange is newest) for exchange in kept)


def held(exchanges: Sequence[Exchange], *, most: int) -> list[Exchange]:
    """Return what `turns_of` needs of exchanges: whole ones, and of pictures the newest alone."""
    whole = [exchange for exchange in exchanges if is_whole(exchange.reply)]
    newest = next((one for one in reversed(whole) if one.picture is not None), None)
    kept = whole[-most:] if most else []
    if newest is not None and kept and all(one is not newest for one in kept):
        kept = [newest, *kept]
    return [one if one is newest else replace(one, picture=None) for one in kept]


def jpeg(image: Image.Image, side: int) -> bytes:
    """Return a picture as JPEG, at most `side` pixels wide and high."""
    file = io.BytesIO()
    thumbnail(image, side).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def data_url(picture: bytes) -> str:
    """Return a JPEG as an address that holds it, so that nobody else can fetch it."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"


def small(picture: bytes) -> bytes:
    """Return a kept picture as a thumbnail."""
    with Image.open(io.BytesIO(picture)) as image:
        return jpeg(image, THUMBNAIL_SIDE)


def _turn(exchange: Exchange, *, with_picture: bool) -> Turn:
    image = None
    if with_picture and exchange.picture is not None:
        with Image.open(io.BytesIO(exchange.picture)) as opened:
            image = opened.convert("RGB")
    return Turn(
        question=exchange.question,
        answer=str(exchange.reply["answer"]),
        image=image,
        image_hash=exchange.picture_hash,
        identification=_identification(exchange.reply.get("identification")),
    )


def _identification(data: Any) -> Identification | None:  # as answer_to_json wrote it
    if data is None:
        return None
    candidates = tuple(Candidate(**candidate) for candidate in data["candidates"])
    chosen = next((one for one in candidates if one.name == data["chosen"]), None)
    return Identification(
        candidates=candidates, chosen=chosen, by=data["by"], note=data.get("note")
    )
