"""Accounts and the page in a real browser: log in, ask, log out, and nobody else's page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import QUESTION, answered, ask
from tests.e2e.conftest import Served, serving_page

pytestmark = pytest.mark.slow

PASSWORD = "a long enough password for tests"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server with an account."""
    place = tmp_path_factory.mktemp("accounts")
    file = place / "users.json"
    command = [sys.executable, "-m", "florilegium", "users", "add", "anna", "--users", str(file)]
    subprocess.run([*command, "--password-stdin"], input=PASSWORD, text=True, check=True)
    with serving_page(place, users=Path(file)) as served:
        yield served


def test_who_logs_in_comes_to_the_page_and_who_logs_out_is_kept_from_it(
    browser: Browser, served: Served
) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()

    page.goto(f"{served.address}/?tab=chat")
    assert "/login" in page.url
    page.fill("input[name=name]", "anna")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.locator(".fl-chats > *").first.wait_for(state="attached")
    ask(page, "How many sides has the red square?")
    answered(page)
    other = context.new_page()
    other.goto(served.address)
    other.locator(".fl-chat").wait_for()
    other.click("[aria-label='Signed in as anna']")
    other.click(".fl-log-out")
    other.wait_for_url("**/login")

    # The page that is still open in another tab gets no further answer.
    ask(page, "Has the green circle corners?")
    page.wait_for_url("**/login*")
    page.fill("input[name=name]", "anna")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator(QUESTION)).to_have_value("Has the green circle corners?")
    answered(page)
    context.close()


def test_the_page_of_somebody_else_cannot_be_written_to(browser: Browser, served: Served) -> None:
    context = browser.new_context()
    answer = context.request.post(
        f"{served.address}/_nicegui/client/00000000-0000-4000-8000-000000000000/upload/1",
        multipart={"file": {"name": "a.png", "mimeType": "image/png", "buffer": b"x"}},
    )

    assert answer.status == 401
    context.close()
