"""Searches and answers use the settings of their library, and the index that is in use."""

from __future__ import annotations

import pytest

from florilegium import Library
from florilegium.answers import AnswerOptions, Token
from florilegium.errors import StoreError
from florilegium.filters import Filter
from florilegium.querying import max_pixels, search, whole_answer
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import ChatOptions, Query
from tests.unit.index_state import paths
from tests.unit.server.samples import speak_by


def test_a_search_takes_its_settings_from_the_library(tiny_library: Library) -> None:
    config = tiny_library.settings.config
    ranks = config.retrieval.model_copy(update={"fusion": "reciprocal-rank"})
    query = Query(text="red square", top_k=3)

    def methods(changed: object) -> set[float]:
        found = search(query, parts=tiny_library._parts, config=changed, where=None)  # type: ignore[arg-type]  # a model_copy
        return {round(hit.fused, 6) for hit in found.hits}

    assert methods(config) != methods(config.model_copy(update={"retrieval": ranks}))


def test_a_search_finds_only_where_it_may(tiny_library: Library) -> None:
    found = search(
        Query(text="red square", top_k=9),
        parts=tiny_library._parts,
        config=tiny_library.settings.config,
        where=Filter(folders=("notes",)),
    )

    assert set(paths(found.hits)) == {"notes/garden.md", "notes/triangle.png", "notes/蓝色.txt"}


def test_an_answer_reads_nothing_before_it_is_asked_for(tiny_library: Library) -> None:
    events = tiny_library.stream("", image="no such file.png")  # raises when it is iterated over

    assert iter(events) is events


def test_the_limit_of_pixels_is_that_of_ingest(tiny_library: Library) -> None:
    assert max_pixels(tiny_library.settings.config) == 64_000_000


def test_options_of_a_question_reach_the_chat_model(tiny_library: Library) -> None:
    model = FakeChatModel(["Four [1]."] * 3, generative=False)
    speak_by(tiny_library, model)
    asked = AnswerOptions(max_tokens=9, temperature=0.5, seed=4)

    tiny_library.ask("How many sides has a red square?", options=asked)
    list(tiny_library.stream("How many sides has a red square?", options=asked))
    tiny_library.ask("How many sides has a red square?")

    mine = ChatOptions(max_tokens=9, temperature=0.5, seed=4)
    chat = tiny_library.settings.config.chat
    plain = ChatOptions(max_tokens=chat.max_tokens, temperature=chat.temperature)
    assert model.options == [mine, mine, plain]


def test_events_without_an_answer_are_a_defect() -> None:
    with pytest.raises(StoreError, match="without its last event"):
        whole_answer([Token(text="So")])
