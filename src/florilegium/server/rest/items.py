"""Routes that give items, their pictures and their texts: by id alone, never by a path."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import PlainTextResponse

from florilegium.errors import UnsupportedFileError
from florilegium.reading import check_unchanged
from florilegium.serialize import item_to_json
from florilegium.server.rest.answers import ItemBody
from florilegium.server.rest.etags import etag_of, has_already
from florilegium.server.rest.routes import (
    ERRORS,
    ItemId,
    LibraryName,
    Responses,
    TheService,
    TheUser,
)
from florilegium.types import Modality

router = APIRouter(prefix="/api/libraries/{library}/items/{id_}", tags=["items"], responses=ERRORS)

# A picture of an id may change with its file, so it is asked for again after a while.
_PRIVATE = {"Cache-Control": "private, max-age=300", "Vary": "Authorization, Cookie"}
_JPEG: Responses = {
    200: {"content": {"image/jpeg": {}}, "description": "The picture."},
    304: {"description": "The picture is the one that the client has."},
    410: {"model": ERRORS[422]["model"], "description": "Its file is gone, or another one now."},
}
_TEXT: Responses = {
    200: {
        "content": {"text/plain": {}},
        "description": "The text.",
        "headers": {
            "X-Text-Start": {
                "description": "Where it begins in its file, in characters.",
                "schema": {"type": "integer", "minimum": 0},
            }
        },
    }
}
_LARGE = 4096

Side = Annotated[int, Query(ge=16, le=_LARGE, description="Longest side in pixels.")]
IfNoneMatch = Annotated[
    str | None, Header(description="ETags of what the client has; a picture of them is not sent.")
]


@router.get("", response_description="The item.")
async def item(library: LibraryName, id_: ItemId, service: TheService, user: TheUser) -> ItemBody:
    """Return an item."""
    found = await service.item(user, library, id_)
    return ItemBody.model_validate(item_to_json(found))


@router.get("/thumbnail", response_class=Response, responses=_JPEG)
async def thumbnail(
    library: LibraryName,
    id_: ItemId,
    service: TheService,
    user: TheUser,
    side: Side = 256,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the picture of an image item, small."""
    return await _picture(library, id_, service, user, side, if_none_match)


@router.get("/picture", response_class=Response, responses=_JPEG)
async def picture(
    library: LibraryName,
    id_: ItemId,
    service: TheService,
    user: TheUser,
    side: Side = 2048,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the picture of an image item, upright and as JPEG, whatever its file is."""
    return await _picture(library, id_, service, user, side, if_none_match)


@router.get("/text", response_class=Response, responses=_TEXT)
async def text(library: LibraryName, id_: ItemId, service: TheService, user: TheUser) -> Response:
    """Return the whole text that a text item stands in, without front matter.

    `X-Text-Start` is where it begins in its file, in characters: from a span of the item take it
    away to find the place.
    """
    found = await service.item(user, library, id_)
    if found.modality is not Modality.TEXT:
        raise UnsupportedFileError(
            f"The item {id_!r} is no text.", hint="Ask for its picture instead."
        )
    whole = await service.text(user, library, id_)
    return PlainTextResponse(whole.text, headers={**_PRIVATE, "X-Text-Start": str(whole.start)})


async def _picture(
    library: str,
    id_: str,
    service: TheService,
    user: TheUser,
    side: int,
    if_none_match: str | None,
) -> Response:
    item = await service.item(user, library, id_)
    etag = etag_of(item.source.content_hash, side=side)
    headers = {**_PRIVATE, "ETag": etag}
    if item.modality is Modality.IMAGE and has_already(if_none_match, etag):
        await service.look(user, library, lambda _: check_unchanged(item.source))
        return Response(status_code=304, headers=headers)
    data = await service.picture(user, library, id_, side=side)
    return Response(data, media_type="image/jpeg", headers=headers)
