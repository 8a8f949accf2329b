"""Opens the page for one browser: finds out who looks at what, and builds it."""

from __future__ import annotations

from copy import copy
from functools import cache, partial
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs

from nicegui import ui
from nicegui.client import ClientConnectionTimeout
from starlette.requests import Request

from florilegium.errors import FlorilegiumError
from florilegium.server.page.controls import block, notice, tell_error
from florilegium.server.page.shell import Shell, tab_called
from florilegium.server.page.texts import Say
from florilegium.server.page.visit import PLACE, Door, Visit, language_of, theme_of, user_of
from florilegium.server.page.waiting import drop_oldest
from florilegium.server.served import Served

FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="#3f6b4f">'
    '<path d="M16 29V14" stroke="#3f6b4f" stroke-width="2.4" stroke-linecap="round"/>'
    '<path d="M16 15C9 15 6 10 6 4c6 0 10 4 10 11z"/>'
    '<path d="M16 20c0-6 4-9 10-9 0 6-4 9-10 9z" opacity=".75"/></g></svg>'
)
_CONNECT_SECONDS: Final = 90.0  # NiceGUI clears away pages that nobody connected to after 60
_BEFORE_STYLES: Final = {"light": "#faf8f3", "dark": "#161a17"}


async def open_page(request: Request) -> None:
    """Build the page for a request; what it shows comes once the browser is connected."""
    door: Door = request.scope[PLACE]
    user = user_of(request)
    say = Say(language=language_of(request))
    client = ui.context.client
    drop_oldest(client)
    _dress(say, theme=theme_of(request))
    libraries = door.service.libraries(user)
    if not libraries:
        with block("fl-main"):
            notice("stopped", say("app.no_library"), say("app.no_library_hint"))
        return
    visit = Visit(
        door=door,
        user=user,
        library=_wanted(request, libraries),
        say=say,
        theme=theme_of(request),
        log_out_token=door.log_out_token(request),
    )
    shell = Shell(visit, libraries, tab=tab_called(request.query_params.get("tab")))
    client.on_exception(partial(_tell, say))
    try:
        await client.connected(_CONNECT_SECONDS)
    except ClientConnectionTimeout:
        return
    if client.is_deleted:  # nobody came, and NiceGUI has cleared the page away
        return
    asked = request.query_params
    if asked.get("library") not in {None, "", visit.library}:
        [title] = [served.title for served in libraries if served.name == visit.library]
        ui.notify(say("app.other_library", title=title))
    await shell.start(asked.get("chat"), address=parse_qs(request.url.query))


def _wanted(request: Request, libraries: list[Served]) -> str:
    names = [served.name for served in libraries]
    wanted = request.query_params.get("library")
    return wanted if wanted in names else names[0]


def _tell(say: Say, error: Exception) -> None:
    # What was not foreseen is in the log, by NiceGUI; what was has words for the user.
    if isinstance(error, FlorilegiumError):
        tell_error(say, error)


def _dress(say: Say, *, theme: str) -> None:
    ui.colors(primary="#3f6b4f", negative="#a4453b", dark="#1d231f", dark_page="#161a17")
    # Until the styles are there the page would be white, which hurts at night.
    shown = {"auto": ("light", "dark"), "light": ("light", "light"), "dark": ("dark", "dark")}
    day, night = (_BEFORE_STYLES[name] for name in shown[theme])
    ui.add_head_html(
        f"<style>html{{background:{day}}}"
        f"@media(prefers-color-scheme:dark){{html{{background:{night}}}}}</style>"
        f"<style>{_file('page.css')}</style><script>{_file('page.js')}</script>"
    )
    # NiceGUI and Quasar have words of their own, and one page for all of a route.
    client = ui.context.client
    client.page = copy(client.page)
    client.page.language = "zh-CN" if say.language == "zh" else "en-US"


@cache
def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
