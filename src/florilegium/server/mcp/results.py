"""What tools give: data in a fixed shape, and the same as text and pictures for the model.

Knows how answers and hits are told; fetches no picture itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, field_validator

from florilegium.answers import Answer, Citation
from florilegium.parts import Statistics
from florilegium.retrieve import Explanation
from florilegium.serialize import identification_to_json, item_to_json
from florilegium.server.served import Served
from florilegium.types import Hit


class Result(BaseModel):
    """Data of a tool. Halves of characters, which no client could read, are replaced."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_readable(cls, value: object) -> object:
        if isinstance(value, str):
            return value.encode("utf-8", "replace").decode("utf-8")
        return value


class LibraryResult(Result):
    """A library, and how much is in it; `problem` says why that is not known."""

    name: str
    title: str
    files: int | None = None
    pictures: int | None = None
    texts: int | None = None
    problem: str | None = None


class LibrariesResult(Result):
    """The libraries that the user sees."""

    libraries: list[LibraryResult]


class ItemResult(Result):
    """A picture, or a chunk of text.

    `text` is the chunk, or the words that stand for a picture; `span` is where a chunk stands in
    the text of its file, in characters.
    """

    id: str
    modality: Literal["image", "text"]
    path: str
    title: str
    text: str
    fields: list[tuple[str, str]] = []
    width: int | None = None
    height: int | None = None
    span: tuple[int, int] | None = None


class HitResult(ItemResult):
    """An item that was found. Scores compare only within one modality."""

    rank: int
    score: float


class SearchResult(Result):
    """What was found, best first, and how sure it is that it answers the query."""

    library: str
    hits: list[HitResult]
    confidence: float
    reasons: list[str]
    notes: list[str] = []


class CitationResult(Result):
    """A numbered source of an answer."""

    number: int
    id: str
    modality: Literal["image", "text"]
    path: str
    title: str
    quote: str | None = None


class AskResult(Result):
    """The answer to a question, or its refusal where the library has no evidence."""

    library: str
    answer: str
    refused: bool
    confidence: float
    citations: list[CitationResult]
    searched: str
    model: str
    reasons: list[str]
    notes: list[str] = []
    identification: dict[str, object] | None = None
    failure: str | None = None


class WholeItemResult(ItemResult):
    """An item, with the text of its file where that was asked for."""

    library: str
    file_text: str | None = None
    notes: list[str] = []


def library_result(
    served: Served, found: Statistics | None, *, problem: str | None = None
) -> LibraryResult:
    """Return what is told of a library."""
    counts = (
        {}
        if found is None
        else {"files": found.sources, "pictures": found.images, "texts": found.texts}
    )
    return LibraryResult(name=served.name, title=served.title, problem=problem, **counts)


def search_result(found: Explanation, *, library: str) -> SearchResult:
    """Return what was found."""
    return SearchResult(
        library=library,
        hits=[_hit(hit, rank) for rank, hit in enumerate(found.hits, start=1)],
        confidence=found.evidence.confidence,
        reasons=list(found.evidence.reasons),
    )


def ask_result(answer: Answer, *, library: str) -> AskResult:
    """Return what was answered."""
    failure = answer.failure
    return AskResult(
        library=library,
        answer=answer.text,
        refused=answer.refused,
        confidence=answer.confidence,
        citations=[_citation(citation) for citation in answer.citations],
        searched=answer.searched,
        model=answer.model,
        reasons=list(answer.reasons),
        notes=list(answer.notes),
        identification=identification_to_json(answer.identification),
        failure=None if failure is None else f"{failure.model}: {failure.message}",
    )


def tell_libraries(result: LibrariesResult) -> str:
    """Return libraries in words."""
    if not result.libraries:
        return "There is no library here that you may see."
    return "\n".join(_tell_library(one) for one in result.libraries)


def tell_hit(hit: HitResult) -> str:
    """Return a hit in words."""
    return f"{hit.rank}. {_tell_item(hit)}"


def tell_search(result: SearchResult) -> str:
    """Return in words how good what was found is."""
    if not result.hits:
        return f"Nothing in {result.library!r} was found."
    said = [f"Found {len(result.hits)} in {result.library!r}, best first."]
    said.append(f"Confidence that they answer the query: {result.confidence:.2f}.")
    return " ".join((*said, *result.reasons))


def tell_answer(result: AskResult) -> str:
    """Return an answer in words, with its sources below it."""
    lines = [result.answer, ""]
    if result.identification:
        said = result.identification
        lines.append(f"The picture shows: {said['chosen'] or 'none of the names'} ({said['by']})")
    lines += [
        f"[{one.number}] {one.path} ({one.modality}, id {one.id})"
        + (f": “{one.quote}”" if one.quote else "")
        for one in result.citations
    ]
    lines.append(f"Confidence: {result.confidence:.2f}.")
    if result.refused:
        lines.append("The library has no evidence for an answer. " + " ".join(result.reasons))
    if result.failure:
        lines.append(f"The chat model failed: {result.failure}")
    return "\n".join((*lines, *result.notes)).replace("\n\n\n", "\n\n")


def tell_item(result: WholeItemResult) -> str:
    """Return an item in words."""
    fields = "".join(f"\n{name}: {value}" for name, value in result.fields)
    parts = [_tell_item(result) + fields]
    if result.file_text is not None:
        parts.append(f"The text of {result.path}:\n{result.file_text}")
    return "\n\n".join((*parts, *result.notes))


def pictures_of(hits: Iterable[Hit | Citation]) -> list[str]:
    """Return the ids of the image items among hits or citations, without repeats."""
    items = [one.item if isinstance(one, Hit) else one.hit.item for one in hits]
    return list(dict.fromkeys(item.id for item in items if item.modality == "image"))


def _hit(hit: Hit, rank: int) -> HitResult:
    data: Mapping[str, object] = item_to_json(hit.item) | {"rank": rank, "score": hit.score}
    return HitResult.model_validate(data)


def _citation(citation: Citation) -> CitationResult:
    item = citation.hit.item
    return CitationResult.model_validate(
        item_to_json(item) | {"number": citation.number, "quote": citation.quote}
    )


def _tell_item(item: ItemResult) -> str:
    size = f", {item.width} × {item.height} pixels" if item.width else ""
    return f"{item.path} ({item.modality}{size}, id {item.id})\n{item.text}"


def _tell_library(library: LibraryResult) -> str:
    title = f" ({library.title})" if library.title != library.name else ""
    if library.files is None:
        return f"{library.name}{title}: {library.problem or 'nothing is known of it'}"
    return (
        f"{library.name}{title}: {library.files} files, {library.pictures} pictures, "
        f"{library.texts} chunks of text"
    )
