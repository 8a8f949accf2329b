"""A browser, a server with the page, and the promise that the page needs nothing from elsewhere."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    Page,
    Route,
    expect,
    sync_playwright,
)

from tests.conftest import CHROMIUM, FAKES, ROOT, write_tiny_folder
from tests.ports import held_port

WITHOUT_CHROMIUM = "there is no Chromium here, so the page cannot be looked at"
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_PATIENCE = 60.0  # seconds until the server must answer
_WAIT = 30_000  # milliseconds that a test waits for what should appear


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that runs: its address, its library, where it keeps its files, and its process.

    `restart` ends it, does something while it is away, and starts it anew at the same address.
    """

    address: str
    library: Path
    folder: Path
    process: int
    restart: Callable[[Callable[[], object]], None]

    @property
    def notes(self) -> list[str]:
        """Return what the chat model noted."""
        file = self.folder / "notes.txt"
        return file.read_text(encoding="utf-8").split() if file.exists() else []


OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return the browser of this machine.

    While Playwright is open, this thread has an event loop, so that tests of other modules could
    not run one of their own.
    """
    if CHROMIUM is None:
        pytest.skip(WITHOUT_CHROMIUM)
    with sync_playwright() as playwright:
        expect.set_options(timeout=_WAIT)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server of the tiny library; a module with a library of its own overrides it."""
    with serving_page(tmp_path_factory.mktemp("page")) as served:
        yield served


@contextmanager
def serving_page(
    place: Path, *, prepare: Callable[[Path], None] | None = None, users: Path | None = None
) -> Iterator[Served]:
    """Serve the tiny library, with what `prepare` puts into its folder, in a process."""
    from florilegium import Library

    if CHROMIUM is None:
        pytest.skip(WITHOUT_CHROMIUM)
    library, folder = place / "tiny", place / "server"
    write_tiny_folder(library)
    if prepare is not None:
        prepare(library)
    folder.mkdir()
    with Library.create(library, overrides=FAKES | {"store.name": "chroma"}) as made:
        made.ingest()
    with held_port() as port:
        yield from _serving_at(port, library, folder, users)


def _serving_at(port: int, library: Path, folder: Path, users: Path | None) -> Iterator[Served]:
    command = [sys.executable, "-m", "tests.e2e.page_server", str(library), str(folder), str(port)]
    if users is not None:
        command.append(f"--users={users}")
    log = folder / "log.txt"

    def start() -> subprocess.Popen[bytes]:
        with log.open("a", encoding="utf-8") as output:
            return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)

    process = start()

    def restart(meanwhile: Callable[[], object]) -> None:
        nonlocal process
        process.terminate()
        process.wait(_PATIENCE)
        meanwhile()
        process = start()
        _wait_for(port, process, log)

    try:
        _wait_for(port, process, log)
        yield Served(
            address=f"http://127.0.0.1:{port}",
            library=library,
            folder=folder,
            process=process.pid,
            restart=restart,
        )
    finally:
        process.terminate()
        process.wait(_PATIENCE)
    said = log.read_text(encoding="utf-8")
    assert "Traceback" not in said, said


@pytest.fixture
def open_page(browser: Browser, served: Served) -> Iterator[OpenPage]:
    """Return what opens the page; afterwards nothing may have gone wrong in the browser."""
    contexts: list[BrowserContext] = []
    strange: list[str] = []

    def note(what: str) -> None:
        strange.append(what)

    def dismiss(dialog: Dialog) -> None:
        note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open_one(
        query: str = "",
        *,
        user: str = "anna",
        width: int = 1280,
        height: int = 860,
        language: str = "en-GB",
        dark: bool = False,
        context: BrowserContext | None = None,
    ) -> Page:
        if context is None:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                locale=language,
                color_scheme="dark" if dark else "light",
                permissions=["clipboard-read", "clipboard-write"],
            )
            context.add_cookies([{"name": "test_user", "value": user, "url": served.address}])
            context.set_default_timeout(_WAIT)
            contexts.append(context)

            def guard(route: Route) -> None:
                if route.request.url.startswith((served.address, "data:", "blob:")):
                    route.continue_()
                else:
                    strange.append(f"request to {route.request.url}")
                    route.abort()

            context.route("**/*", guard)
        page = context.new_page()
        page.on("dialog", dismiss)
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("console", lambda said: note(said.text) if said.type == "error" else None)
        page.goto(served.address + "/" + query)
        page.locator(".fl-chats > *").first.wait_for(state="attached")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert strange == []


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server did not begin: {log.read_text(encoding='utf-8')}")
