"""A plain page of one item, without any script: the picture large, or the passage in its text."""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse

from florilegium.errors import FlorilegiumError
from florilegium.server.rest.routes import (
    ERRORS,
    LibraryName,
    Responses,
    TheService,
    TheUser,
)
from florilegium.server.service import Service
from florilegium.server.status_codes import status_code
from florilegium.server.users import User
from florilegium.types import Item, Modality, Span

router = APIRouter(tags=["items"], responses=ERRORS)

_templates = Environment(
    loader=PackageLoader("florilegium.server"), autoescape=True, trim_blocks=True
)
_AROUND = 20_000  # characters shown on each side of a passage
_LANGUAGES = {True: "zh", False: "en"}

_HTML: Responses = {200: {"content": {"text/html": {}}, "description": "The page."}}
Position = Annotated[
    int | None, Query(ge=0, description="A place in the text of the item's file, in characters.")
]

# Any text, so that a wrong one is told as an item that is not there, and not by a pattern.
PageId = Annotated[
    str,
    Path(
        description="The id of an item, as searches give it.",
        examples=["0f343b0931126a20f133d67c2b018a3b"],
    ),
]


@router.get("/items/{library}/{id_}", response_class=Response, responses=_HTML)
async def item_page(
    library: LibraryName,
    id_: PageId,
    request: Request,
    service: TheService,
    user: TheUser,
    start: Position = None,
    end: Position = None,
) -> HTMLResponse:
    """Return the page of an item; `start` and `end` choose what is marked, else all of a chunk.

    In a browser, what fails is told by such a page too.
    """
    try:
        item = await service.item(user, library, id_)
        shown = await _shown(item, library, request, service, user, start, end)
    except FlorilegiumError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return _page(request, status=status_code(error), problem=error)
    title = service.served(library, user).title
    return _page(request, status=200, item=item, library=title, **shown)


async def _shown(
    item: Item,
    library: str,
    request: Request,
    service: Service,
    user: User,
    start: int | None,
    end: int | None,
) -> dict[str, str | None]:
    shown: dict[str, str | None] = {"picture": None, "before": "", "marked": "", "after": ""}
    if item.modality is Modality.IMAGE:
        api = f"{_root(request)}/api/libraries/{quote(library)}"
        shown["picture"] = f"{api}/items/{item.id}/picture"
    else:
        text = await service.text(user, library, item.id)
        shown |= _around(text.text, text.moved(_span(item, start, end)))
    return shown


def _page(request: Request, *, status: int, **shown: object) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    html = _templates.get_template("item.html").render(
        language=_LANGUAGES[request.headers.get("accept-language", "").startswith("zh")],
        nonce=nonce,
        root=_root(request),
        **shown,
    )
    policy = (
        f"default-src 'none'; img-src 'self'; style-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    kept = "private, max-age=60" if status == 200 else "no-store"
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": kept,
        "Vary": "Accept-Language, Authorization, Cookie",
    }
    return HTMLResponse(html, status_code=status, headers=headers)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _span(item: Item, start: int | None, end: int | None) -> Span:
    whole = item.span or Span(start=0, end=0)
    if start is None or end is None or not whole.start <= start < end <= whole.end:
        return whole
    return Span(start=start, end=end)


def _around(text: str, span: Span) -> dict[str, str | None]:
    first, last = max(0, span.start - _AROUND), span.end + _AROUND
    before = text[first : span.start].lstrip()
    after = text[span.end : last].rstrip()
    return {
        "before": ("… " if first else "") + before,
        "marked": text[span.start : span.end],
        "after": after + (" …" if last < len(text) else ""),
    }
