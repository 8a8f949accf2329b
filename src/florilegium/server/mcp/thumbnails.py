"""Pictures in the results of tools, within a budget: clients refuse results that are too large."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from mcp_types import ImageContent

from florilegium.errors import SourceError
from florilegium.server.service import Service
from florilegium.server.users import User

BUDGET = 600_000
"""Bytes that the pictures of one result may have together; a megabyte, with base64 and text."""

_SIDE = 448
_LARGE_SIDES = (1280, 896, 640, 448)


class Thumbnails:
    """Draws pictures of a library's items until the budget of one result is spent."""

    def __init__(self, service: Service, user: User, library: str) -> None:
        self._service = service
        self._user = user
        self._library = library
        self._left = BUDGET
        self.notes: list[str] = []

    async def small(self, id_: str) -> ImageContent | None:
        """Return a picture to tell what it shows; None, and a note, if it cannot be given."""
        try:
            data = await self._draw(id_, _SIDE)
        except SourceError as error:
            self.notes.append(f"The picture of {id_} is not shown: {error.message}")
            return None
        return self._spend(id_, data)

    async def large(self, id_: str, sides: Sequence[int] = _LARGE_SIDES) -> ImageContent | None:
        """Return a picture as large as the budget allows. Raises SourceError."""
        data = b""
        for side in sides:
            data = await self._draw(id_, side)
            if len(data) <= self._left:
                break
        return self._spend(id_, data)

    async def _draw(self, id_: str, side: int) -> bytes:
        return await self._service.picture(self._user, self._library, id_, side=side)

    def _spend(self, id_: str, data: bytes) -> ImageContent | None:
        if len(data) > self._left:
            self.notes.append(f"The picture of {id_} has no room here; get_item shows it.")
            return None
        self._left -= len(data)
        return ImageContent(
            type="image", data=base64.b64encode(data).decode("ascii"), mime_type="image/jpeg"
        )
