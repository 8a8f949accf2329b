"""The frame of the page: header, drawer with the chats, and the three panels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, Literal
from urllib.parse import parse_qs, urlencode

from nicegui import events, ui
from nicegui.element import Element

from florilegium.errors import NotFoundError
from florilegium.server.page.chat_list import ChatList
from florilegium.server.page.chat_panel import ChatPanel
from florilegium.server.page.controls import block, icon_button, tell_error, words
from florilegium.server.page.library_panel import LibraryPanel
from florilegium.server.page.search_panel import SearchPanel
from florilegium.server.page.source_panel import SourcePanel
from florilegium.server.page.visit import LANGUAGE_COOKIE, THEME_COOKIE, Theme, Visit
from florilegium.server.served import Served

Tab = Literal["chat", "search", "library"]
TABS: Final[tuple[tuple[Tab, str], ...]] = (
    ("chat", "chat_bubble_outline"),
    ("search", "search"),
    ("library", "o_local_florist"),
)
_THEMES: Final[tuple[tuple[Theme, str, str], ...]] = (
    ("auto", "app.by_system", "contrast"),
    ("light", "app.by_day", "o_light_mode"),
    ("dark", "app.by_night", "o_dark_mode"),
)
_DARK: Final = {"auto": None, "light": False, "dark": True}
_LONGEST = 6000  # characters of an address, which servers and proxies take
_YEAR = 31_536_000  # seconds that a choice is remembered


class Shell:
    """Puts the parts together, and keeps the address in step with what is shown."""

    def __init__(self, visit: Visit, libraries: Sequence[Served], *, tab: Tab) -> None:
        self._visit = visit
        self._client = ui.context.client
        self._tab: Tab = tab
        self._chat: str | None = None
        self._greeted: set[str] = set()
        self._dark = ui.dark_mode(_DARK[visit.theme])
        self._header(libraries)
        # Without a value NiceGUI asks the browser for it, and logs an error if that takes a second
        self._drawer = ui.left_drawer(value=False, bordered=True).classes("fl-drawer")
        with self._drawer.props("width=280 show-if-above"):
            self._chats = ChatList(visit, on_open=self.open_chat)
        sources = self._sources = SourcePanel(visit)
        with block("fl-main"):
            self._panels: dict[str, Element] = {}
            with self._panel("chat"):
                self._chat_panel = ChatPanel(visit, sources, on_kept=self._kept)
            with self._panel("search"):
                self._search = SearchPanel(visit, sources, on_search=self._keep_address)
            with self._panel("library"):
                self._library = LibraryPanel(visit)
            self._take_files()
        block("fl-drop", aria_hidden="true").props["data-words"] = visit.say("ask.drop")
        self._show_panel()
        ui.on("fl_goes", self._go_back)

    async def start(self, chat: str | None, *, address: Mapping[str, Sequence[str]]) -> None:
        """Fill the page, once the browser is connected.

        Args:
            chat: The chat to show.
            address: What the page's address says of a search.
        """
        await self._search.put(address)
        try:
            await self._chat_panel.open(chat)
            self._chat = chat
        except NotFoundError as error:
            tell_error(self._visit.say, error, kind=None)
            await self._chat_panel.open(None)
        await self._chats.refresh(self._chat)
        await self._fill()

    async def open_chat(self, chat: str | None) -> None:
        """Show a chat of the list, or begin a new one."""
        with self._client:  # for the row that was chosen is made anew
            await self._open(chat)
            self._tab = "chat"
            self._tabs.set_value(self._tab)
            self._keep_address(push=True)

    async def _open(self, chat: str | None) -> None:
        try:
            await self._chat_panel.open(chat)
        except NotFoundError as error:
            tell_error(self._visit.say, error, kind=None)
            chat = None
            await self._chat_panel.open(None)
        self._chat = chat
        ui.run_javascript(f"fl.narrow() && getElement({self._drawer.id}).hide()")
        await self._chats.refresh(chat)

    def _panel(self, tab: Tab) -> Element:
        panel = block(
            f"fl-tab fl-tab-{tab}", role="tabpanel", aria_label=self._visit.say(f"app.{tab}")
        )
        self._panels[tab] = panel
        return panel

    def _header(self, libraries: Sequence[Served]) -> None:
        say = self._visit.say
        with ui.header().classes("fl-header"):
            menu = icon_button("menu", say("app.menu"), lambda: self._drawer.toggle())
            menu.classes("fl-menu")
            with block("fl-brand"):
                block("fl-leaf", aria_hidden="true")
                words("Florilegium", "fl-name")
            with ui.tabs().classes("fl-tabs") as self._tabs:
                self._tabs.props("dense no-caps inline-label indicator-color=primary")
                for name, icon in TABS:
                    ui.tab(name, label=say(f"app.{name}"), icon=icon)
            self._tabs.value = self._tab
            self._tabs.on_value_change(self._changed)
            with block("fl-settings"):
                if len(libraries) > 1:
                    self._choose_library(libraries)
                self._choose_language()
                self._choose_theme()
                self._show_user()

    def _choose_library(self, libraries: Sequence[Served]) -> None:
        names = {served.name: served.title for served in libraries}
        select = ui.select(names, value=self._visit.library, on_change=self._go_to)
        select.props("dense borderless options-dense").classes("fl-libraries")
        select.props["aria-label"] = self._visit.say("app.library")

    def _choose_language(self) -> None:
        other = "en" if self._visit.language == "zh" else "zh"
        name = self._visit.say("app.language")
        button = ui.button(
            name, color=None, on_click=lambda: self._remember(LANGUAGE_COOKIE, other, again=True)
        )
        button.props("flat dense no-caps").classes("fl-language")
        button.props["lang"] = other

    def _choose_theme(self) -> None:
        say = self._visit.say
        icon = next(icon for theme, _, icon in _THEMES if theme == self._visit.theme)
        with icon_button(icon, say("app.theme")) as self._theme, ui.menu():
            for theme, key, symbol in _THEMES:
                with ui.menu_item(on_click=lambda theme=theme: self._set_theme(theme)):
                    ui.icon(symbol).classes("fl-menu-icon")
                    words(say(key))

    def _show_user(self) -> None:
        token = self._visit.log_out_token
        if token is None:
            return
        say = self._visit.say
        name = say("app.user", name=self._visit.user.name)
        with icon_button("account_circle", name), ui.menu():
            words(name, "fl-user")
            with block("", tag="form", method="post", action="logout"):
                block("", tag="input", type="hidden", name="token", value=token)
                out = block("fl-log-out", tag="button", type="submit")
                with out:
                    words(say("app.log_out"), tag="span")

    def _set_theme(self, theme: Theme) -> None:
        self._dark.value = _DARK[theme]
        self._theme.props["icon"] = next(icon for name, _, icon in _THEMES if name == theme)
        self._remember(THEME_COOKIE, theme)

    def _remember(self, cookie: str, value: str, *, again: bool = False) -> None:
        ui.run_javascript(
            f'document.cookie = "{cookie}={value}; path=/; max-age={_YEAR}; samesite=lax";'
            + ("location.reload();" if again else "")
        )

    def _go_to(self, event: events.ValueChangeEventArguments[str]) -> None:
        ui.navigate.to(f"./?{urlencode({'library': event.value, 'tab': self._tab})}")

    async def _changed(self) -> None:
        if self._tab != self._tabs.value:  # else it was not the user who changed it
            self._tab = self._tabs.value
            self._keep_address(push=True)
        self._show_panel()
        await self._fill()

    async def _go_back(self, event: events.GenericEventArguments) -> None:
        """Show what an address of before says; a source that is open is closed first."""
        search, is_source = str(event.args[0]), bool(event.args[1])
        if not is_source and self._sources.close():
            return
        wanted = parse_qs(search.removeprefix("?"))
        chat = wanted.get("chat", [None])[0]
        self._tab = tab_called(wanted.get("tab", [None])[0])
        if self._tab == "search" and "search" in self._greeted:
            await self._search.go_back(wanted)
        self._tabs.set_value(self._tab)
        if chat != self._chat:
            await self._open(chat)

    async def _fill(self) -> None:
        if self._tab == "library":
            await self._library.refresh()
        elif self._tab == "search" and "search" not in self._greeted:
            self._greeted.add("search")
            await self._search.greet()

    def _show_panel(self) -> None:
        for name, panel in self._panels.items():
            panel.set_visibility(name == self._tab)
        self._library.watch(is_shown=self._tab == "library")

    def _take_files(self) -> None:
        targets = {
            "chat": self._chat_panel.picture_target,
            "search": self._search.picture_target,
            "library": self._library.picture_target,
        }
        for name, target in targets.items():
            if target is not None:
                self._panels[name].props["data-target"] = str(target)

    async def _kept(self, chat: str | None) -> None:
        self._chat = chat
        self._keep_address()
        await self._chats.refresh(chat)

    def _keep_address(self, *, push: bool = False) -> None:
        values = [("library", self._visit.library), ("tab", self._tab)]
        if self._chat is not None:
            values.append(("chat", self._chat))
        address = urlencode(values)
        if self._tab == "search":
            with_search = urlencode([*values, *self._search.address])
            address = with_search if len(with_search) <= _LONGEST else address
        # On the page itself: what was clicked, such as a button of the filters, may be gone.
        told = json.dumps(["?" + address, push])
        self._client.run_javascript(f"fl.goTo(...{told})")


def tab_called(name: str | None) -> Tab:
    """Return the tab of a name in an address, or the first."""
    return next((tab for tab, _ in TABS if tab == name), "chat")
