"""The search: words, a picture or both, filters, and what was found, each with its explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from nicegui import events, ui

from florilegium.errors import FlorilegiumError
from florilegium.retrieve import Explanation
from florilegium.server.page.composer import ENTER
from florilegium.server.page.controls import (
    block,
    icon_button,
    notice,
    raw_button,
    tell_error,
    words,
)
from florilegium.server.page.error_words import error_lines
from florilegium.server.page.examples import example_items
from florilegium.server.page.excerpt_card import excerpt_card
from florilegium.server.page.explain_view import confidence_bar, contributions_table, fold
from florilegium.server.page.filter_form import FilterForm
from florilegium.server.page.picture_input import Given, PictureInput
from florilegium.server.page.source_panel import SourcePanel
from florilegium.server.page.turns import hits_with_contributions
from florilegium.server.page.visit import Visit
from florilegium.types import Modality

_EXAMPLES = 6
_CHOICES = (8, 16, 32, 64)
_MOST = 16
_SIDE = 1024  # pixels of a picture of the library that is searched with

Address = list[tuple[str, str]]


class OnSearch(Protocol):
    """Keeps the address of a search."""

    def __call__(self, *, push: bool) -> None: ...


class SearchPanel:
    """Searches in all four directions.

    `on_search` is called when something is searched for; `push` says whether Back undoes it.
    """

    def __init__(self, visit: Visit, sources: SourcePanel, *, on_search: OnSearch) -> None:
        self._visit = visit
        self._on_search = on_search
        self._address: Address = []
        self._searched_with: Given | None = None
        self._sources = sources
        self._showing = 0
        words(visit.say("search.intro"), "fl-intro", tag="p")
        with block("fl-search-form", role="search"):
            self._form()
        self._results = block("fl-results", aria_live="polite")

    @property
    def picture_target(self) -> int:
        """Return the id of the element that takes pasted and dropped files."""
        return self._picture.target

    @property
    def address(self) -> Address:
        """Return what the page's address says of the last search; a picture is never in it."""
        return self._address

    async def put(self, address: Mapping[str, Sequence[str]]) -> None:
        """Fill the form with what an address says, which is no search yet."""
        text = next(iter(address.get("q", ())), "")
        modality, most = (next(iter(address.get(name, ())), "") for name in ("find", "most"))
        self._picture.clear()
        self._field.set_value(text[: self._visit.service.config.max_question_characters])
        self._modality.set_value(modality if modality in tuple(Modality) else "")
        self._most.set_value(int(most) if most in map(str, _CHOICES) else _MOST)
        await self._filters.put(address)
        self._address = self._said()

    async def go_back(self, address: Mapping[str, Sequence[str]]) -> None:
        """Show the search of another address, unless it is the one that is shown."""
        before = self._address
        is_picture = self._searched_with is not None
        await self.put(address)
        if is_picture or self._address != before:
            await self.greet()

    async def greet(self) -> None:
        """Show what there is to search for, or what an address asked for."""
        visit = self._visit
        if self._field.value:
            await self._look(str(self._field.value).strip(), None)
            return
        self._searched_with = None
        showing = self._next()
        library = visit.service.served(visit.library, visit.user).library
        items = await example_items(library, modality=Modality.IMAGE, count=_EXAMPLES)
        if showing != self._showing:
            return  # something was searched for meanwhile
        self._results.clear()
        with self._results, block("fl-examples"):
            for item in items:
                name = visit.say("search.example", title=item.title.strip())
                with raw_button("fl-example", name, partial(self._try, item.title.strip())):
                    words(item.title.strip(), tag="span")

    async def search(self) -> None:
        """Search for what the form says."""
        text = str(self._field.value or "").strip()
        given = self._picture.given
        if not text and given is None:
            return
        self._address = self._said()
        # Back does not bring a picture back, so what is chosen beside one is no step of its own.
        self._on_search(push=given is None or given is not self._searched_with)
        await self._look(text, given)

    async def _look(self, text: str, given: Given | None) -> None:
        visit = self._visit
        self._searched_with = given
        showing = self._next()
        self._results.clear()
        with self._results:
            words(visit.say("search.looking"), "fl-quiet")
        try:
            found = await visit.service.search(
                visit.user,
                visit.library,
                text,
                images=[given.picture] if given else [],
                modality=Modality(self._modality.value) if self._modality.value else None,
                top_k=int(self._most.value),
                where=self._filters.filter(),
            )
        except FlorilegiumError as error:
            if showing == self._showing:
                self._results.clear()
                with self._results:
                    notice("failed", *error_lines(visit.say, error))
            return
        if showing != self._showing:
            return  # the form has changed meanwhile
        self._results.clear()
        with self._results:
            self._show(found, text)

    def _next(self) -> int:
        """Count what is shown: who waited for something else meanwhile leaves it alone."""
        self._showing += 1
        return self._showing

    def _said(self) -> Address:
        most = int(self._most.value)
        said = [
            ("q", str(self._field.value or "").strip()),
            ("find", str(self._modality.value or "")),
            ("most", "" if most == _MOST else str(most)),
        ]
        return [*((name, value) for name, value in said if value), *self._filters.address]

    async def _changed(self) -> None:
        if self._said() != self._address:  # else it was an address that changed the form
            await self.search()

    def _form(self) -> None:
        say = self._visit.say
        with block("fl-field"):
            self._picture = PictureInput(self._visit, on_change=lambda: None)
            with block("fl-field-row"):
                self._picture.add_button()
                self._field = ui.input(placeholder=say("search.placeholder"))
                self._field.props("borderless dense type=search").classes("fl-question-field")
                self._field.props["aria-label"] = say("search.placeholder")
                self._field.on("keydown", self._entered, js_handler=ENTER)
                icon_button("search", say("search.button"), self.search).classes("fl-send")
        with block("fl-choices"):
            self._modality = ui.toggle(
                {
                    "": say("search.directions"),
                    "image": say("search.direction_image"),
                    "text": say("search.direction_text"),
                },
                value="",
                on_change=self._changed,
            ).props(
                "no-caps unelevated dense toggle-color=fl-accent toggle-text-color=fl-on-accent"
            )
            self._modality.props["aria-label"] = say("search.modality")
            self._most = ui.select(list(_CHOICES), value=_MOST, on_change=self._changed)
            self._most.props("dense borderless options-dense").classes("fl-most")
            self._most.props["aria-label"] = say("search.most")
            self._most.props["prefix"] = say("search.most")
        self._filters = FilterForm(self._visit, on_change=self._changed)

    async def _entered(self, event: events.GenericEventArguments) -> None:
        self._field.set_value(str(event.args))
        await self.search()

    async def _try(self, text: str) -> None:
        self._field.set_value(text)
        await self.search()

    def _show(self, found: Explanation, text: str) -> None:
        say = self._visit.say
        if not found.hits:
            key = "search.nothing_so" if self._filters.count else "search.nothing"
            words(say(key), "fl-quiet")
            return
        hits = hits_with_contributions(found.hits)
        words(say("search.found", count=len(hits)), "fl-key")
        with block("fl-grid"):
            for hit in hits:
                with block("fl-found"):
                    excerpt_card(
                        self._visit,
                        hit,
                        query=text,
                        open_source=partial(self._sources.open, str(hit["id"])),
                    )
                    self._foot(hit)
        fold(say("search.explain"), partial(self._explain, found))

    def _foot(self, hit: Mapping[str, Any]) -> None:
        with block("fl-found-foot"):
            # One that no vector list had, as by words alone, has the score 0 and no similarity.
            score = f"{hit['score']:z.2f}" if hit["score"] else ""
            similarity = score and self._visit.say("search.similarity", score=score)
            words(similarity, "fl-figure fl-quiet")
            if hit["modality"] == "image":
                act = partial(self._more_like, str(hit["id"]))
                icon_button("image_search", self._visit.say("search.more"), act)
        if hit["duplicates"]:
            copies = ", ".join(hit["duplicates"])
            words(f"{self._visit.say('item.duplicates')} {copies}", "fl-quiet fl-path")

    async def _more_like(self, id_: str) -> None:
        visit = self._visit
        try:
            data = await visit.service.picture(visit.user, visit.library, id_, side=_SIDE)
            picture = await visit.service.read_picture(data)
            item = await visit.service.item(visit.user, visit.library, id_)
        except FlorilegiumError as error:
            tell_error(visit.say, error)
            return
        # By its content, so that the picture does not find itself.
        await self._picture.put(replace(picture, content_hash=item.source.content_hash))
        self._field.set_value("")
        await self.search()

    def _explain(self, found: Explanation) -> None:
        confidence_bar(self._visit.say, found.evidence.confidence)
        with block("fl-lines", tag="ul"):
            for reason in found.evidence.reasons:
                words(reason, tag="li")
        contributions_table(self._visit.say, hits_with_contributions(found.hits))
