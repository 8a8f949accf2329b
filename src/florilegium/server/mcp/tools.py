"""The tools: what a model may do with the libraries that its user sees. All of them only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ContentBlock, TextContent
from pydantic import BaseModel, Field

from florilegium.answers import Answer, Finished, Retrieved, Token
from florilegium.errors import FlorilegiumError, NotFoundError, StoreError
from florilegium.serialize import item_to_json
from florilegium.server.mcp import results
from florilegium.server.mcp.results import (
    AskResult,
    LibrariesResult,
    SearchResult,
    WholeItemResult,
)
from florilegium.server.mcp.thumbnails import Thumbnails
from florilegium.server.pictures import picture_bytes
from florilegium.server.rest.requests import WhereBody
from florilegium.server.served import Asked
from florilegium.server.service import Service
from florilegium.server.users import User
from florilegium.types import Modality, Picture

_MOST_HITS = 50
_MOST_FILE_TEXT = 40_000  # characters; more would fill the context of the model that asks
_PROGRESS_SECONDS = 0.2

LibraryArgument = Annotated[
    str | None,
    Field(
        description="Name of the library, as list_libraries gives it; may be left out if there "
        "is only one."
    ),
]
PictureArgument = Annotated[
    str | None,
    Field(
        description="A picture as a data URL (data:image/jpeg;base64,...) or plain base64. "
        "Addresses of the web are refused: nothing is fetched."
    ),
]
WhereArgument = Annotated[
    WhereBody | None,
    Field(description="What may be found at all: folders, suffixes, labels, days, fields."),
]
ItemArgument = Annotated[
    str, Field(description="Id of the item, from a hit or a citation.", pattern="^[0-9a-f]{32}$")
]
SearchOutput = Annotated[CallToolResult, SearchResult]
AskOutput = Annotated[CallToolResult, AskResult]
ItemOutput = Annotated[CallToolResult, WholeItemResult]
LibrariesOutput = Annotated[CallToolResult, LibrariesResult]


class Tools:
    """The tools of one server.

    Args:
        service: The libraries.
        user_of: Tells from the context of a call who asks.
    """

    def __init__(self, service: Service, user_of: Callable[[Context[Any, Any]], User]) -> None:
        self._service = service
        self._user_of = user_of

    async def list_libraries(self, ctx: Context[Any, Any]) -> LibrariesOutput:
        """List the libraries that can be searched, with how many files each has."""
        user = self._user_of(ctx)
        found = []
        for served in self._service.libraries(user):
            try:
                statistics = await self._service.statistics(user, served.name)
                found.append(results.library_result(served, statistics))
            except FlorilegiumError as error:
                found.append(results.library_result(served, None, problem=_tell(error)))
        result = LibrariesResult(libraries=found)
        return _result(result, [_text(results.tell_libraries(result))])

    async def search(
        self,
        ctx: Context[Any, Any],
        *,
        text: Annotated[
            str,
            Field(description="Words to search for; +word is wanted besides, -word is not wanted."),
        ] = "",
        picture: PictureArgument = None,
        library: LibraryArgument = None,
        modality: Annotated[
            Modality | None, Field(description="Find only pictures, or only texts.")
        ] = None,
        top_k: Annotated[int, Field(ge=1, le=_MOST_HITS, description="How many hits.")] = 8,
        where: WhereArgument = None,
        show_pictures: Annotated[
            bool, Field(description="Whether found pictures are shown, not only named.")
        ] = True,
    ) -> SearchOutput:
        """Find pictures and texts of a library by words, by a picture, or by both at once.

        Gives the hits best first, each with its id, path and text, and small pictures of image
        hits. Words find pictures and a picture finds texts too. Use it to look around or to
        compare sources yourself; use `ask` for an answer with checked citations, and `get_item`
        to see one hit whole.
        """
        with _told_errors():
            user, name = self._place(ctx, library)
            since = monotonic()
            filter_ = where.to_filter() if where else None
            self._service.check_question(text)  # before the work of reading a picture
            images = [await self._read(picture, since=since)] if picture else []
            found = await self._service.search(
                user,
                name,
                text,
                images=images,
                modality=modality,
                top_k=top_k,
                where=filter_,
                since=since,
            )
            thumbnails = Thumbnails(self._service, user, name)
            result = results.search_result(found, library=name)
            content: list[ContentBlock] = [_text(results.tell_search(result))]
            for hit in result.hits:
                content.append(_text(results.tell_hit(hit)))
                if hit.modality == "image" and show_pictures:
                    shown = await thumbnails.small(hit.id)
                    content += [shown] if shown else []
        result.notes.extend(thumbnails.notes)
        return _result(result, content + [_text(note) for note in thumbnails.notes])

    async def ask(
        self,
        ctx: Context[Any, Any],
        *,
        question: Annotated[
            str, Field(description="The question, in full: earlier ones are not remembered.")
        ] = "",
        picture: PictureArgument = None,
        library: LibraryArgument = None,
        where: WhereArgument = None,
        quote: Annotated[
            bool, Field(description="Answer by quoting sentences, without a chat model.")
        ] = False,
    ) -> AskOutput:
        """Answer a question from a library, with numbered citations of its files.

        The answer rests on what is in the library; where there is no evidence it is refused, which
        is an answer too: do not make one up instead. With a picture it is identified by the
        library first, as in "Which rose is this, and how do I care for it?". Cited pictures are
        shown.
        """
        with _told_errors():
            user, name = self._place(ctx, library)
            asked = Asked(
                question=question,
                where=where.to_filter() if where else None,
                quote=quote,
            )
            self._service.check(asked)  # before the work of reading a picture
            if picture:
                asked = replace(asked, image=await self._read(picture, since=asked.since))
            answer = await self._answer(ctx, user, name, asked)
            thumbnails = Thumbnails(self._service, user, name)
            result = results.ask_result(answer, library=name)
            content: list[ContentBlock] = [_text(results.tell_answer(result))]
            for id_ in results.pictures_of(answer.citations):
                shown = await thumbnails.small(id_)
                content += [shown] if shown else []
        result.notes.extend(thumbnails.notes)
        return _result(result, content + [_text(note) for note in thumbnails.notes])

    async def get_item(
        self,
        ctx: Context[Any, Any],
        *,
        id: ItemArgument,  # noqa: A002 - its name for the model
        library: LibraryArgument = None,
        whole_file: Annotated[
            bool, Field(description="Give the whole text of the item's file too.")
        ] = False,
    ) -> ItemOutput:
        """Give one item by its id: its text and what is said of it, and a picture itself."""
        with _told_errors():
            user, name = self._place(ctx, library)
            item = await self._service.item(user, name, id)
            result = WholeItemResult.model_validate(item_to_json(item) | {"library": name})
            thumbnails = Thumbnails(self._service, user, name)
            shown = None
            if item.modality is Modality.IMAGE:
                shown = await thumbnails.large(id)
            elif whole_file:
                text = (await self._service.text(user, name, id)).text
                result.file_text = text[:_MOST_FILE_TEXT]
                if len(text) > _MOST_FILE_TEXT:
                    result.notes.append(
                        f"The text goes on: {_MOST_FILE_TEXT} of {len(text)} characters are given."
                    )
        result.notes.extend(thumbnails.notes)
        content: list[ContentBlock] = [_text(results.tell_item(result))]
        return _result(result, content + ([shown] if shown else []))

    def _place(self, ctx: Context[Any, Any], library: str | None) -> tuple[User, str]:
        """Return who asks, and the name of the library that is meant. Raises NotFoundError."""
        user = self._user_of(ctx)
        if library is not None:
            return user, self._service.served(library, user).name
        names = [served.name for served in self._service.libraries(user)]
        if len(names) == 1:
            return user, names[0]
        raise NotFoundError(
            f"There are {len(names)} libraries, and none was named.",
            hint=f"Name one as `library`: {', '.join(names)}." if names else None,
        )

    async def _read(self, picture: str, *, since: float) -> Picture:
        return await self._service.read_picture(picture_bytes(picture), since=since)

    async def _answer(self, ctx: Context[Any, Any], user: User, name: str, asked: Asked) -> Answer:
        """Return the answer, telling a client that asked for progress of each stretch of it."""
        progress = _Progress(ctx)
        async with self._service.answer(user, name, asked) as events:
            async for event in events:
                match event:
                    case Retrieved():
                        await progress.tell(f"Found {len(event.hits)} sources.")
                    case Token():
                        await progress.add(event.text)
                    case Finished():
                        await progress.flush()
                        return event.answer
                    case _:
                        await progress.tell(f"The chat model failed: {event.failure.message}")
        raise StoreError("The answer ended without its last event.", hint="Report this defect.")


class _Progress:
    """Tells a client how an answer grows; without its wish to know, nothing is sent."""

    def __init__(self, ctx: Context[Any, Any]) -> None:
        self._ctx = ctx
        self._count = 0
        self._text = ""
        self._told = 0.0

    async def tell(self, message: str) -> None:
        await self.flush()
        self._count += 1
        await self._ctx.report_progress(self._count, None, message)

    async def add(self, text: str) -> None:
        self._text += text
        if monotonic() - self._told >= _PROGRESS_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        if self._text:
            self._count += 1
            self._told = monotonic()
            text, self._text = self._text, ""
            await self._ctx.report_progress(self._count, None, text)


@contextmanager
def _told_errors() -> Iterator[None]:
    """Turn errors of ours into errors of a tool, which the model reads."""
    try:
        yield
    except FlorilegiumError as error:
        raise ToolError(_tell(error)) from error


def _tell(error: FlorilegiumError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text.encode("utf-8", "replace").decode("utf-8"))


def _result(data: BaseModel, content: list[ContentBlock]) -> CallToolResult:
    return CallToolResult(content=content, structured_content=data.model_dump(mode="json"))
