"""A real server, a real browser, and pages of others that try to act for who is logged in."""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from florilegium import Library
from tests.conftest import FAKES, ROOT, write_tiny_folder

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Some other name that leads here, as a hostile name server would have it.
FLAGS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP evil.example 127.0.0.1"]
PASSWORD = "correct horse"
HOSTILE = """<!doctype html><title>Hostile</title><p id="found">nothing</p>
<form id="form" method="post" action="ADDRESS/logout"></form>
<script>
const found = [], address = "ADDRESS";
async function attempt(name, options) {
  try { const answer = await fetch(address + name, options); found.push(name + " " + answer.type + await answer.text()); }
  catch (error) { found.push(name + " refused"); }
}
async function attack() {
  await attempt("/api/libraries", {credentials: "include"});
  await attempt("/api/libraries/tiny/search", {method: "POST", credentials: "include",
    headers: {"Content-Type": "application/json"}, body: '{"text": "red"}'});
  await new Promise(done => { const image = new Image(); image.src = address + "/login";
    image.onload = () => { found.push("image loaded"); done(); }; image.onerror = () => { found.push("image refused"); done(); }; });
  await new Promise(done => { const socket = new WebSocket(address.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket");
    socket.onopen = () => { found.push("socket open"); done(); }; socket.onerror = () => { found.push("socket refused"); done(); }; });
  document.getElementById("found").textContent = found.join("; ");
}
attack();
</script>"""  # noqa: E501 - a page of somebody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server with the account of Anna."""

    address: str
    users: Path

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Run a command on the file of accounts."""
        command = [sys.executable, "-m", "florilegium", "users", *arguments]
        done = subprocess.run(
            [*command, "--users", str(self.users)],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("log-in")
    library = place / "tiny"
    write_tiny_folder(library)
    with Library.create(library, overrides=FAKES) as made:
        made.ingest()
    server = Running(address="", users=place / "users.toml")
    server.command("add", "anna", "--password-stdin", stdin=f"{PASSWORD}\n")
    command = [sys.executable, "-m", "florilegium", "serve", "--library", str(library)]
    command += ["--port", "0", "--users", str(server.users), "--set", f"server.folder={place}"]
    command += [part for key, value in FAKES.items() for part in ("--set", f"{key}={value}")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if address := re.search(r"http://127\.0\.0\.1:\d+", line):
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield Running(address=address[0], users=server.users)
                break
        else:
            pytest.fail("the server did not begin")
        process.terminate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here, so nobody can log in with it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(viewport={"width": 390, "height": 844}) as context:
        context.set_default_timeout(15_000)
        yield context.new_page()


def log_in(page: Page, *, name: str = "anna", password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_people_log_in_by_keyboard_or_not_at_all_and_log_out(page: Page, running: Running) -> None:
    page.goto(f"{running.address}/items/tiny/{'0' * 32}")
    expect(page).to_have_title("Log in · Florilegium")

    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    log_in(page)

    # Where they wanted to go: there is no such item.
    expect(page).to_have_url(re.compile(r"/items/tiny/0+$"))
    expect(page.locator("body")).to_contain_text("There is no item")
    page.goto(f"{running.address}/logout")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_title("Log in · Florilegium")
    answer = page.goto(f"{running.address}/api/libraries")
    assert answer is not None
    assert answer.status == 401


def test_a_phone_shows_the_whole_form(page: Page, running: Running) -> None:
    page.goto(f"{running.address}/login")

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(page.get_by_role("button", name="Log in")).to_be_in_viewport()
    colour = page.get_by_role("button").evaluate("e => getComputedStyle(e).backgroundColor")
    assert colour == "rgb(63, 107, 79)"  # so the policy let the style in


@pytest.fixture
def hostile(running: Running, tmp_path: Path) -> Iterator[str]:
    """Return the address of a page of somebody else, at another port of this machine."""
    text = HOSTILE.replace("ADDRESS", running.address)
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_page_of_somebody_else_does_nothing_with_the_session(
    page: Page, running: Running, hostile: str
) -> None:
    # Two ports of one machine are one site, so cookies are sent along: only the origin differs.
    page.goto(f"{running.address}/login")
    log_in(page)

    page.goto(hostile)
    found = page.locator("#found")
    expect(found).to_have_text(
        "/api/libraries refused; /api/libraries/tiny/search refused; image refused; socket refused"
    )
    page.evaluate("document.getElementById('form').submit()")

    expect(page.locator("body")).to_contain_text("comes from a page of another origin")
    answer = page.goto(f"{running.address}/api/libraries")
    assert answer is not None
    assert answer.status == 200  # still logged in


def test_another_name_that_leads_here_opens_nothing(page: Page, running: Running) -> None:
    address = running.address.replace("127.0.0.1", "evil.example")

    answer = page.goto(f"{address}/login")

    assert answer is not None
    assert answer.status == 403
    assert "is no name of this server" in answer.text()


def test_a_new_password_ends_the_session_of_a_browser(page: Page, running: Running) -> None:
    running.command("add", "ben", "--password-stdin", stdin=f"{PASSWORD}\n")
    page.goto(f"{running.address}/login")
    log_in(page, name="ben")
    page.wait_for_url(lambda address: "/login" not in address)

    running.command("password", "ben", "--password-stdin", stdin="another one\n")

    page.goto(f"{running.address}/items/tiny/{'0' * 32}")
    expect(page).to_have_title("Log in · Florilegium")
    log_in(page, name="ben", password="another one")
    expect(page.locator("body")).to_contain_text("There is no item")


def test_people_log_out_from_the_page(page: Page, running: Running) -> None:
    page.goto(running.address)
    log_in(page)
    page.locator(".fl-chats").wait_for(state="attached")

    page.get_by_role("button", name="anna").click()
    page.locator(".fl-log-out").click()

    expect(page).to_have_title("Log in · Florilegium")
    page.goto(running.address)
    expect(page).to_have_title("Log in · Florilegium")


def test_an_open_page_ends_with_its_account(page: Page, running: Running) -> None:
    running.command("add", "carl", "--password-stdin", stdin=f"{PASSWORD}\n")
    page.goto(running.address)
    log_in(page, name="carl")
    page.locator(".fl-chats").wait_for(state="attached")

    running.command("remove", "carl")
    page.get_by_role("tab", name="Search").click()

    # It tries to come back, is not let in, and goes where one can.
    expect(page).to_have_title("Log in · Florilegium")
