"""How the library is used, for the type checker to read. Never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import assert_never, assert_type

from PIL import Image

from florilegium import (
    Answer,
    Citation,
    EvaluationReport,
    Event,
    Failed,
    Finished,
    FlorilegiumError,
    Hit,
    IngestReport,
    Library,
    Modality,
    Progress,
    Retrieved,
    Token,
    Turn,
    evaluate,
    make_query,
)
from florilegium.protocols import ChatModel, Encoder, VectorStore


def create_and_ingest(folder: Path) -> int:
    """A library is made, filled, and tells what happened."""

    def show(progress: Progress) -> None:
        assert_type(progress.done, int)

    with Library.create(folder, profile="offline", overrides={"retrieval.top_k": 3}) as library:
        assert_type(library, Library)
        report = library.ingest(rebuild=True, progress=show)
    assert_type(report, IngestReport)
    return report.added + len(report.failed)


def search_in_all_directions(folder: str, picture: Image.Image) -> list[Hit]:
    """Text, picture, both; a modality as a word or as a member."""
    with Library.open(folder) as library:
        by_text = library.search("tulip", modality="image", top_k=3)
        by_path = library.search(image="rose.jpg", modality=Modality.TEXT)
        by_bytes = library.search(image=Path("rose.jpg").read_bytes())
        composed = library.search("the same, but white", image=picture)
    assert_type(by_text, list[Hit])
    assert_type(by_text[0].item.source.path, str)
    assert_type(by_text[0].item.modality, Modality)
    assert_type(by_text[0].score, float)
    return [*by_text, *by_path, *by_bytes, *composed]


def ask_and_go_on(library: Library) -> str:
    """The history of an answer is what the next question passes on."""
    answer = library.ask("How do I care for it?", image="rose.jpg")
    assert_type(answer, Answer)
    assert_type(answer.citations, tuple[Citation, ...])
    assert_type(answer.history, tuple[Turn, ...])
    assert_type(answer.refused, bool)
    return library.ask("And in winter?", history=answer.history).text


def show_event(event: Event) -> str:
    """The four kinds of event are all there are."""
    match event:
        case Retrieved():
            return event.searched
        case Token():
            return event.text
        case Failed():
            return event.failure.message
        case Finished():
            return event.answer.text
        case _:
            assert_never(event)


def stream_an_answer(library: Library) -> Iterator[str]:
    """Events are told apart by their class."""
    for event in library.stream("Which rose is this?", image=b"..."):
        yield show_event(event)


def explain_an_error(library: Library) -> tuple[str, str, str | None]:
    """An error carries a code, a message and maybe a hint."""
    try:
        library.search("")
    except FlorilegiumError as error:
        return error.code, error.message, error.hint
    return "", "", None


def name_the_plug_points(encoder: Encoder, store: VectorStore, chat_model: ChatModel) -> None:
    """What backends offer is typed as well."""
    assert_type(encoder.info.dim, int)
    assert_type(chat_model.info.max_images, int)
    encoder.encode_images([], purpose="query")  # type: ignore[call-arg]  # only texts have a purpose
    encoder.encode_texts(["rose"])  # type: ignore[call-arg]  # the purpose is never left out
    store.close()


def evaluate_a_library(library: Library) -> float:
    """A library is what `evaluate` takes, with a file of queries or a list of them."""
    assert_type(evaluate(library, "queries.jsonl"), EvaluationReport)
    report = evaluate(library, [make_query(text="a rose", relevant=["rose.jpg"])])
    return report.total.metrics["MRR"]
