"""Hits, and questions asked about them, for the tests of the flow of a chat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from florilegium.answers import Answer, AnswerOptions, Event, Finished, Turn
from florilegium.asking import Found, Wanted
from florilegium.chat import Tools, answer_events
from florilegium.config import ChatConfig
from florilegium.evidence import Evidence
from florilegium.protocols import ChatModel
from florilegium.templates import flatten
from florilegium.types import Hit, Item, Message, Modality, Picture, Source, Span, TextPart

ROSE = "Roses are pruned in early spring. Their hips are rich in vitamin C."
RED = Image.new("RGB", (2, 2), (255, 0, 0))
BLUE = Image.new("RGB", (2, 2), (0, 0, 255))
NOTHING = "Nothing in this library answers that."


def make_hit(name: str, text: str, modality: Modality = Modality.TEXT) -> Hit:
    source = Source(root=Path("library"), path=name, size=1, modified_ns=0, content_hash=name)
    span = Span(start=50, end=50 + len(text)) if modality is Modality.TEXT else None
    title = Path(name).stem
    item = Item(
        id=name, source=source, modality=modality, ordinal=0, title=title, text=text, span=span
    )
    return Hit(item=item, score=0.5, fused=1.0)


HITS = (make_hit("rose.txt", ROSE), make_hit("dahlia.txt", "Dahlias come from Mexico."))


def make_tools(
    model: ChatModel,
    *,
    hits: Sequence[Hit] = HITS,
    confidence: float = 0.9,
    config: ChatConfig | None = None,
    fallback: Callable[[], ChatModel] | None = None,
    open_image: Callable[[Item], Image.Image] = lambda _item: BLUE,
    options: AnswerOptions | None = None,
) -> Tools:
    evidence = Evidence(confidence=confidence, reasons=("It matches.",))

    def search(wanted: Wanted) -> Found:
        return Found(hits=tuple(hits), evidence=evidence, searched=f"searched: {wanted.text}")

    return Tools(
        search=search,
        chat_model=model,
        open_image=open_image,
        config=config or ChatConfig(name="fake"),
        fallback=fallback,
        options=options or AnswerOptions(),
    )


def ask(
    question: str,
    model: ChatModel,
    *,
    hits: Sequence[Hit] = HITS,
    confidence: float = 0.9,
    image: Picture | None = None,
    history: Sequence[Turn] = (),
    config: ChatConfig | None = None,
    fallback: Callable[[], ChatModel] | None = None,
    options: AnswerOptions | None = None,
) -> list[Event]:
    tools = make_tools(
        model,
        hits=hits,
        confidence=confidence,
        config=config,
        fallback=fallback,
        options=options,
    )
    return list(answer_events(question, image=image, history=history, tools=tools))


def answer_of(events: Sequence[Event]) -> Answer:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.answer


def render_text(message: Message) -> str:
    """Return a message without its pictures as backends get it."""
    return "\n".join(part.text for part in flatten(message) if isinstance(part, TextPart))
