"""Filters are offered what the library has, keep what was chosen, and say where there is more.

That values can be picked and typed is tested with a browser, in
tests/e2e/test_page_search_panel.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from nicegui import Client

from florilegium.errors import InvalidQueryError, StoreError
from florilegium.facets import Facet, Facets
from florilegium.filters import Filter
from florilegium.server.page.filter_form import FilterForm
from florilegium.server.page.visit import Visit
from florilegium.server.service import Service
from tests.unit.server.page.running import on_client

FACETS = Facets(
    folders=Facet(values=("garden", "garden/roses")),
    suffixes=Facet(values=(".jpg",)),
    labels=Facet(values=("rose",), is_whole=False),
    fields=Facet(),
    since=date(2019, 1, 1),
    until=date(2024, 6, 1),
)


def in_form(
    visit: Visit, act: Callable[[FilterForm], Any], *, searches: list[int] | None = None
) -> dict[str, Any]:
    """Open a form, do something with it, and return its parts by their words."""

    async def changed() -> None:
        if searches is not None:
            searches.append(1)

    async def run(client: Client) -> dict[str, Any]:
        form = FilterForm(visit, on_change=changed)
        form._fold.value = True
        await form._open()
        if (doing := act(form)) is not None:
            await doing
        return {str(one.props.get("label") or one._text): one for one in client.elements.values()}

    return on_client(run)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def facets(*_: object) -> Facets:
        return FACETS

    monkeypatch.setattr(Service, "facets", facets)


def nothing(_: FilterForm) -> None:
    return None


@pytest.mark.usefixtures("offered")
def test_each_kind_that_there_is_has_its_values(visit: Visit) -> None:
    fields = in_form(visit, nothing)

    assert fields["Folder"].options == ["garden", "garden/roses"]
    assert fields["Kind of file"].options == [".jpg"]
    assert "Field" not in fields
    assert (fields["From"].props["min"], fields["To"].props["max"]) == ("2019-01-01", "2024-06-01")
    assert fields["This library has days from 2019-01-01 to 2024-06-01."].tag == "div"


def test_the_days_of_a_library_that_has_one_are_that_one(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def facets(*_: object) -> Facets:
        return replace(FACETS, until=FACETS.since)

    monkeypatch.setattr(Service, "facets", facets)

    assert "All days of this library are 2019-01-01." in in_form(visit, nothing)


@pytest.mark.usefixtures("offered")
def test_others_can_be_typed_where_not_all_are_listed_and_that_is_said(visit: Visit) -> None:
    fields = in_form(visit, nothing)

    assert "new-value-mode" not in fields["Folder"].props
    assert "hint" not in fields["Folder"].props
    assert fields["Label"].props["new-value-mode"] == "add-unique"
    assert fields["Label"].props["hint"].startswith("The 200 most frequent")


@pytest.mark.usefixtures("offered")
def test_what_was_chosen_makes_the_filter_and_is_kept_when_the_fold_is_opened_again(
    visit: Visit,
) -> None:
    seen: list[Filter | None] = []
    searches: list[int] = []

    async def choose(form: FilterForm) -> None:
        seen.append(form.filter())
        await form._choose("folder", ["garden"])
        await form._choose("label", ["rare"])
        await form._choose_day("since", "2020-01-02")
        seen.append(form.filter())
        await form._open()

    fields = in_form(visit, choose, searches=searches)

    assert seen == [
        None,
        Filter(folders=("garden",), labels=("rare",), since=date(2020, 1, 2)),
    ]
    assert len(searches) == 3
    assert fields["Label"].value == ["rare"]
    assert fields["From"].value == "2020-01-02"
    assert "Filters (3)" in fields


@pytest.mark.usefixtures("offered")
def test_all_is_admitted_again_once_the_filters_are_cleared(visit: Visit) -> None:
    async def choose_and_clear(form: FilterForm) -> None:
        await form._choose("folder", ["garden"])
        await form._choose_day("until", "2020-01-02")
        await form.clear()
        assert form.filter() is None

    fields = in_form(visit, choose_and_clear)

    assert fields["Folder"].value == []
    assert fields["To"].value == ""


@pytest.mark.usefixtures("offered")
def test_days_in_the_wrong_order_are_an_error(visit: Visit) -> None:
    async def choose(form: FilterForm) -> None:
        await form._choose_day("since", "2020-01-02")
        await form._choose_day("until", "2020-01-01")
        with pytest.raises(InvalidQueryError, match=r"^The first day is after the last one\.$"):
            form.filter()

    in_form(visit, choose)


def test_what_cannot_be_read_is_said_in_the_fold(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> Facets:
        raise StoreError("The catalog failed.", hint="Check the disk.")

    monkeypatch.setattr(Service, "facets", broken)
    told: list[str] = []

    def look(form: FilterForm) -> None:
        told.extend(str(one._text) for one in form._place.descendants() if one._text)

    in_form(visit, look)

    assert told == ["The catalog failed.", "Check the disk."]
