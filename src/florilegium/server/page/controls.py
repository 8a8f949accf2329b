"""Small pieces that the page is put together from. What they are given is shown as text alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar
from weakref import WeakMethod

from nicegui import ui
from nicegui.element import Element

from florilegium.errors import FlorilegiumError
from florilegium.server.page.error_words import error_lines
from florilegium.server.page.texts import Say

_Event = TypeVar("_Event")


def block(kind: str, *, tag: str = "div", **attributes: str) -> Element:
    """Return an element of a class; attributes are written with `_` for `-`."""
    element = ui.element(tag).classes(kind)
    for name, value in attributes.items():
        element.props[name.rstrip("_").replace("_", "-")] = value
    return element


def words(text: str, kind: str = "", *, tag: str = "div") -> ui.label:
    """Return an element that shows a text."""
    label = ui.label(text)
    label.tag = tag
    return label.classes(kind)


def icon_button(icon: str, name: str, act: Callable[..., Any] | None = None) -> ui.button:
    """Return a round button with an icon; its name is for those who do not see it, and a tip."""
    button = ui.button(icon=icon, on_click=act, color=None).props("flat round dense")
    button.props["aria-label"] = name
    button.props["title"] = name
    return button.classes("fl-icon")


def primary_button(name: str, act: Callable[..., Any], *, icon: str | None = None) -> ui.button:
    """Return the button that does what its place is for."""
    button = ui.button(name, icon=icon, color=None, on_click=act).props("unelevated no-caps")
    return button.classes("fl-primary")


def picture(source: str, *, alt: str, kind: str) -> Element:
    """Return a picture that is loaded when it comes into view."""
    return block(kind, tag="img", src=source, alt=alt, loading="lazy", decoding="async")


def notice(kind: str, title: str, *lines: str | None) -> Element:
    """Return a quiet notice: `refused`, `failed` or `stopped`, a title and further sentences."""
    role = "alert" if kind == "failed" else "status"
    with block(f"fl-notice fl-{kind}", role=role) as element:
        words(title, "fl-notice-title")
        for line in lines:
            if line:
                words(line)
    return element


def tell_error(
    say: Say, error: FlorilegiumError, *, kind: Literal["negative"] | None = "negative"
) -> None:
    """Show for some seconds what an error says; `kind` colours it."""
    ui.notify(" ".join(error_lines(say, error)), type=kind, multi_line=True)


def raw_button(kind: str, name: str, act: Callable[..., Any]) -> Element:
    """Return a plain button that holds other elements."""
    button = block(kind, tag="button", type="button", aria_label=name, title=name)
    button.on("click", act, args=[])
    return button


def weakly(handler: Callable[[_Event], object]) -> Callable[[_Event], object]:
    """Return a handler of an upload that does not keep the object whose method it is.

    FastAPI remembers the routes of thousands of uploads after their pages are gone, and with
    them their handlers, which would keep pictures.
    """
    method = WeakMethod(handler)

    def handle(event: _Event) -> object:
        act = method()
        return None if act is None else act(event)

    return handle
