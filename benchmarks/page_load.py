"""How the web page bears a crowd: browsers that ask at once, and that are closed in their answers.

Usage: python -m benchmarks.page_load [--data FOLDER] [--out FOLDER] [--seconds N] [--keep]

The server runs in a process of its own on a loopback port. Chromium with all pages, and a chat
model that speaks a word every 20 ms, run on the same cores; what is measured is what a page shows.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright

from benchmarks import bench, mixed_data
from benchmarks.server_load import Server, serving, spread
from benchmarks.steady_model import SteadyModel, served

PAGES = 10
WORDS = 120
LONG = 3000  # words of an answer that would take a minute
PAUSE = 0.02
PACKAGES = (*bench.PACKAGES, "nicegui", "fastapi", "uvicorn", "playwright")
QUESTION = ".fl-tab-chat textarea"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# Resolves when the next answer is whole: when its text grew, in milliseconds after Enter.
WATCH = """() => new Promise((resolve) => {
  const before = document.querySelectorAll(".fl-answer").length;
  const grown = [];
  let begun = 0, length = 0;
  const enter = (event) => { if (event.key === "Enter") begun = performance.now(); };
  document.addEventListener("keydown", enter, { capture: true });
  const observer = new MutationObserver(() => {
    const answers = document.querySelectorAll(".fl-answer");
    if (answers.length <= before) return;
    const answer = answers[answers.length - 1];
    const now = answer.querySelector(".fl-reply").textContent.length;
    if (now > length) { length = now; grown.push(performance.now() - begun); }
    if (answer.getAttribute("aria-busy") !== "false") return;
    observer.disconnect();
    document.removeEventListener("keydown", enter, { capture: true });
    resolve({ grown, length, whole: performance.now() - begun });
  });
  observer.observe(document.body, {
    subtree: true, childList: true, characterData: true,
    attributes: true, attributeFilter: ["aria-busy"],
  });
})"""


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--seconds", type=float, default=60.0, help="of the crowd")
    line.add_argument("--keep", action="store_true", help="leave the library for the next run")
    arguments = line.parse_args()
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.stderr.write("SKIPPED: there is no Chromium here; nothing was measured.\n")
        raise SystemExit(2)
    model = SteadyModel(words=WORDS, pause=PAUSE)
    with mixed_data.opened(arguments.data, keep=arguments.keep) as (library, _):
        results: dict[str, Any] = {
            "items": library.statistics().images + library.statistics().texts,
            "load average before": round(os.getloadavg()[0], 1),
        }
        root = library.root
        library.close()
        with (
            served(model) as address,
            serving(root, address, answers=PAGES, page=True) as server,
        ):
            results |= asyncio.run(load(server, model, browser, seconds=arguments.seconds))
    bench.write("page_load", results, out=arguments.out, packages=PACKAGES)


async def load(
    server: Server, model: SteadyModel, executable: str, *, seconds: float
) -> dict[str, Any]:
    """Return what one page met, what many did, and what became of those that were closed."""
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        stack.push_async_callback(browser.close)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=60))
        first = await open_page(browser, server)
        await ask(first)  # which opens the library
        found: dict[str, Any] = {"server before": server.resources()}
        found["1 page"] = await crowd([first], seconds=seconds / 4)
        opened = time.perf_counter()
        pages = [first, *[await open_page(browser, server) for _ in range(PAGES - 1)]]
        found["seconds to open a page"] = round((time.perf_counter() - opened) / (PAGES - 1), 2)
        found[f"{PAGES} pages"] = await crowd(pages, seconds=seconds)
        found["server after answers"] = server.resources()
        found["closed pages"] = await closed(server, client, model, pages)
        await asyncio.sleep(10)  # longer than the server waits for a page to come back
        found["server at the end"] = server.resources()
        return found


async def open_page(browser: Browser, server: Server) -> Page:
    """Return a page of a browser of its own, ready for a question."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(server.address)
    await page.locator(QUESTION).wait_for()
    return page


async def ask(page: Page) -> dict[str, Any]:
    """Ask in a new chat, and return when the words of the answer were seen."""
    await page.get_by_text("New chat").click()
    await page.locator(".fl-answer").first.wait_for(state="detached")
    await page.locator(".fl-greeting").wait_for()
    watched = asyncio.ensure_future(page.evaluate(WATCH))
    await page.fill(QUESTION, "What do the sources say about water?")
    await page.press(QUESTION, "Enter")
    seen: dict[str, Any] = await asyncio.wait_for(watched, timeout=120)
    return seen


async def crowd(pages: list[Page], *, seconds: float) -> dict[str, Any]:
    """Let all pages ask one question after another."""
    until = time.perf_counter() + seconds
    seen: list[dict[str, Any]] = []

    async def visit(page: Page) -> None:
        while time.perf_counter() < until:
            seen.append(await ask(page))

    await asyncio.gather(*(visit(page) for page in pages))
    whole = [one for one in seen if len(one["grown"]) > 1]
    gaps = [
        (after - before) / 1000
        for one in whole
        for before, after in zip(one["grown"], one["grown"][1:], strict=False)
    ]
    return {
        "answers": len(whole),
        "errors": len(seen) - len(whole),
        "first words": spread([one["grown"][0] / 1000 for one in whole]),
        "between changes of the text": spread(gaps),
        "whole answer": spread([one["whole"] / 1000 for one in whole]),
        "whole answer, as the model speaks it, ms": round(1000 * WORDS * PAUSE),
    }


async def closed(
    server: Server, client: httpx.AsyncClient, model: SteadyModel, pages: list[Page]
) -> dict[str, Any]:
    """Close all pages in the midst of long answers, and see the server let go."""
    model.words = LONG
    for page in pages:
        await page.fill(QUESTION, "What do the sources say about water?")
        await page.press(QUESTION, "Enter")
    until = time.perf_counter() + 10
    while (running := await server.running(client)) < PAGES and time.perf_counter() < until:
        pass  # each look is a request, which takes its time
    begun = time.perf_counter()
    await asyncio.gather(*(page.context.close() for page in pages))
    gone = time.perf_counter() - begun
    while await server.running(client):
        pass
    freed = time.perf_counter() - begun
    await asyncio.to_thread(model.wait_until_idle)
    model_freed = time.perf_counter() - begun
    return {
        "answers at work when they were closed": running,
        "seconds until the browser had closed them": round(gone, 2),
        "seconds until all places were free": round(freed, 2),
        "seconds until the chat model was let go": round(model_freed, 2),
    }


if __name__ == "__main__":
    main()
