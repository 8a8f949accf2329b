"""The nginx and the Caddy of docs/how-to/serve-on-a-network.md for real, as that page has them.

Clients take `https://flowers.example.org`, which leads to a port of this machine here.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import WebSocket, sync_playwright

from tests.conftest import CHROMIUM
from tests.e2e.browsing import answered, ask
from tests.e2e.proxies import (
    ADDRESS,
    ANSWERS,
    LONG,
    NAME,
    PASSWORD,
    Proxy,
    Server,
    caddy,
    lead_to,
    nginx,
    serving,
)
from tests.misbehaving_server import EVENTS, PATIENCE, Exchange, Stalls, event, piece, reply

pytestmark = pytest.mark.slow

QUESTION = "How many sides has the red square?"
LARGEST = 32_000_000  # bytes of a body, by the default of server.max_body_megabytes


class Waits:
    """Speaks a word, and the rest once it is told to."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        exchange.head(200, EVENTS)
        exchange.chunk(event(piece("Four ")))
        if self.goes_on.wait(PATIENCE):
            exchange.chunk(reply("sides [1]."))
        exchange.chunk(b"")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("behind")) as server:
        yield server


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with request.param(server, tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def the_name_leads_to_the_proxy(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    lead_to(proxy, monkeypatch)


@pytest.fixture
def program(proxy: Proxy, server: Server) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(
        base_url=ADDRESS, headers=headers, verify=proxy.trusting, trust_env=False, timeout=LONG
    ) as client:
        yield client


def test_people_log_in_and_ask_at_the_page(proxy: Proxy, server: Server) -> None:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here, so the page cannot be looked at")
    server.chat.script = [ANSWERS]
    flags = ["--headless", "--no-sandbox", "--disable-gpu"]
    flags.append(f"--host-resolver-rules=MAP {NAME}:443 127.0.0.1:{proxy.port}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(locale="en-GB", ignore_https_errors=True)
        context.set_default_timeout(15_000)
        page = context.new_page()
        heard: set[str] = set()  # without a socket, the page would go on by polling

        def listen(opened: WebSocket) -> None:
            opened.on("framereceived", lambda _: heard.add(opened.url))

        page.on("websocket", listen)
        page.goto(f"{ADDRESS}/?tab=chat")
        page.fill("input[name=name]", "anna")
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.locator(".fl-chats > *").first.wait_for(state="attached")
        ask(page, QUESTION)
        answered(page)
        said = page.locator(".fl-answer").inner_text()
        cookies = {one["name"]: one for one in context.cookies() if "theme" not in one["name"]}
        browser.close()

    assert "Four sides" in said
    assert heard
    assert all(address.startswith(f"wss://{NAME}/") for address in heard)
    assert cookies["__Host-florilegium_session"]["secure"]
    assert cookies["__Host-florilegium_session"]["httpOnly"]


def test_an_answer_comes_as_it_is_spoken(program: httpx.Client, server: Server) -> None:
    chat = Waits()
    server.chat.script = [chat]
    body = {"question": QUESTION}
    events: list[str] = []
    with program.stream("POST", "/api/libraries/tiny/ask", json=body) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                events.append(line.removeprefix("event: "))
            if events.count("token") == 1:
                chat.goes_on.set()

    assert events[0] == "retrieved"
    assert events.count("token") >= 2
    assert events[-1] == "finished"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_who_goes_ends_the_answer(program: httpx.Client, server: Server) -> None:
    chat = Stalls(event(piece("Four ")))
    server.chat.script = [chat]
    with program.stream("POST", "/api/libraries/tiny/ask", json={"question": QUESTION}) as answer:
        assert "event: token" in answer.iter_lines()

    assert chat.gone.wait(PATIENCE / 2), "the chat model speaks on, to nobody"


def test_the_largest_upload_passes_and_the_server_refuses_a_larger_one(
    program: httpx.Client, proxy: Proxy
) -> None:
    def upload(size: int) -> httpx.Response:
        frame = httpx.Request("POST", ADDRESS, files={"file": (f"{proxy.port}.txt", b"")})
        content = b"a" * (size - len(frame.read()))
        files = {"file": (f"{proxy.port}.txt", content)}
        request = program.build_request("POST", "/api/libraries/tiny/files", files=files)
        assert int(request.headers["content-length"]) == size
        return program.send(request)

    large, too_large = upload(LARGEST), upload(LARGEST + 1)

    assert large.status_code == 201, large.text
    assert too_large.status_code == 413
    assert too_large.json()["error"]["code"] == "request_too_large"


def test_attempts_to_log_in_count_for_their_address_whatever_it_claims(proxy: Proxy) -> None:
    def log_in(address: str, claimed: str) -> int:
        transport = httpx.HTTPTransport(verify=proxy.trusting, local_address=address)
        headers = {"X-Forwarded-For": claimed, "X-Forwarded-Proto": "http", "Origin": ADDRESS}
        with httpx.Client(base_url=ADDRESS, transport=transport, headers=headers) as client:
            [token] = re.findall(r'name="token" value="([^"]+)"', client.get("/login").text)
            form = {"name": "ben", "password": "wrong", "token": token}
            return client.post("/login", data=form).status_code

    tried = [log_in(proxy.client, f"192.0.2.{number}") for number in range(6)]

    assert tried == [401] * 5 + [429]
    assert log_in(proxy.client.replace(".0.0.", ".0.1."), "192.0.2.1") == 401


def test_another_name_and_pages_of_another_site_are_refused(proxy: Proxy) -> None:
    with httpx.Client(base_url=ADDRESS, verify=proxy.trusting) as client:
        name = client.get("/login", headers={"Host": "evil.example"})
        form = client.post("/login", headers={"Origin": "https://evil.example"}, data={"name": "a"})

    # Caddy has no site of that name, and says nothing.
    assert name.status_code == 403 or name.content == b""
    assert form.status_code == 403
    assert "another origin" in form.text


def test_programs_reach_the_doors_of_openai_and_mcp(proxy: Proxy, server: Server) -> None:
    server.chat.script = [ANSWERS]
    http = httpx2.Client(verify=proxy.trusting, timeout=LONG)
    with openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key=server.key, http_client=http) as client:
        chunks = client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]

    async def ask_over_mcp() -> Any:
        headers = {"Authorization": f"Bearer {server.key}"}
        http = httpx2.AsyncClient(headers=headers, verify=proxy.trusting, timeout=LONG)
        async with http, Client(streamable_http_client(f"{ADDRESS}/mcp", http_client=http)) as mcp:
            return (await mcp.call_tool("ask", {"question": QUESTION})).structured_content

    assert "".join(said).startswith("Four sides")
    assert asyncio.run(ask_over_mcp())["answer"].startswith("Four sides")
