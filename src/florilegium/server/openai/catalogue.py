"""The ids under which libraries and their encoders are models, and how they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, cast

from florilegium.errors import NotFoundError
from florilegium.serialize import Json
from florilegium.server.served import Served

SpaceName = Literal["text", "image"]

_SPACES: Final = ("text", "image")
_OWNER: Final = "florilegium"


def list_models(libraries: Sequence[Served], *, created: int) -> Json:
    """Return the models: each library, and its encoders of texts and of pictures."""
    ids = [id_ for served in libraries for id_ in _ids(served)]
    return {"object": "list", "data": [describe_model(id_, created=created) for id_ in ids]}


def describe_model(id_: str, *, created: int) -> Json:
    """Return one model as clients read it; `created` is when the server was started."""
    return {"id": id_, "object": "model", "created": created, "owned_by": _OWNER}


def library_of(id_: str) -> str:
    """Return the name of the library that a model belongs to; names have no colon."""
    return id_.partition(":")[0]


def check_model(id_: str) -> None:
    """Raise NotFoundError if what stands behind the name of the library is no encoder."""
    _, colon, space = id_.partition(":")
    if colon and space not in _SPACES:
        raise _unknown(id_)


def split_encoder(id_: str) -> tuple[str, SpaceName]:
    """Return the library and the space of the id of an encoder. Raises NotFoundError."""
    name, _, space = id_.partition(":")
    if space not in _SPACES:
        raise _unknown(id_)
    return name, cast(SpaceName, space)


def _ids(served: Served) -> list[str]:
    return [served.name, *(f"{served.name}:{space}" for space in _SPACES)]


def _unknown(id_: str) -> NotFoundError:
    return NotFoundError(
        f"There is no encoder {id_[:100]!r} here.",
        hint="Its id is the name of a library with :text or :image, as GET /v1/models lists them.",
    )
