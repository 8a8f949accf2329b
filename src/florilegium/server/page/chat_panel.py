"""The chat: what was said, the field to ask in, and the answer that is being written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nicegui import background_tasks, ui
from nicegui.element import Element

from florilegium.errors import FlorilegiumError, InvalidQueryError, NotFoundError
from florilegium.serialize import Json
from florilegium.server.chats import MAX_EXCHANGES, Exchange
from florilegium.server.error_shapes import INTERNAL
from florilegium.server.page.answer_view import AnswerView
from florilegium.server.page.answering import Answering
from florilegium.server.page.composer import Composer
from florilegium.server.page.controls import block, notice, tell_error, words
from florilegium.server.page.examples import greet
from florilegium.server.page.picture_input import Given
from florilegium.server.page.source_panel import SourcePanel
from florilegium.server.page.stored_chat import Shown, read_held, read_shown
from florilegium.server.page.turns import (
    error_to_json,
    held,
    turns_of,
    unfinished_reply,
)
from florilegium.server.page.visit import Visit
from florilegium.server.page.writing import Writing
from florilegium.server.served import Asked

logger = logging.getLogger(__name__)

_LOOK = 0.3  # seconds between two looks at what another page's answer has grown to
_AWAY = 10.0  # seconds that an answer goes on when its page has lost its connection


class ChatPanel:
    """One chat at a time. `on_kept` is called when the list of chats has changed."""

    def __init__(
        self,
        visit: Visit,
        sources: SourcePanel,
        *,
        on_kept: Callable[[str | None], Awaitable[None]],
    ) -> None:
        self._visit = visit
        self._sources = sources
        self._on_kept = on_kept
        self._chat: str | None = None
        self._exchanges: list[Exchange] = []  # what the next question rests on
        self._count = 0  # exchanges that the chat holds
        self._greets = False
        self._opening = 0
        self._is_open = asyncio.Event()
        self._loads_earlier = False
        self._task: asyncio.Task[None] | None = None  # answers, then keeps what was said
        self._writing: asyncio.Task[Json] | None = None  # the part of it that can be stopped
        self._stops = False  # before there was anything to stop
        self._answering: Answering | None = None
        self._current: Writing | None = None  # what is shown while it is written
        self._follows = False  # it is another page's
        self._client = ui.context.client
        self._client.on_delete(self._gone)
        self._client.on_disconnect(self._left)
        self._thread = block("fl-thread", role="log", aria_label=visit.say("app.chat"))
        self._composer = Composer(visit, ask=self.ask, stop=self.stop)
        self._announce = words("", "fl-for-readers")
        self._announce.props["aria-live"] = "polite"

    @property
    def picture_target(self) -> int:
        """Return the id of the element that takes pasted and dropped files."""
        return self._composer.picture.target

    async def open(self, chat: str | None) -> None:
        """Show a chat, or begin a new one. Raises NotFoundError."""
        self._opening += 1
        opening = self._opening
        self._is_open.clear()
        if self._follows and self._task is not None:
            self._task.cancel()
        else:
            self.stop()
        try:
            if self._task is not None:
                await asyncio.wait([self._task])  # what was said so far is kept in its own chat
            await self._open(chat, opening)
        finally:
            if opening == self._opening:
                self._is_open.set()
        self._composer.give_back(
            chat=self._chat, count=self._count, is_written=self._current is not None
        )

    async def _open(self, chat: str | None, opening: int) -> None:
        shown: list[Shown] = []
        exchanges: list[Exchange] = []
        writing = self._visit.door.writings.get(chat or "")
        if chat is not None:
            shown = await asyncio.to_thread(read_shown, self._visit, chat)
            exchanges = await asyncio.to_thread(read_held, self._visit, chat)
        if opening != self._opening:
            return  # another one was chosen meanwhile
        self._chat, self._exchanges = chat, exchanges
        self._count = shown[-1].exchange.ordinal if shown else 0
        self._composer.picture.clear()
        self._thread.clear()
        if not await self._show(shown, self._thread, opening):
            return
        self._greets = not shown and writing is None
        if writing is not None and writing.ordinal > self._count:
            self._follow(writing)
        elif not shown:
            await greet(self._visit, self._thread, ask=self.ask)
        else:
            ui.run_javascript("fl.toEnd()")
        self._composer.show_in_play(self._exchanges)

    async def show_earlier(self, place: Element, before: int) -> None:
        """Show what comes before an ordinal, in a place above the rest."""
        chat, opening = self._chat, self._opening
        if chat is None or self._loads_earlier:  # a double click asks once
            return
        self._loads_earlier = True
        try:
            shown = await asyncio.to_thread(read_shown, self._visit, chat, before=before)
            if opening == self._opening:
                place.clear()
                await self._show(shown, place, opening)
                place.client.run_javascript(f"fl.goOn({place.id})")
        finally:
            self._loads_earlier = False

    async def _show(self, shown: Sequence[Shown], place: Element, opening: int) -> bool:
        """Build views; false if meanwhile another chat was opened."""
        if shown and (first := shown[0].exchange.ordinal) > 1:
            with place, block("fl-earlier") as earlier:
                act = partial(self.show_earlier, earlier, first)
                button = ui.button(self._visit.say("chats.earlier"), color=None, on_click=act)
                button.props("flat no-caps").classes("fl-show-earlier")
        for one in shown:
            with place:
                self._view(one.exchange.question, one.picture).finish(one.exchange.reply)
            await asyncio.sleep(0)  # others want to be served too
            if opening != self._opening:
                return False
        return True

    def stop(self) -> None:
        """Stop the answer that is being written; the chat model is freed."""
        if self._follows and self._current is not None:
            self._current.stop()
            return
        writing, self._writing = self._writing, None
        self._stops = True
        if writing is not None:
            writing.cancel()

    def _gone(self) -> None:
        if self._current is not None:
            self._current.readers.discard(self._client)
        self._stop_unread()

    async def _left(self) -> None:
        await asyncio.sleep(_AWAY)
        if not self._client.has_socket_connection:
            self._stop_unread()

    def _stop_unread(self) -> None:
        # A page that was made anew, as after a change of language, may show it by now.
        if self._current is None or not self._current.is_read:
            self.stop()

    def _follow(self, writing: Writing) -> None:
        with self._thread:
            view = self._view(writing.question, writing.shown)
            view.wait()
        writing.readers.add(self._client)
        self._current, self._follows = writing, True
        self._composer.set_busy(busy=True)
        self._task = background_tasks.create(self._read(writing, view))

    async def _read(self, writing: Writing, view: AnswerView) -> None:
        """Show an answer that another page had asked for."""
        try:
            found = None
            while not (await asyncio.wait([writing.reply], timeout=_LOOK))[0]:
                answering = writing.answering()
                if answering is None or view.is_gone:
                    continue
                if found is None and (found := answering.found) is not None:
                    answering.show_found(view)
                answering.write(view)
            try:
                self._exchanges = await asyncio.to_thread(read_held, self._visit, writing.chat)
                self._count = writing.ordinal
            except NotFoundError:  # it was no question, so that the chat went with it
                self._chat = None
        finally:
            writing.readers.discard(self._client)
            self._task = self._current = None
            self._follows = False
            if not self._client.is_deleted:
                self._composer.set_busy(busy=False)
        if not self._client.is_deleted:
            with self._client:
                self._finish(view, writing.reply.result(), None)
                await self._on_kept(self._chat)

    async def ask(self, question: str) -> None:
        """Ask a question, with the picture that was added, once the chat is open."""
        opening, question = self._opening, question.strip()
        await self._is_open.wait()
        given = self._composer.picture.given
        if self._task is not None or opening != self._opening or (not question and given is None):
            return
        if self._count >= MAX_EXCHANGES:
            ui.notify(self._visit.say("chats.full", count=str(MAX_EXCHANGES)), type="negative")
            return
        try:
            self._visit.service.check_question(question)
        except InvalidQueryError as error:
            tell_error(self._visit.say, error)
            return
        with self._client:  # for the example that was chosen goes
            self._begin(question, given)

    def _begin(self, question: str, given: Given | None) -> None:
        if self._greets:
            self._thread.clear()
            self._greets = False
        self._composer.clear()
        with self._thread:
            view = self._view(question, given.shown if given else None)
            view.wait()
        self._composer.set_busy(busy=True)
        self._stops = False
        ui.run_javascript(f"fl.follow({view.element_id})")
        self._task = background_tasks.create(self._answer_before_the_end(question, given, view))

    async def _answer_before_the_end(
        self, question: str, given: Given | None, view: AnswerView
    ) -> None:
        with self._visit.service.stopping.waits_for():
            await self._answer(question, given, view)

    async def _answer(self, question: str, given: Given | None, view: AnswerView) -> None:
        visit = self._visit
        reply = unfinished_reply("", error=INTERNAL)
        problem: Json | None = None
        begins = self._chat is None
        try:
            await self._announce_it(question, given)
            reply = await self._written(question, given, view)
            exchange = Exchange(
                question=question,
                reply=reply,
                picture=given.kept if given else None,
                picture_hash=given.picture.content_hash if given else None,
            )
            if not _is_invalid(reply):
                most = visit.service.config.max_turns
                self._exchanges = held([*self._exchanges, exchange], most=most)
                problem = await asyncio.to_thread(self._keep, exchange)
            elif begins:
                problem = await asyncio.to_thread(self._take_back)
        except Exception:
            logger.exception("An answer on the page could not be kept")
            problem = INTERNAL
        finally:
            self._task = self._writing = self._answering = None
            self._let_go(reply)
        if not self._client.is_deleted:
            with self._client:
                try:
                    self._finish(view, reply, problem)
                finally:
                    self._composer.set_busy(busy=False)
                await self._on_kept(self._chat)

    async def _announce_it(self, question: str, given: Given | None) -> None:
        """Begin the chat, so that its address finds it, and let other pages find the answer."""
        await asyncio.to_thread(self._begin_chat, question)
        if self._chat is None:  # which is told when the answer cannot be kept either
            return
        self._current = Writing(
            chat=self._chat,
            question=question,
            shown=given.shown if given else None,
            ordinal=self._count + 1,
            answering=lambda: self._answering,
            stop=self.stop,
            reply=asyncio.get_running_loop().create_future(),
            readers={self._client},
        )
        self._visit.door.writings[self._chat] = self._current
        if not self._client.is_deleted:
            with self._client:
                self._composer.hold(question, chat=self._chat, ordinal=self._count + 1)
                await self._on_kept(self._chat)

    def _let_go(self, reply: Json) -> None:
        current, self._current = self._current, None
        if current is not None:
            self._visit.door.writings.pop(current.chat, None)
            current.reply.set_result(reply)

    async def _written(self, question: str, given: Given | None, view: AnswerView) -> Json:
        if self._stops:
            return unfinished_reply("")
        writing = asyncio.create_task(self._write(question, given, view))
        self._writing = writing
        try:
            await asyncio.wait([writing])
        except asyncio.CancelledError:  # the server stops; what was said so far is kept
            writing.cancel()
            await asyncio.wait([writing])
        # One that was stopped before it began has nothing to say.
        return unfinished_reply("") if writing.cancelled() else writing.result()

    async def _write(self, question: str, given: Given | None, view: AnswerView) -> Json:
        visit = self._visit
        history = await asyncio.to_thread(
            turns_of, self._exchanges, most=visit.service.config.max_turns
        )
        asked = Asked(question=question, image=given.picture if given else None, history=history)
        self._answering = Answering(visit, view)
        return await self._answering.run(asked)

    def _finish(self, view: AnswerView, reply: Json, problem: Json | None) -> None:
        view.finish(reply)
        if problem is not None:
            with self._thread:
                notice("failed", str(problem["message"]), str(problem["hint"] or ""))
        self._announce.set_text(self._visit.say(_outcome(reply)))
        self._composer.hold("", chat=None, ordinal=0)
        self._composer.show_in_play(self._exchanges)

    def _begin_chat(self, question: str) -> Json | None:
        visit = self._visit
        try:
            if self._chat is None:
                title = question or visit.say("ask.without_words")
                self._chat = visit.chats.begin(visit.user.owner, visit.identity, title=title).id
        except FlorilegiumError as error:
            return error_to_json(error)
        return None

    def _keep(self, exchange: Exchange) -> Json | None:
        visit = self._visit
        problem = self._begin_chat(exchange.question)
        if problem is not None or self._chat is None:
            return problem  # the answer is there all the same
        try:
            self._count = visit.chats.add(visit.user.owner, visit.identity, self._chat, exchange)
        except FlorilegiumError as error:
            return error_to_json(error)
        return None

    def _take_back(self) -> Json | None:
        """Remove a chat that was begun for a question which is none."""
        visit = self._visit
        chat, self._chat = self._chat, None
        try:
            if chat is not None:
                visit.chats.delete(visit.user.owner, visit.identity, chat)
        except FlorilegiumError as error:
            return error_to_json(error)
        return None

    def _view(self, question: str, shown: str | None) -> AnswerView:
        return AnswerView(self._visit, question, shown=shown, open_source=self._sources.open)


def _outcome(reply: Json) -> str:
    """Return the key of what is announced of a reply."""
    if reply.get("error"):
        return "answer.failed"
    return "answer.stopped" if reply.get("stopped") else "answer.done"


def _is_invalid(reply: Json) -> bool:
    error = reply.get("error")
    return isinstance(error, dict) and error["code"] == InvalidQueryError.code
