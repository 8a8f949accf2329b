"""The library in a real browser: uploads and ingest."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from florilegium import Library
from florilegium.config import INDEX_FOLDER
from florilegium.courtesy import going_first
from florilegium.locking import writers_lock
from tests.conftest import draw
from tests.e2e.browsing import search
from tests.e2e.conftest import OpenPage, Served

pytestmark = pytest.mark.slow


def test_an_uploaded_picture_is_found_after_an_ingest(
    open_page: OpenPage, served: Served, tmp_path: Path
) -> None:
    page = open_page("?tab=library")
    file = tmp_path / "yellow square.png"
    draw("yellow", "square").save(file)
    expect(page.locator(".fl-figure-value").nth(1)).to_have_text("3")

    page.set_input_files(".fl-uploader input[type=file]", file)
    expect(page.locator(".fl-uploaded")).to_contain_text("yellow square.png was uploaded")
    expect(page.locator(".fl-uploader .q-uploader__file")).to_have_count(0)
    page.set_input_files(".fl-uploader input[type=file]", file)
    expect(page.locator(".fl-uploaded")).to_contain_text("yellow square.png was here already")
    other = open_page("?tab=library", context=page.context)
    expect(other.locator(".fl-figure-value").nth(1)).to_have_text("3")
    with going_first(served.library / ".florilegium"):  # so long the ingest does not end
        page.click("button:has-text('Ingest')")
        expect(other.locator("button:has-text('Stop the ingest')")).to_be_visible()
        expect(page.locator(".fl-uploaded")).to_be_empty()
    expect(other.locator(".fl-figure-value").nth(1)).to_have_text("4", timeout=120_000)
    expect(page.locator(".fl-figure-value").nth(1)).to_have_text("4", timeout=120_000)
    expect(page.locator(".fl-job")).to_contain_text("1 added")
    page.click(".q-tab:has-text('Search')")
    search(page, "yellow square")

    assert (served.library / "yellow square.png").exists()
    expect(page.locator(".fl-grid .fl-path", has_text="yellow square.png")).to_have_count(1)


def test_a_file_of_a_kind_that_nobody_reads_is_refused_with_the_reason(
    open_page: OpenPage, served: Served, tmp_path: Path
) -> None:
    page = open_page("?tab=library")
    file = tmp_path / "programme.exe"
    file.write_bytes(b"MZ")

    page.set_input_files(".fl-uploader input[type=file]", file)

    refused = page.locator(".fl-uploaded .fl-failed")
    expect(refused).to_contain_text("programme.exe was not taken")
    expect(page.locator(".fl-uploader .q-uploader__file")).to_have_count(0)
    page.set_input_files(".fl-uploader input[type=file]", file)
    expect(refused).to_have_count(2)
    assert not (served.library / "programme.exe").exists()


def test_who_may_only_read_sees_why_nothing_can_be_changed(open_page: OpenPage) -> None:
    page = open_page("?tab=library", user="reader")

    expect(page.locator(".fl-tab-library")).to_contain_text("You may read this library")
    expect(page.locator("button:has-text('Ingest')")).to_have_count(0)
    expect(page.locator(".fl-uploader")).to_have_count(0)


def test_what_another_process_writes_is_announced_and_shown_when_it_has_ended(
    open_page: OpenPage, served: Served
) -> None:
    page = open_page("?tab=library")
    texts = page.locator(".fl-figure-value").nth(2)
    before = int(texts.inner_text())
    told = page.get_by_text("Another program is writing to this library.")
    expect(told).to_have_count(0)
    note = served.library / "written by another.md"
    note.write_text("# Orange\n\nAn orange pentagon has five sides.\n", encoding="utf-8")

    with Library.open(served.library, overrides={"chat.name": "fake"}) as library:
        with writers_lock(served.library / INDEX_FOLDER, doing="a test"):
            expect(told).to_be_visible()
            expect(texts).to_have_text(str(before))
        library.ingest()

    expect(texts).to_have_text(str(before + 1))
    expect(told).to_have_count(0)
