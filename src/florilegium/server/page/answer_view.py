"""A question and its answer as they stand in the chat, while it is written and afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from florilegium.server.page.controls import block, icon_button, notice, picture, words
from florilegium.server.page.error_words import lines_of
from florilegium.server.page.excerpt_card import excerpt_card
from florilegium.server.page.explain_view import confidence_bar, contributions_table, fold
from florilegium.server.page.replies import reply_to_html
from florilegium.server.page.reply_text import ReplyText
from florilegium.server.page.visit import Visit

Reply = Mapping[str, Any]  # as florilegium.server.page.turns makes it
OpenSource = Callable[[str, Sequence[int] | None, Reply | None], Awaitable[None]]

_SHOWN_CANDIDATES = 4


class AnswerView:
    """Shows one question, and its reply as it grows."""

    def __init__(
        self, visit: Visit, question: str, *, shown: str | None, open_source: OpenSource
    ) -> None:
        self._visit = visit
        self._question = question
        self._open = open_source
        self._so_far: Callable[[], Reply] = lambda: {"citations": []}
        self._element = block("fl-exchange", tag="article")
        with self._element:
            with block("fl-question"):
                if shown is not None:
                    picture(shown, alt=visit.say("ask.picture"), kind="fl-question-picture")
                if question:
                    words(question, "fl-question-words")
            with block("fl-answer", aria_live="polite", aria_busy="true") as self._answer:
                self._before = block("fl-before")
                self._text = ReplyText(on_cite=self._cite)
                self._after = block("fl-after")

    @property
    def element_id(self) -> int:
        """Return the id of the element, to bring it into view."""
        return self._element.id

    @property
    def is_gone(self) -> bool:
        """Return whether it is on no page any more."""
        return self._element.is_deleted

    def wait(self) -> None:
        """Say that the library is being looked through; there is room for what will come."""
        self._element.classes("fl-new")
        with self._after, block("fl-waiting", role="status"):
            block("fl-pulse")
            words(self._visit.say("answer.thinking"))

    def found(
        self,
        identification: Reply | None,
        hits: Sequence[Reply],
        searched: str,
        *,
        so_far: Callable[[], Reply],
    ) -> None:
        """Show what was found, before the first word.

        `so_far` gives the reply as it is at any moment, for numbers that are chosen meanwhile.
        """
        self._so_far = so_far
        self._identified(identification)
        self._after.clear()
        with self._after:
            self._strip(hits, {}, searched, self._visit.say("answer.hits"))
            with block("fl-waiting", role="status"):
                block("fl-pulse")
                words(self._visit.say("answer.writing"))

    def write(self, text: str, count: int) -> None:
        """Show what was written so far; `count` sources may be cited."""
        self._text.show(self._html(text, range(1, count + 1)))

    def warn(self, failure: Reply) -> None:
        """Show that the chat model failed while the answer goes on."""
        with self._before:
            self._failure(failure)

    def finish(self, reply: Reply) -> None:
        """Show a whole reply, or one that was stopped or ended by an error."""
        self._so_far = lambda: reply
        self._answer.props["aria-busy"] = "false"
        self._before.clear()
        self._after.clear()
        cited = {int(one["number"]): one for one in reply["citations"]}
        self._identified(reply.get("identification"))
        text = "" if reply["refused"] else str(reply["answer"])
        self._text.show(self._html(text, cited))
        with self._before:
            if reply.get("failure"):
                self._failure(reply["failure"])
        with self._after:
            self._outcome(reply)
            self._sources(reply, cited)
            # A refusal by the gate has no model; one that was stopped or failed explains nothing.
            if reply.get("model") or reply["refused"]:
                self._tools(reply)

    def _html(self, text: str, numbers: Any) -> str:
        return reply_to_html(text, cited=numbers, open_label=self._visit.say("item.open"))

    async def _cite(self, number: int) -> None:
        for citation in self._so_far()["citations"]:
            if citation["number"] == number:
                await self._open(str(citation["id"]), citation["span"], citation)

    def _failure(self, failure: Reply) -> None:
        key = "answer.stands_in" if failure["stands_in"] else "answer.ends_early"
        notice("stopped", self._visit.say(key), *self._told(failure))

    def _told(self, error: Reply) -> list[str]:
        code, message, hint = error["code"], error["message"], error["hint"]
        return lines_of(self._visit.say, code=code, message=message, hint=hint)

    def _outcome(self, reply: Reply) -> None:
        say = self._visit.say
        if error := reply.get("error"):
            notice("failed", say("answer.failed"), *self._told(error))
        elif reply.get("stopped"):
            notice("stopped", say("answer.stopped"))
        elif reply["refused"]:
            notice("refused", say("answer.refused"))

    def _sources(self, reply: Reply, cited: Mapping[int, Reply]) -> None:
        key = "answer.closest" if reply["refused"] else "answer.sources"
        if not cited and not reply["refused"]:
            key = "answer.hits"
        self._strip(reply["hits"], cited, str(reply["searched"]), self._visit.say(key))

    def _strip(
        self, hits: Sequence[Reply], cited: Mapping[int, Reply], searched: str, title: str
    ) -> None:
        if not hits:
            return
        numbers = {str(citation["id"]): number for number, citation in cited.items()}
        # What is cited comes first, in the order of its numbers.
        ordered = sorted(hits, key=lambda hit: numbers.get(str(hit["id"]), len(hits) + 1000))
        words(title, "fl-key")
        with block("fl-strip", role="group", aria_label=title):
            for hit in ordered:
                id_ = str(hit["id"])
                number = numbers.get(id_)
                span = cited[number]["span"] if number is not None else None
                kept = cited[number] if number is not None else {**hit, "quote": hit["text"]}
                excerpt_card(
                    self._visit,
                    hit,
                    query=searched or self._question,
                    number=number,
                    open_source=partial(self._open, id_, span, kept),
                )

    def _identified(self, identification: Reply | None) -> None:
        if identification is None:
            return
        say = self._visit.say
        with self._before, block("fl-identified"):
            if identification["chosen"] is None:
                words(say("answer.none_fits"), "fl-key")
            else:
                words(say("answer.picture_shows"), "fl-key")
                words(str(identification["chosen"]), "fl-chosen")
                words(say(f"answer.by_{identification['by']}"), "fl-quiet")
            others = [
                f"{one['name']} {one['share']:.0%}"
                for one in identification["candidates"][:_SHOWN_CANDIDATES]
            ]
            if len(others) > 1:
                words(" · ".join(others), "fl-quiet fl-candidates")

    def _tools(self, reply: Reply) -> None:
        say = self._visit.say
        with block("fl-tools"):
            fold(say("answer.explain"), partial(self._explain, reply))
            if not reply["refused"]:
                copy = icon_button("content_copy", say("answer.copy"))
                copy.on("click", lambda: self._copy(str(reply["answer"])), args=[])

    def _copy(self, text: str) -> None:
        ui.clipboard.write(text)
        ui.notify(self._visit.say("answer.copied"), timeout=1500)

    def _explain(self, reply: Reply) -> None:
        say = self._visit.say
        confidence_bar(say, float(reply["confidence"]))
        for key, lines in (("answer.reasons", reply["reasons"]), ("answer.notes", reply["notes"])):
            if lines:
                words(say(key), "fl-key")
                with block("fl-lines", tag="ul"):
                    for line in lines:
                        words(str(line), tag="li")
        for key, value in (("answer.searched", "searched"), ("answer.model", "model")):
            if reply[value]:
                with block("fl-pair"):
                    words(say(key), "fl-key")
                    words(str(reply[value]))
        if reply["hits"]:
            contributions_table(say, reply["hits"])
