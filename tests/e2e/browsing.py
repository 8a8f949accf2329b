"""What tests of the page do in a browser: ask, wait, search, drop and paste pictures."""

from __future__ import annotations

import base64
import io

from playwright.sync_api import Page, expect

from tests.conftest import draw
from tests.e2e.conftest import Served

QUESTION = ".fl-tab-chat textarea"
SEARCH = ".fl-tab-search input[type=search]"
DROP = """([selector, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "mine.png", { type: "image/png" }));
  const target = document.querySelector(selector);
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(
      new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""
PASTE = """([selector, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "mine.png", { type: "image/png" }));
  document.querySelector(selector).dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
}"""


def drawn(colour: str, shape: str) -> str:
    file = io.BytesIO()
    draw(colour, shape, size=48).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def ask(page: Page, question: str) -> None:
    page.fill(QUESTION, question)
    page.press(QUESTION, "Enter")


def answered(page: Page, count: int = 1) -> None:
    expect(page.locator(".fl-answer[aria-busy=false]")).to_have_count(count)


def search(page: Page, words: str) -> None:
    page.fill(SEARCH, words)
    page.press(SEARCH, "Enter")
    page.locator(".fl-grid").wait_for()


def paths(page: Page) -> list[str]:
    return page.locator(".fl-grid .fl-path").all_inner_texts()


def wait_for_notes(page: Page, served: Served, count: int) -> None:
    for _ in range(600):  # shorter than a slow answer, longer than a closed page is waited for
        if served.notes.count("ended") >= count:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the chat model speaks on")


def width_of(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))
