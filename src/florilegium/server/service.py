"""What all doors of the server do: the page, REST, the OpenAI-compatible API and MCP.

Knows users, their rights, limits, and which threads do what; knows nothing of HTTP.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import BinaryIO, TypeVar

from florilegium.answers import Event
from florilegium.config_sections import ServerConfig
from florilegium.errors import (
    FlorilegiumError,
    ForbiddenError,
    InvalidQueryError,
    NotFoundError,
    TooSlowError,
)
from florilegium.facets import Facets
from florilegium.filters import Filter
from florilegium.library import Library
from florilegium.parts import Statistics
from florilegium.querying import max_pixels
from florilegium.retrieve import Explanation
from florilegium.server.channel import Channel
from florilegium.server.ingest_jobs import IngestJobs, Job, Order
from florilegium.server.item_pictures import ItemPictures
from florilegium.server.observing import UNOBSERVED, Observer, Watch
from florilegium.server.plain_errors import plain_event, plain_job, without_paths
from florilegium.server.query_pictures import check_pixels, open_small
from florilegium.server.question_limits import check_filter, check_length, check_whole
from florilegium.server.request_notes import note_request
from florilegium.server.served import Asked, Served, check_name
from florilegium.server.source_text import SourceText, join_chunks
from florilegium.server.stopping import Stopping
from florilegium.server.uploads import Upload, take_in
from florilegium.server.users import User
from florilegium.server.workers import Workers, close_all
from florilegium.types import Item, Modality, Picture

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_DECODED = 4  # pictures that requests hold: each takes hundreds of MB for a moment
_ANY_WORD = "anything"
_FACETS_SECONDS = 30.0  # counting them looks at every item

MOST_FACETS = 200
"""How many values of a kind a filter is offered, the most frequent ones."""


class Service:
    """The libraries of one server, behind rights and limits. `stopping` lets answers end first.

    Every method that takes a user raises NotFoundError for a library that is absent or that this
    user may not see, ForbiddenError for what the user may not do, TooBusyError where too many do
    it at once, TooSlowError over the time limit, and else what `Library` raises.

    Args:
        libraries: By the names that stand in addresses; they stay the caller's to close.
        config: The limits.
        observer: Is told of searches, answers and ingests.
    """

    def __init__(
        self,
        libraries: Mapping[str, Library],
        *,
        config: ServerConfig,
        observer: Observer = UNOBSERVED,
    ) -> None:
        for name in libraries:
            check_name(name)
        self.config = config
        self._observer = observer
        self.stopping = Stopping()
        self._served = {
            name: Served(name=name, title=library.root.name or name, library=library)
            for name, library in libraries.items()
        }
        cores = os.cpu_count() or 1
        waiting = config.waiting
        self.searches = Workers("searches", running=config.searches or cores, waiting=waiting)
        self.answers = Workers("answers", running=config.answers, waiting=waiting)
        self.reads = Workers("reads", running=cores, waiting=8 * waiting)
        self.decodes = Workers("pictures", running=min(cores, _DECODED), waiting=8 * waiting)
        self.warming = Workers("warm-up", running=1, waiting=1)  # reads do not wait for it
        self._ingests = IngestJobs(observer)
        self._pictures = ItemPictures()
        self._facets: dict[str, tuple[float, Facets]] = {}

    def warm_up(self) -> None:
        """Open what searches need, so that the first visitor does not wait for it."""
        for name, served in self._served.items():
            if self.stopping.begun:
                return
            try:
                served.library.search(_ANY_WORD)
            except FlorilegiumError as error:
                logger.warning("%s cannot be searched yet: %s", name, error.message)
            except Exception:
                logger.exception("%s cannot be searched", name)

    def libraries(self, user: User) -> list[Served]:
        """Return the libraries that a user sees."""
        return [served for name, served in self._served.items() if user.sees(name)]

    def identities(self) -> dict[str, str]:
        """Return `Served.identity` of all libraries by name, whoever asks."""
        return {name: served.identity for name, served in self._served.items()}

    def served(self, name: str, user: User) -> Served:
        """Return one library that a user sees."""
        served = self._served.get(name)
        note_request(user=user.name, library=name if served else "")
        if served is None or not user.sees(name):
            raise NotFoundError(
                f"There is no library {name[:100]!r} here.",
                hint="Ask for the list of libraries to see their names.",
            )
        return served

    async def search(
        self,
        user: User,
        name: str,
        text: str = "",
        *,
        images: Sequence[Picture] = (),
        modality: Modality | None = None,
        top_k: int | None = None,
        where: Filter | None = None,
        since: float | None = None,
    ) -> Explanation:
        """Return what `Library.explain` does.

        `since` is when the request came, by `time.monotonic`, if its pictures were read before.
        """
        served = self.served(name, user)
        self.check_question(text)
        check_filter(where)
        find = partial(
            served.library.explain,
            text,
            image=list(images) or None,
            modality=modality,
            top_k=top_k,
            where=where,
        )
        with Watch(self._observer, "search"), without_paths(served):
            return await self.searches.run(find, seconds=self.config.search_seconds, since=since)

    async def embed(
        self, user: User, name: str, embed: Callable[[Library], _T], *, since: float | None = None
    ) -> _T:
        """Return what `embed` encodes by the encoders of a library, in line with searches."""
        served = self.served(name, user)
        work = partial(embed, served.library)
        with Watch(self._observer, "embedding"), without_paths(served):
            return await self.searches.run(work, seconds=self.config.search_seconds, since=since)

    @asynccontextmanager
    async def answer(
        self, user: User, name: str, asked: Asked
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Give the events of an answer, as `Library.stream` has them.

        Its time begins when the question came, so that reading its picture is part of it.
        Leaving the block early stops the chat model, also one that is silent, and frees its place.
        """
        served = self.served(name, user)
        self.check(asked)
        self.stopping.check()
        channel: Channel[Event] = Channel()
        stream = partial(
            served.library.stream,
            asked.question,
            image=asked.image,
            history=asked.history,
            quote=asked.quote,
            where=asked.where,
            options=asked.options,
        )
        with Watch(self._observer, "answer") as watch, self.stopping.waits_for(channel.stop):
            future = self.answers.submit(partial(channel.feed, stream))
            try:
                yield self._events(channel, watch, served, since=asked.since)
            finally:
                channel.close()
                future.cancel()

    async def read_picture(
        self, data: bytes, *, name: str = "the query picture", since: float | None = None
    ) -> Picture:
        """Return the picture in the bytes of a file, shrunk to what models look at.

        Its content hash is that of the bytes; messages call it `name`; `since` is as for `search`.

        Raises:
            InvalidQueryError: It cannot be read, or has too many pixels.
        """
        read = partial(open_small, data, max_pixels=self._max_pixels(), name=name)
        return await self.decodes.run(read, seconds=self.config.search_seconds, since=since)

    async def read_pictures(self, files: Sequence[bytes], *, since: float) -> list[Picture]:
        """Return all pictures of a request, read as `read_picture` does, one after the other.

        Raises:
            InvalidQueryError: One cannot be read, or they have too many pixels, alone or together.
        """
        if len(files) > 1:
            look = partial(check_pixels, files, max_pixels=self._max_pixels())
            await self.decodes.run(look, seconds=self.config.search_seconds, since=since)
        return [await self.read_picture(data, since=since) for data in files]

    async def item(self, user: User, name: str, id_: str, *, since: float | None = None) -> Item:
        """Return an item. Raises ItemNotFoundError."""
        served = self.served(name, user)
        return await self._read(served, lambda: served.library.item(id_), since=since)

    async def picture(
        self, user: User, name: str, id_: str, *, side: int, since: float | None = None
    ) -> bytes:
        """Return an image item as JPEG, at most `side` pixels wide and high.

        Raises:
            ItemNotFoundError: There is no such item.
            SourceGoneError: Its file is not there any more, or is another one.
            SourceError: It is no picture, or its file cannot be read.
        """
        served = self.served(name, user)
        draw = partial(self._pictures.draw, served.library, id_, side=side)
        return await self._read(served, draw, since=since)

    async def look(
        self, user: User, name: str, look: Callable[[Library], _T], *, since: float | None = None
    ) -> _T:
        """Return what `look` finds in a library within a moment."""
        served = self.served(name, user)
        return await self._read(served, partial(look, served.library), since=since)

    async def text(self, user: User, name: str, id_: str) -> SourceText:
        """Return the whole text that a text item was cut from, without front matter."""
        served = self.served(name, user)

        def read() -> SourceText:
            with served.library.reading() as index:
                path = index.catalog.item(id_).source.path
                return join_chunks(index.catalog.items_of([path]))

        return await self._read(served, read)

    async def facets(self, user: User, name: str) -> Facets:
        """Return what filters can choose from, as it was at most half a minute ago."""
        served = self.served(name, user)
        at, facets = self._facets.get(name, (0.0, None))
        if facets is None or monotonic() - at > _FACETS_SECONDS:

            def read() -> Facets:
                with served.library.reading() as index:
                    return index.catalog.facets(most=MOST_FACETS)

            facets = await self._read(served, read)
            self._facets[name] = monotonic(), facets
        return facets

    async def statistics(self, user: User, name: str) -> Statistics:
        """Return how much is in a library."""
        return await self.look(user, name, Library.statistics)

    def start_ingest(
        self, user: User, name: str, *, rebuild: bool = False, allow_empty: bool = False
    ) -> Job:
        """Begin to make the index agree with the folder. Raises IndexLockedError if one runs."""
        settings = self._writable(name, user).settings
        chosen = [key for key, origin in settings.origins.items() if origin == "flag"]
        order = Order(
            folder=self._served[name].library.root,
            overrides={key: _setting(settings.config, key) for key in chosen},
            rebuild=rebuild,
            allow_empty=allow_empty,
        )
        return self._ingests.start(name, order)

    def jobs(self, user: User, name: str) -> list[Job]:
        """Return the runs of ingest that the server remembers, the newest first."""
        served = self.served(name, user)
        return [plain_job(job, served) for job in self._ingests.all(name)]

    def job(self, user: User, name: str, id_: str) -> Job:
        """Return one run of ingest."""
        served = self.served(name, user)
        return plain_job(self._ingests.get(name, id_), served)

    def cancel(self, user: User, name: str, id_: str) -> None:
        """End a run of ingest; what it has done stays done."""
        self._writable(name, user)
        self._ingests.cancel(name, id_)

    async def upload(self, user: User, name: str, filename: str, data: BinaryIO) -> Upload:
        """Write a file into the folder of a library. Raises what `take_in` does."""
        library = self._writable(name, user)
        if not self.config.uploads:
            raise ForbiddenError(
                "This server takes no uploads.", hint="Its setting server.uploads allows them."
            )
        write = partial(take_in, data, library=library, filename=filename)
        return await self._read(self._served[name], write)

    async def drain(self, seconds: float) -> None:
        """Take nothing new, give answers so long to end, and end them then; ingests end meanwhile.

        To be called again with less time, the first call is cancelled.
        """
        self._ingests.tell_to_end()
        await self.stopping.drain(seconds)

    def close(self) -> None:
        """End runs of ingest and answers, and wait shortly for what still computes.

        May be called from any thread. The libraries stay open.
        """
        self.stopping.end_all()
        self._ingests.close()
        close_all((self.searches, self.answers, self.reads, self.decodes, self.warming))
        self._pictures.forget()

    async def _events(
        self, channel: Channel[Event], watch: Watch, served: Served, *, since: float
    ) -> AsyncIterator[Event]:
        seconds = self.config.answer_seconds
        try:
            with without_paths(served):
                async for event in channel.pieces(seconds=since + seconds - monotonic()):
                    watch.see(event)
                    yield plain_event(event, served)
        except TimeoutError as error:
            slow = TooSlowError(
                f"The answer took longer than {seconds:g} s, the time that answers have here.",
                hint="Ask again later, or for less.",
            )
            watch.fail(slow)
            raise slow from error
        except Exception as error:  # what sends the answer may keep it to itself
            watch.fail(error)
            raise

    async def _read(
        self, served: Served, function: Callable[[], _T], *, since: float | None = None
    ) -> _T:
        with without_paths(served):
            return await self.reads.run(function, seconds=self.config.search_seconds, since=since)

    def _max_pixels(self) -> int:
        limits = (max_pixels(one.library.settings.config) for one in self._served.values())
        return min(limits, default=1)

    def _writable(self, name: str, user: User) -> Library:
        library = self.served(name, user).library
        if not user.may_write:
            raise ForbiddenError(
                f"{user.name!r} may not change libraries.",
                hint="Who runs the server can allow it with `florilegium users change`.",
            )
        return library

    def check(self, asked: Asked) -> None:
        """Raise InvalidQueryError if more is asked than the limits allow.

        Who has pictures to read asks before, without them: reading is what costs.
        """
        if len(asked.history) > self.config.max_turns:
            raise InvalidQueryError(
                f"The question comes with {len(asked.history)} turns, but at most "
                f"{self.config.max_turns} are taken.",
                hint="Leave out the oldest, or begin a new chat.",
            )
        self.check_question(asked.question, *(turn.question for turn in asked.history))
        for turn in asked.history:
            check_whole(turn.answer)
        check_filter(asked.where)

    def check_question(self, *texts: str) -> None:
        """Raise InvalidQueryError where a question or search is longer than is taken."""
        for text in texts:
            check_length(text, most=self.config.max_question_characters)
            check_whole(text)


def _setting(config: object, key: str) -> object:
    for name in key.split("."):
        config = getattr(config, name)
    return list(config) if isinstance(config, tuple) else config
