"""Files, texts and models that mean harm: the browser runs none of it and fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import draw
from tests.e2e.browsing import QUESTION, answered, ask, paths, search
from tests.e2e.conftest import OpenPage, Served, serving_page

pytestmark = pytest.mark.slow

NAME = "<img src=x onerror=alert(1)>.png"
TEMPLATE = "{{constructor.constructor('alert(1)')()}}"
ARTICLE = f"""# {TEMPLATE} <script>alert(1)</script>

The purple hexagon has six corners. <img src=x onerror=alert(1)> <svg onload=alert(1)>
[x](javascript:alert(1)) ![](http://evil.example/p.png) `${{alert(1)}}` </script><script>alert(1)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server of a library with hostile files."""

    def put(folder: Path) -> None:
        draw("purple", "square").save(folder / NAME)
        (folder / f"{TEMPLATE}.md").write_text(ARTICLE, encoding="utf-8")
        (folder / "broken <script>alert(1)<script>.png").write_bytes(b"no picture")

    with serving_page(tmp_path_factory.mktemp("hostile"), prepare=put) as served:
        yield served


def nothing_was_made_of_it(page: Page) -> None:
    """Assert that no element came from what is only text; `open_page` watches for the rest."""
    assert page.locator("img[src=x], svg[onload], img[src*=evil]").count() == 0
    assert page.locator("a[href^=javascript]").count() == 0


def test_a_hostile_reply_is_shown_as_text(open_page: OpenPage) -> None:
    page = open_page()

    ask(page, "Is the purple hexagon hostile?")
    answered(page)

    reply = page.locator(".fl-reply")
    expect(reply).to_contain_text("<script>alert(1)</script>")
    expect(reply).to_contain_text(TEMPLATE)
    expect(reply.locator(".fl-cite")).to_have_count(1)
    nothing_was_made_of_it(page)
    page.reload()
    answered(page)
    nothing_was_made_of_it(page)


def test_a_hostile_text_is_shown_as_text(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "How many corners has the purple hexagon?")
    answered(page)

    page.locator(".fl-card-text", has_text="hexagon").first.click()

    source = page.locator(".fl-source-text")
    expect(source).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator(".fl-panel-title")).to_contain_text(TEMPLATE)
    nothing_was_made_of_it(page)


def test_a_hostile_file_name_is_shown_as_text(open_page: OpenPage) -> None:
    page = open_page("?tab=search")

    search(page, "purple")
    assert NAME in paths(page)
    page.locator(".fl-card-picture", has_text=NAME).click()

    expect(page.locator(".fl-panel-path")).to_have_text(NAME)
    page.wait_for_function("document.querySelector('.fl-large').naturalWidth === 64")
    nothing_was_made_of_it(page)


def test_a_hostile_name_of_a_file_that_failed_is_shown_as_text(open_page: OpenPage) -> None:
    page = open_page("?tab=library")

    expect(page.locator(".fl-failed-file")).to_contain_text("broken <script>alert(1)<script>.png")
    nothing_was_made_of_it(page)


def test_a_hostile_question_and_title_are_shown_as_text(open_page: OpenPage) -> None:
    page = open_page()

    ask(page, f"purple <img src=x onerror=alert(1)> {TEMPLATE}")
    answered(page)

    expect(page.locator(".fl-question-words")).to_contain_text(TEMPLATE)
    expect(page.locator(".fl-chat-title").first).to_contain_text("<img src=x onerror=alert(1)>")
    nothing_was_made_of_it(page)


def test_hostile_words_in_the_address_do_nothing(open_page: OpenPage) -> None:
    page = open_page("?tab=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&library=../../etc&chat=%27%22")

    expect(page.locator(QUESTION)).to_be_visible()
    nothing_was_made_of_it(page)


def test_a_hostile_filter_in_the_address_is_shown_as_text(
    open_page: OpenPage, served: Served
) -> None:
    asked = [
        ("tab", "search"),
        ("q", "purple"),
        *((name, f"x={NAME}{TEMPLATE}") for name in ("label", "fields", "since", "find", "most")),
        ("folder", "../../nowhere-on-the-disk"),
    ]
    page = open_page(f"?{urlencode(asked)}")

    expect(page.locator(".fl-results .fl-failed")).to_be_visible()
    page.click("text=Filters (4)")
    expect(page.locator(".fl-filter-form")).to_contain_text(f"{NAME}{TEMPLATE}")
    nothing_was_made_of_it(page)
    kept = [file.read_bytes() for file in served.folder.rglob("*") if file.is_file()]
    assert not any(b"nowhere-on-the-disk" in one for one in kept)
