"""What the REST routes share: who asks, the service, and how errors are described in OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeAlias, cast

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPBearer
from pydantic import AfterValidator

from florilegium.errors import InvalidQueryError, ItemNotFoundError
from florilegium.server.authentication import current_user
from florilegium.server.pictures import picture_bytes
from florilegium.server.rest.answers import ErrorBody
from florilegium.server.service import Service
from florilegium.server.users import User
from florilegium.types import Picture

_LONGEST: Final = 100
_ID: Final = re.compile("^[0-9a-f]{32}$")


def service_of(request: Request) -> Service:
    """Return the service of the app that the request came to."""
    return cast(Service, request.app.state.service)


_KEY = HTTPBearer(
    scheme_name="key",
    description="The key of the server or of an account. A server for its own machine may have "
    "none, and asks for none.",
    auto_error=False,  # the guard of the app has looked at it already
)


async def known_user(
    user: Annotated[User, Depends(current_user)], _: Annotated[object, Security(_KEY)]
) -> User:
    """Return who makes a request; the description of its route says that this takes a key."""
    return user


TheService = Annotated[Service, Depends(service_of)]
TheUser = Annotated[User, Depends(known_user)]
LibraryName = Annotated[str, Path(description="The name of a library.", examples=["flowers"])]


def _check_id(id_: str) -> str:
    """Raise ItemNotFoundError for what is no id of any library: it is looked for in none."""
    if _ID.fullmatch(id_) is None:
        raise ItemNotFoundError(
            f"There is no item {id_[:_LONGEST]!r} in this library.",
            hint="Ids have 32 characters, 0-9 and a-f, as searches give them.",
        )
    return id_


ItemId = Annotated[
    str,
    Path(
        description="The id of an item, as searches give it.",
        json_schema_extra={"pattern": _ID.pattern},
        examples=["0f343b0931126a20f133d67c2b018a3b"],
    ),
    AfterValidator(_check_id),
]

Responses: TypeAlias = dict[int | str, dict[str, Any]]

ERRORS: Final[Responses] = {
    400: {"model": ErrorBody, "description": "The request cannot be read."},
    401: {"model": ErrorBody, "description": "No key, or a wrong one."},
    403: {"model": ErrorBody, "description": "This user may not do that."},
    404: {"model": ErrorBody, "description": "No such library, item or job."},
    409: {"model": ErrorBody, "description": "Nothing was ingested yet, or by other encoders."},
    413: {"model": ErrorBody, "description": "The body has too many bytes."},
    415: {"model": ErrorBody, "description": "The body is compressed, or of a type not read."},
    422: {"model": ErrorBody, "description": "A value is wrong."},
    429: {"model": ErrorBody, "description": "Too many requests; Retry-After says when to try."},
    500: {"model": ErrorBody, "description": "The server failed."},
    502: {"model": ErrorBody, "description": "The chat model failed."},
    503: {"model": ErrorBody, "description": "A model is out of reach."},
    504: {"model": ErrorBody, "description": "It took too long."},
}


async def read_images(service: Service, images: Sequence[str], *, since: float) -> list[Picture]:
    """Return the pictures of a body; `since` is when it came. Raises InvalidQueryError."""
    return await service.read_pictures([picture_bytes(image) for image in images], since=since)


async def picture_of(
    service: Service, user: User, library: str, id_: str, *, since: float
) -> Picture:
    """Return the picture of an item, to search for what is like it."""
    item = await service.item(user, library, id_, since=since)
    if item.width is None:
        raise InvalidQueryError(
            f"The item {id_!r} is no picture.", hint="Give the id of an image item."
        )
    data = await service.picture(user, library, id_, side=1024, since=since)
    picture = await service.read_picture(data, since=since)
    # By the hash of its file it is known as what it is, and never found as evidence for itself.
    return Picture(image=picture.image, content_hash=item.source.content_hash)
