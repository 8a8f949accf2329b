"""The filters of the search: what the library has of each kind, to choose from and to type in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from nicegui import ui

from florilegium.errors import FlorilegiumError, InvalidQueryError
from florilegium.facets import Facet, Facets
from florilegium.filters import Filter, parse_filter
from florilegium.server.page.controls import block, notice, words
from florilegium.server.page.error_words import error_lines
from florilegium.server.page.visit import Visit
from florilegium.server.service import MOST_FACETS

_KINDS: Final = ("folder", "suffix", "label", "fields")
_DAYS: Final = ("since", "until")
_PAUSE: Final = 500  # milliseconds: while a year is typed, it is a day of the first century

# The first value that fits what was typed is the one that Enter takes.
_FIRST_FITS: Final = (
    "(typed) => typed && setTimeout(() => { const select = getElement(%d)?.$refs.qRef;"
    " select?.setOptionIndex(-1); select?.moveOptionSelection(1, true); }, 20)"
)


class FilterForm:
    """Offers values in a fold. `on_change` is called when others were chosen.

    What the library has is read when the fold is opened, and filtered in the browser.
    """

    def __init__(self, visit: Visit, *, on_change: Callable[[], Awaitable[None]]) -> None:
        self._visit = visit
        self._on_change = on_change
        self._chosen: dict[str, list[str]] = {}
        self._days: dict[str, str] = {}
        self._fold = ui.expansion(visit.say("search.filters")).classes("fl-fold").props("dense")
        self._fold.props["toggle-aria-label"] = visit.say("search.filters")
        self._clear: ui.button | None = None  # until the fold is opened
        with self._fold:
            self._place = block("fl-filter-form")
        self._fold.on_value_change(self._open)

    @property
    def count(self) -> int:
        """Return how many values and days were chosen."""
        return sum(len(values) for values in self._chosen.values()) + len(self._days)

    @property
    def address(self) -> list[tuple[str, str]]:
        """Return what an address says of what was chosen."""
        chosen = [(name, value) for name in _KINDS for value in self._chosen.get(name, ())]
        return [*chosen, *((name, self._days[name]) for name in _DAYS if name in self._days)]

    async def put(self, address: Mapping[str, Sequence[str]]) -> None:
        """Choose what an address says; what is wrong with it, `filter` finds."""
        self._chosen = {
            name: list(dict.fromkeys(address[name])) for name in _KINDS if name in address
        }
        self._days = {name: address[name][0] for name in _DAYS if name in address}
        await self._open()
        self._tell()

    def filter(self) -> Filter | None:
        """Return what was chosen, if anything was. Raises InvalidQueryError for wrong days."""
        since, until = self._days.get("since"), self._days.get("until")
        if since and until and since > until:  # as the browser writes days, which sort as texts
            say = self._visit.say
            raise InvalidQueryError(say("search.days_reversed"), hint=say("search.days_exchange"))
        where = parse_filter(
            folders=self._chosen.get("folder", ()),
            suffixes=self._chosen.get("suffix", ()),
            labels=self._chosen.get("label", ()),
            fields=self._chosen.get("fields", ()),
            since=since,
            until=until,
        )
        return None if where.is_empty else where

    async def _open(self) -> None:
        if not self._fold.value:
            return
        visit = self._visit
        try:
            facets = await visit.service.facets(visit.user, visit.library)
        except FlorilegiumError as error:
            self._place.clear()
            with self._place:
                notice("failed", *error_lines(visit.say, error))
            return
        self._build(facets)

    def _build(self, facets: Facets) -> None:
        say = self._visit.say
        self._place.clear()
        with self._place:
            with block("fl-filters"):
                self._select("folder", facets.folders)
                self._select("suffix", facets.suffixes)
                self._select("label", facets.labels)
                self._select("fields", facets.fields)
                self._day("since", facets)
                self._day("until", facets)
            with block("fl-filter-foot"):
                if facets.since and facets.until:
                    key = "search.one_day" if facets.since == facets.until else "search.days"
                    words(say(key, first=facets.since, last=facets.until), "fl-quiet")
                self._clear = ui.button(say("search.clear"), color=None, on_click=self.clear)
                self._clear.props("flat dense no-caps").classes("fl-clear")
        self._tell()

    def _select(self, name: str, facet: Facet) -> None:
        chosen = self._chosen.get(name, [])
        values = [*facet.values, *(value for value in chosen if value not in facet.values)]
        if not values:
            return
        say = self._visit.say
        select = ui.select(
            values,
            label=say(f"search.{name}"),
            value=chosen,
            multiple=True,
            with_input=True,
            clearable=True,
            new_value_mode=None if facet.is_whole else "add-unique",
            on_change=lambda event: self._choose(name, event.value),
        )
        select.props("outlined dense use-chips options-dense")
        select.props["aria-label"] = say(f"search.{name}")
        select.on("input-value", js_handler=_FIRST_FITS % select.id)
        if not facet.is_whole:
            select.props["hint"] = say("search.most_frequent", count=MOST_FACETS)

    def _day(self, name: str, facets: Facets) -> None:
        say = self._visit.say
        field = ui.input(
            say(f"search.{name}"),
            value=self._days.get(name, ""),
            on_change=lambda event: self._choose_day(name, event.value),
        )
        field.props(f"outlined dense stack-label type=date debounce={_PAUSE}")
        field.props["aria-label"] = say(f"search.{name}")
        if facets.since and facets.until:
            field.props["min"], field.props["max"] = str(facets.since), str(facets.until)

    async def _choose(self, name: str, values: Sequence[str]) -> None:
        self._chosen[name] = list(values)
        await self._changed()

    async def _choose_day(self, name: str, value: str | None) -> None:
        self._days = {**self._days, name: value} if value else _without(self._days, name)
        await self._changed()

    async def clear(self) -> None:
        """Admit everything again."""
        self._chosen, self._days = {}, {}
        await self._open()
        await self._changed()

    async def _changed(self) -> None:
        self._tell()
        await self._on_change()

    def _tell(self) -> None:
        count = self.count
        name = self._visit.say("search.filters")
        self._fold.text = f"{name} ({count})" if count else name
        if self._clear is not None:
            self._clear.set_visibility(count > 0)


def _without(days: dict[str, str], name: str) -> dict[str, str]:
    return {key: day for key, day in days.items() if key != name}
