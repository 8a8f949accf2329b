"""A server below a path of another site: nginx and Caddy take it off, and the page knows it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Response, sync_playwright

from tests.conftest import CHROMIUM
from tests.e2e.browsing import DROP, answered, ask, drawn
from tests.e2e.proxies import (
    ADDRESS,
    LONG,
    NAME,
    PASSWORD,
    Proxy,
    Server,
    caddy,
    documented,
    lead_to,
    nginx,
    serving,
)

pytestmark = pytest.mark.slow

BELOW = "/library"
SITE = f"{ADDRESS}{BELOW}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert f'root_path = "{BELOW}"\n' in documented("[server]\nroot_path")
    with serving(tmp_path_factory.mktemp("below"), f"server.root_path={BELOW}") as server:
        yield server


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with request.param(server, tmp_path_factory.mktemp("proxy"), below=BELOW) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def the_name_leads_to_the_proxy(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    lead_to(proxy, monkeypatch)


def test_all_that_the_page_asks_for_lies_below_the_path(proxy: Proxy) -> None:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here, so the page cannot be looked at")
    flags = ["--headless", "--no-sandbox", "--disable-gpu"]
    flags.append(f"--host-resolver-rules=MAP {NAME}:443 127.0.0.1:{proxy.port}")
    strange: list[str] = []

    def look(answer: Response) -> None:
        # The first goes to the path without the slash at its end.
        if not answer.url.startswith((f"{SITE}/", "blob:")) or answer.status >= 400:
            strange.append(f"{answer.status} {answer.url}")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(locale="en-GB", ignore_https_errors=True)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.goto(SITE)
        page.on("response", look)
        page.fill("input[name=name]", "anna")
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.locator(".fl-chats > *").first.wait_for(state="attached")
        page.evaluate(DROP, ["body", drawn("green", "circle")])
        page.locator(".fl-chip").wait_for()
        ask(page, "How many sides has the red square?")
        answered(page)
        page.locator(".fl-strip img").first.wait_for()
        page.click("[aria-label='Signed in as anna']")
        page.click(".fl-log-out")
        page.wait_for_url(f"{SITE}/login")
        browser.close()

    assert strange == []


def test_programs_get_addresses_below_the_path(proxy: Proxy, server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.key}"}
    ask = {"model": "tiny", "messages": [{"role": "user", "content": "How red is the square?"}]}
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}}
    begin["clientInfo"] = {"name": "program", "version": "1"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin}
    accepted = {"Accept": "application/json, text/event-stream"}
    with httpx.Client(base_url=SITE, headers=headers, verify=proxy.trusting, timeout=LONG) as api:
        answer = api.post("/v1/chat/completions", json=ask).json()
        cited = answer["choices"][0]["message"]["florilegium"]["citations"][0]["url"]
        item = api.get(cited)
        begun = api.post("/mcp", json=call, headers=accepted)
        described = api.get("/openapi.json").json()

    assert cited.startswith(f"{SITE}/items/tiny/")
    assert item.status_code == 200
    assert f'href="{BELOW}/favicon.ico"' in item.text
    assert "serverInfo" in begun.text
    assert described["servers"] == [{"url": BELOW}]
