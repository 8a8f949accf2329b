"""Photograph the page for the docs: the demo library, at three widths, by day and by night.

Run `python -m scripts.screenshots`. Needs Chromium, the extras `demo` and `server`, and Playwright;
no network. The pictures go to docs/images/page-*.png.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
COLOURS = 192  # of a picture as it is stored; more are not seen
LOADED = """() => [...document.images].every(
  (image) => image.getBoundingClientRect().top > innerHeight || image.naturalWidth > 0)"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture: how wide, by day or night, in which language, and what is done before it."""

    name: str
    width: int
    do: Callable[[Page, Path], None]
    height: int = 860
    dark: bool = False
    language: str = "en-GB"


def greet(page: Page, _: Path) -> None:
    page.locator(".fl-greeting-picture").last.wait_for()


def ask(page: Page, question: str) -> None:
    page.fill(".fl-tab-chat textarea", question)
    page.press(".fl-tab-chat textarea", "Enter")
    page.locator(".fl-answer[aria-busy=false]").last.wait_for(timeout=60_000)


def coffee(page: Page, _: Path) -> None:
    ask(page, "What water temperature and how much coffee per litre for filter coffee?")


def source(page: Page, library: Path) -> None:
    coffee(page, library)
    page.locator(".fl-cite").first.click()
    page.locator(".fl-mark").wait_for()


def flower(page: Page, library: Path) -> None:
    crop = library / ".florilegium" / "demo" / "flower-crop.jpg"
    page.set_input_files(".fl-tab-chat input[type=file]", crop)
    page.locator(".fl-chip").wait_for()
    chinese = page.locator("html").get_attribute("lang") == "zh-CN"
    ask(page, "这是什么花？" if chinese else "Which flower is this and how do I water it?")


def refuse(page: Page, _: Path) -> None:
    ask(page, "How do I tune the strings of a violin?")


def search(page: Page, _: Path) -> None:
    page.locator(".q-tab").nth(1).click()
    page.fill(".fl-tab-search input[type=search]", "something round")
    page.press(".fl-tab-search input[type=search]", "Enter")
    page.locator(".fl-grid").wait_for()
    page.locator(".fl-search-form .fl-fold .q-item").first.click()
    page.locator(".fl-filters .q-field").first.wait_for()


def library(page: Page, _: Path) -> None:
    page.locator(".q-tab").nth(2).click()
    page.locator(".fl-figures").wait_for()


SHOTS = (
    Shot(name="welcome", width=1280, do=greet),
    Shot(name="source", width=1280, do=source),
    Shot(name="picture", width=820, do=flower, dark=True),
    Shot(name="refusal", width=820, do=refuse),
    Shot(name="search", width=1280, do=search, dark=True),
    Shot(name="library", width=820, do=library, language="zh-CN"),
    Shot(name="phone", width=390, height=844, do=coffee),
    Shot(name="phone-chinese", width=390, height=844, do=flower, dark=True, language="zh-CN"),
)


@contextmanager
def serving(folder: Path, state: Path) -> Iterator[str]:
    """Serve a library, and give the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    florilegium = [sys.executable, "-m", "florilegium"]
    command = [*florilegium, "serve", "--library", str(folder), "--port", str(port), "--uploads"]
    process = subprocess.Popen([*command, "--set", f"server.folder={state}"], cwd=state)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit("The server did not begin.") from None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def photograph(browser: Browser, address: str, folder: Path, shot: Shot) -> None:
    """Take one picture."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        locale=shot.language,
        color_scheme="dark" if shot.dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(address)
    page.locator(".fl-greeting").wait_for()
    shot.do(page, folder)
    page.wait_for_function(LOADED)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)  # the bar of an upload fades
    file = IMAGES / f"page-{shot.name}.png"
    page.screenshot(path=file)
    context.close()
    with Image.open(file) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Make all pictures anew."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("There is no Chromium here.")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder, state = Path(place) / "florilegium-demo", Path(place) / "server"
        state.mkdir()
        make = [sys.executable, "-m", "florilegium", "demo", "--folder", str(folder)]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        with serving(folder, state) as address:
            for shot in SHOTS:
                photograph(browser, address, folder, shot)
        browser.close()


if __name__ == "__main__":
    main()
