"""A picture that is pasted, dropped or chosen: read within the server's limits, shown as a chip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nicegui import events, ui

from florilegium.errors import FlorilegiumError
from florilegium.server.page.controls import block, icon_button, picture, tell_error, weakly, words
from florilegium.server.page.turns import PICTURE_SIDE, THUMBNAIL_SIDE, data_url, jpeg
from florilegium.server.page.visit import Visit
from florilegium.types import Picture

# Of files that the browser does not send, their names and why.
REJECTED = "(files) => emit(files.map((one) => [one.file.name, one.failedPropValidation]))"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """A picture that somebody gave, and what is kept and shown of it, as JPEG."""

    picture: Picture
    kept: bytes
    shown: str


class PictureInput:
    """Takes one picture at a time. What is uploaded reaches this opened page alone."""

    def __init__(self, visit: Visit, *, on_change: Callable[[], object]) -> None:
        self._visit = visit
        self._on_change = on_change
        self._chip = block("fl-chip-place")
        self.given: Given | None = None
        limit = int(visit.service.config.max_body_megabytes * 1_000_000 * 0.98)  # the form's part
        self._upload = ui.upload(
            auto_upload=True,
            max_file_size=limit,
            on_upload=weakly(self._receive),
        ).classes("fl-hidden-upload")
        self._upload.on("rejected", weakly(self._reject), js_handler=REJECTED)
        self._upload.props('accept="image/*"')
        self._upload.props["aria-hidden"] = "true"

    @property
    def target(self) -> int:
        """Return the id of the element that pasted and dropped files are handed to."""
        return self._upload.id

    def add_button(self) -> ui.button:
        """Return a button that opens the system's choice of files, or a phone's camera."""
        button = icon_button("o_add_photo_alternate", self._visit.say("ask.add_picture"))
        return button.on(
            "click", js_handler=f"() => getElement({self._upload.id}).$refs.qRef.pickFiles()"
        )

    async def take(self, data: bytes, *, name: str) -> None:
        """Take the bytes of a picture; what they are is said if they are none."""
        try:
            found = await self._visit.service.read_picture(data, name=name)
        except FlorilegiumError as error:
            tell_error(self._visit.say, error)
            return
        await self.put(found)

    async def put(self, found: Picture) -> None:
        """Take a picture that was read before."""
        self.given = await asyncio.to_thread(_give, found)
        self._show()

    def clear(self) -> None:
        """Forget the picture."""
        self.given = None
        self._show()

    async def _receive(self, event: events.UploadEventArguments) -> None:
        data = await event.file.read()
        self._upload.reset()
        await self.take(data, name=event.file.name)

    def _reject(self, event: events.GenericEventArguments) -> None:
        say = self._visit.say
        megabytes = f"{self._visit.service.config.max_body_megabytes:g}"
        for name, reason in event.args:
            is_large = reason == "max-file-size"
            large = say("ask.too_large", name=name, megabytes=megabytes)
            ui.notify(large if is_large else say("ask.no_picture", name=name), type="negative")

    def _show(self) -> None:
        say = self._visit.say
        self._chip.clear()
        if self.given is not None:
            with self._chip, block("fl-chip"):
                picture(self.given.shown, alt=say("ask.picture"), kind="fl-chip-picture")
                words(say("ask.picture"))
                icon_button("close", say("ask.remove_picture"), self.clear)
        self._on_change()


def _give(found: Picture) -> Given:
    return Given(
        picture=found,
        kept=jpeg(found.image, PICTURE_SIDE),
        shown=data_url(jpeg(found.image, THUMBNAIL_SIDE)),
    )
