"""The panel that shows a source: a picture large, or a text with the cited stretch marked.

On a wide screen it slides in at the right, on a phone it covers the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.element import Element

from florilegium.errors import FlorilegiumError, ItemNotFoundError
from florilegium.server.page.controls import block, icon_button, notice, picture, words
from florilegium.server.page.error_words import error_lines
from florilegium.server.page.visit import Visit
from florilegium.server.source_text import SourceText
from florilegium.types import Item, Modality, Span

_SIDE = 1024  # pixels: larger ones than the server remembers, so that the file is looked at
_AROUND = 20_000  # characters shown on each side of a mark


class SourcePanel:
    """Opens sources, one at a time."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._opening = 0
        with ui.dialog().props("position=right full-height").classes("fl-panel") as self._dialog:
            self._card = block("fl-panel-card", role="document")
        self._dialog.on_value_change(self._changed)

    async def open(
        self, id_: str, span: Sequence[int] | None = None, kept: Mapping[str, Any] | None = None
    ) -> None:
        """Show an item.

        Args:
            id_: The item.
            span: The stretch of its text that is marked.
            kept: What a chat kept of it, `path` and `quote`, which is shown where it is gone.
        """
        visit = self._visit
        self._opening += 1
        opening = self._opening
        self._card.clear()
        self._dialog.open()
        try:
            item = await visit.service.item(visit.user, visit.library, id_)
            text = SourceText(text="")
            if item.modality is Modality.TEXT:
                text = await visit.service.text(visit.user, visit.library, id_)
        except FlorilegiumError as error:
            if opening == self._opening:
                with self._card:
                    self._missing(error, kept or {})
            return
        if opening != self._opening:
            return  # another one was chosen meanwhile
        with self._card:
            self._head(item.title or item.source.path)
            words(item.source.path, "fl-path fl-panel-path")
            if item.modality is Modality.IMAGE:
                self._picture(item)
            else:
                self._text(item, text, span)

    def _missing(self, error: FlorilegiumError, kept: Mapping[str, Any]) -> None:
        say = self._visit.say
        self._head(str(kept.get("path") or say("item.missing")))
        with block("fl-panel-body", tabindex="0"):
            if isinstance(error, ItemNotFoundError) and kept:  # its message has an id alone
                notice("failed", say("item.gone", path=kept["path"]))
            else:
                notice("failed", say("item.missing"), *error_lines(say, error))
            if kept.get("quote"):
                words(say("item.kept"), "fl-key")
                words(str(kept["quote"]), "fl-source-text", tag="blockquote")

    def close(self) -> bool:
        """Close it; false if it was not open."""
        was_open = bool(self._dialog.value)
        self._dialog.close()
        return was_open

    def _changed(self) -> None:
        ui.run_javascript("fl.openSource()" if self._dialog.value else "fl.closeSource()")

    def _head(self, title: str) -> None:
        self._dialog.props["aria-label"] = title
        with block("fl-panel-head"):
            words(title, "fl-panel-title", tag="h2")
            icon_button("close", self._visit.say("app.close"), self._dialog.close)

    def _picture(self, item: Item) -> None:
        with block("fl-panel-body", tabindex="0"):
            with block("fl-large-place") as place:
                shown = picture(
                    self._visit.address(item.id, "picture"),
                    alt=item.title or item.source.path,
                    kind="fl-large",
                )
            shown.on("error", partial(self._explain, item, place), args=[])
            if item.width and item.height:
                words(f"{item.width} × {item.height}", "fl-quiet")
            self._fields(item)

    async def _explain(self, item: Item, place: Element) -> None:
        """Say why a picture cannot be shown; the browser knows only that it cannot."""
        visit = self._visit
        try:
            await visit.service.picture(visit.user, visit.library, item.id, side=_SIDE)
        except FlorilegiumError as error:
            place.clear()
            with place:
                notice("failed", visit.say("item.missing"), *error_lines(visit.say, error))

    def _fields(self, item: Item) -> None:
        if not item.fields:
            return
        words(self._visit.say("item.fields"), "fl-key")
        with block("fl-fields", tag="dl"):
            for name, value in item.fields:
                words(name, tag="dt")
                words(value, tag="dd")

    def _text(self, item: Item, whole: SourceText, span: Sequence[int] | None) -> None:
        cited = Span(start=span[0], end=span[1]) if span else item.span or Span(start=0, end=0)
        text, moved = whole.text, whole.moved(cited)
        start, end = moved.start, moved.end
        first, last = max(0, start - _AROUND), min(len(text), end + _AROUND)
        with block("fl-panel-body", tabindex="0"):
            self._fields(item)
            with block("fl-source-text"):
                self._left_out(first)
                words(text[first:start], tag="span")
                mark = words(text[start:end], "fl-mark", tag="mark")
                words(text[end:last], tag="span")
                self._left_out(len(text) - last)
        ui.run_javascript(f"fl.reveal({mark.id})")

    def _left_out(self, count: int) -> None:
        if count > 0:
            words(self._visit.say("item.left_out", count=count), "fl-quiet")
