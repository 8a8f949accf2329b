"""The text of a reply as an element that changes only where its words change, as they come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import events
from nicegui.element import Element

# Of a click on the text, the number of the citation that was hit, if one was.
_CITE = (
    "(e) => { const cite = e.target.closest('[data-cite]');"
    " if (cite) emit(Number(cite.dataset.cite)); }"
)


class ReplyText(Element, component="reply_text.js"):
    """Shows HTML, which must come from `reply_to_html`: nothing is taken out of it here.

    Args:
        on_cite: Called with the number of the citation that was chosen, at any time.
    """

    def __init__(self, *, on_cite: Callable[[int], Awaitable[None]]) -> None:
        super().__init__()
        self._on_cite = on_cite
        self.classes("fl-reply")
        self.props["html"] = ""
        self.on("click", self._clicked, js_handler=_CITE)

    def show(self, html: str) -> None:
        """Show this instead of what is there."""
        self.props["html"] = html

    async def _clicked(self, event: events.GenericEventArguments) -> None:
        await self._on_cite(int(event.args))
