"""What stands below a hit of the search, and what the page's address says of it.

How it is used is tested with a browser, in tests/e2e/test_page_search_panel.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nicegui import Client

from florilegium.server.page.search_panel import SearchPanel
from florilegium.server.page.source_panel import SourcePanel
from florilegium.server.page.visit import Visit


@pytest.mark.parametrize(("score", "told"), [(0.0, []), (0.294, ["similarity 0.29"])])
def test_only_what_a_vector_list_had_has_a_similarity(
    canvas: Client,
    visit: Visit,
    shown: Callable[[], list[str]],
    score: float,
    told: list[str],
) -> None:
    panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda: None)
    before = len(shown())

    panel._foot({"id": "rose", "score": score, "modality": "text", "duplicates": []})

    assert shown()[before:] == told


def test_an_address_fills_the_form_with_what_it_can_mean(canvas: Client, visit: Visit) -> None:
    panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda: None)

    panel.put("red", "sound")
    assert (panel._field.value, panel._modality.value) == ("red", "")
    panel.put("red", "image")
    assert panel._modality.value == "image"
    assert panel.address == {}
