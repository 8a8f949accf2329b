"""The query of an address: only parameters that its route has, and each of them once.

Asks the route what it takes, so that routes made later are checked too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fastapi import Request
from fastapi.dependencies.models import Dependant

from florilegium.errors import InvalidRequestError
from florilegium.server.unknown_names import meant_by

_LONGEST: Final = 100  # characters of a name that is repeated


async def check_query(request: Request) -> None:
    """Raise InvalidRequestError for a parameter that the route does not have, or that is twice."""
    known = sorted(set(_names(request.scope["route"].dependant)))
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            shown = name[:_LONGEST]
            meant = meant_by(shown, known)
            raise InvalidRequestError(
                f"There is no query parameter {shown!r}"
                + (f"; did you mean {meant!r}?" if meant else "."),
                hint=f"It takes {', '.join(map(repr, known)) or 'none'}.",
            )
        if given.count(name) > 1:
            raise InvalidRequestError(
                f"The query parameter {name!r} is given {given.count(name)} times.",
                hint="Give it once.",
            )


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for other in dependant.dependencies:
        yield from _names(other)
