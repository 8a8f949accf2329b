"""Rights, limits and what the service gives, without any HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.steady_model import SteadyModel, served
from florilegium import Library
from florilegium.answers import Event, Failed, Finished, Retrieved, Token, Turn
from florilegium.config_sections import ServerConfig
from florilegium.errors import (
    ChatError,
    ConfigError,
    ForbiddenError,
    InvalidQueryError,
    ItemNotFoundError,
    NotFoundError,
    TooBusyError,
    TooSlowError,
)
from florilegium.filters import Filter
from florilegium.server.observing import Unobserved
from florilegium.server.served import Asked
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER, User
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import Delta, Modality
from tests.conftest import FAKES
from tests.unit.server.samples import speak_by

LONG = 60.0
READER = User(name="reader")
STRANGER = User(name="stranger", libraries=frozenset({"other"}))


def a_question() -> Asked:
    """Return a question that comes now, since its time runs from then on."""
    return Asked(question="How many sides has a red square?")


@pytest.fixture
def service(tiny_library: Library) -> Iterator[Service]:
    service = Service({"tiny": tiny_library}, config=ServerConfig(uploads=True))
    yield service
    service.close()


async def events_of(service: Service, asked: Asked) -> list[Event]:
    async with service.answer(LOCAL_USER, "tiny", asked) as events:
        return [event async for event in events]


def test_a_name_that_cannot_stand_in_an_address_is_refused(tiny_library: Library) -> None:
    with pytest.raises(ConfigError, match="'a/b'"):
        Service({"a/b": tiny_library}, config=ServerConfig())


def test_what_filters_can_choose_from_is_counted_once_in_a_while(
    service: Service, tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asyncio.run(service.facets(READER, "tiny"))
    (tiny_library.root / "new").mkdir()
    (tiny_library.root / "new" / "a.txt").write_text("New.", encoding="utf-8")
    tiny_library.ingest()
    again = asyncio.run(service.facets(READER, "tiny"))
    monkeypatch.setattr("florilegium.server.service._FACETS_SECONDS", 0.0)
    later = asyncio.run(service.facets(READER, "tiny"))

    assert first.folders.values == ("notes",)
    assert again is first
    assert later.folders.values == ("new", "notes")
    with pytest.raises(NotFoundError):
        asyncio.run(service.facets(STRANGER, "tiny"))


def test_a_user_sees_only_the_libraries_of_theirs(service: Service) -> None:
    assert [served.name for served in service.libraries(READER)] == ["tiny"]
    assert service.libraries(STRANGER) == []


def test_for_a_stranger_a_library_is_not_there(service: Service) -> None:
    for attempt in (
        service.search(STRANGER, "tiny", "red"),
        service.item(STRANGER, "tiny", "0"),
        service.picture(STRANGER, "tiny", "0", side=64),
        service.text(STRANGER, "tiny", "0"),
        service.statistics(STRANGER, "tiny"),
        service.upload(STRANGER, "tiny", "a.txt", io.BytesIO(b"")),
    ):
        with pytest.raises(NotFoundError, match="no library 'tiny'"):
            asyncio.run(attempt)
    with pytest.raises(NotFoundError):
        service.start_ingest(STRANGER, "tiny")
    with pytest.raises(NotFoundError):
        service.jobs(STRANGER, "tiny")


def test_who_may_not_write_neither_ingests_nor_uploads(service: Service, tiny_folder: Path) -> None:
    with pytest.raises(ForbiddenError, match="'reader'"):
        service.start_ingest(READER, "tiny")
    with pytest.raises(ForbiddenError):
        service.cancel(READER, "tiny", "0")
    with pytest.raises(ForbiddenError):
        asyncio.run(service.upload(READER, "tiny", "a.txt", io.BytesIO(b"a")))
    assert not (tiny_folder / "a.txt").exists()


def test_uploads_are_off_unless_they_are_allowed(tiny_library: Library) -> None:
    service = Service({"tiny": tiny_library}, config=ServerConfig())

    with pytest.raises(ForbiddenError, match="takes no uploads"):
        asyncio.run(service.upload(LOCAL_USER, "tiny", "a.txt", io.BytesIO(b"a")))
    service.close()


def test_search_finds_what_the_library_finds(service: Service, tiny_library: Library) -> None:
    found = asyncio.run(
        service.search(READER, "tiny", "red square", modality=Modality.IMAGE, top_k=2)
    )

    assert list(found.hits) == tiny_library.search("red square", modality="image", top_k=2)


def test_an_answer_has_the_events_of_the_library(service: Service, tiny_library: Library) -> None:
    events = asyncio.run(events_of(service, a_question()))

    assert isinstance(events[-1], Finished)
    said = "".join(event.text for event in events if isinstance(event, Token))
    assert said == events[-1].answer.text == tiny_library.ask(a_question().question).text


def test_an_error_of_the_library_reaches_who_reads_the_events(service: Service) -> None:
    with pytest.raises(InvalidQueryError, match="words or a picture"):
        asyncio.run(events_of(service, Asked()))


def test_leaving_an_answer_early_frees_its_place(tiny_library: Library) -> None:
    service = Service({"tiny": tiny_library}, config=ServerConfig(answers=1, waiting=0))

    async def leave() -> None:
        async with service.answer(LOCAL_USER, "tiny", a_question()) as events:
            await anext(events)
            with pytest.raises(TooBusyError):
                await events_of(service, a_question())

    asyncio.run(leave())

    wait_for_a_place(service)  # the thread has seen that nobody reads any more
    service.close()


@pytest.fixture
def silent(tiny_folder: Path) -> Iterator[Service]:
    """Return a service for one answer at a time, whose chat model says no word."""
    model = SteadyModel(words=1, pause=LONG)
    with served(model) as address:
        chat = {"chat.name": "openai:steady", "chat.base_url": address, "chat.vision": "no"}
        with Library.create(tiny_folder, overrides={**FAKES, **chat}) as library:
            library.ingest()
            service = Service({"tiny": library}, config=ServerConfig(answers=1, waiting=0))
            yield service
            service.close()


def wait_for_a_place(service: Service) -> None:
    deadline = time.monotonic() + LONG / 2
    while service.answers.running:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_leaving_an_answer_whose_model_is_silent_frees_its_place(silent: Service) -> None:
    async def leave() -> None:
        for _ in range(2):
            async with silent.answer(LOCAL_USER, "tiny", a_question()) as events:
                assert isinstance(await anext(events), Retrieved)
            await asyncio.to_thread(wait_for_a_place, silent)

    asyncio.run(leave())


def test_closing_ends_the_answers_that_run(silent: Service) -> None:
    async def close() -> None:
        async with silent.answer(LOCAL_USER, "tiny", a_question()) as events:
            await anext(events)
            async with asyncio.timeout(LONG / 2):
                await asyncio.to_thread(silent.close)
                with pytest.raises(TooBusyError, match="about to stop"):
                    await anext(events)
        await asyncio.to_thread(wait_for_a_place, silent)

    asyncio.run(close())


def test_a_server_that_stops_ends_a_silent_answer_and_takes_no_other(silent: Service) -> None:
    async def stop() -> None:
        async with silent.answer(LOCAL_USER, "tiny", a_question()) as events:
            await anext(events)
            draining = asyncio.create_task(silent.drain(0.1))
            await asyncio.sleep(0)
            with pytest.raises(TooBusyError, match="about to stop"):
                async with silent.answer(LOCAL_USER, "tiny", a_question()):
                    pytest.fail("it was taken")
            async with asyncio.timeout(LONG / 2):
                with pytest.raises(TooBusyError, match="about to stop"):
                    await anext(events)
        await draining
        await asyncio.to_thread(wait_for_a_place, silent)

    asyncio.run(stop())


def test_a_server_that_stops_starts_no_ingest(service: Service) -> None:
    asyncio.run(service.drain(0.0))

    with pytest.raises(TooBusyError, match="about to stop"):
        service.start_ingest(LOCAL_USER, "tiny")


def test_an_answer_that_takes_too_long_is_ended(
    service: Service, tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(tiny_library, "stream", lambda *_, **__: iter(gate.wait, None))
    monkeypatch.setattr(service, "config", ServerConfig(answer_seconds=0.01))

    with pytest.raises(TooSlowError, match=r"longer than 0\.01 s"):
        asyncio.run(events_of(service, a_question()))
    gate.set()


def test_a_library_that_cannot_be_searched_yet_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Library.create(tmp_path / "new") as library:
        service = Service({"new": library}, config=ServerConfig())
        service.warm_up()
        service.close()

    assert "new cannot be searched yet: Nothing was ingested" in caplog.text


@pytest.mark.parametrize("length", [4001, 1_000_000])
def test_long_questions_and_searches_are_refused(service: Service, length: int) -> None:
    with pytest.raises(InvalidQueryError, match=f"{length} characters"):
        asyncio.run(service.search(READER, "tiny", "x" * length))
    with pytest.raises(InvalidQueryError, match=f"{length} characters"):
        asyncio.run(events_of(service, Asked(question="x" * length)))


HALF = "a red square \ud83c"
TURN = Turn(question="What?", answer="It [1].")


@pytest.mark.parametrize(
    "asked",
    [
        Asked(question=HALF),
        Asked(question="And?", history=(replace(TURN, question=HALF),)),
        Asked(question="And?", history=(TURN, replace(TURN, answer=HALF))),
    ],
)
def test_half_a_character_is_refused_in_all_that_is_asked(service: Service, asked: Asked) -> None:
    with pytest.raises(InvalidQueryError, match="half of a character"):
        asyncio.run(events_of(service, asked))


def test_half_a_character_is_refused_in_a_search(service: Service) -> None:
    with pytest.raises(InvalidQueryError, match="half of a character"):
        asyncio.run(service.search(READER, "tiny", HALF))


def test_filters_over_the_limits_are_refused_at_all_doors(service: Service) -> None:
    where = Filter(labels=tuple(map(str, range(101))))

    with pytest.raises(InvalidQueryError, match="101 values"):
        asyncio.run(service.search(READER, "tiny", "red", where=where))
    with pytest.raises(InvalidQueryError, match="101 values"):
        asyncio.run(events_of(service, Asked(question="How?", where=where)))


def test_long_histories_are_refused(service: Service, tiny_library: Library) -> None:
    turns = tiny_library.ask(a_question().question).history * 21

    with pytest.raises(InvalidQueryError, match="21 turns"):
        asyncio.run(events_of(service, Asked(question="And?", history=turns)))


def test_a_picture_is_given_as_a_small_jpeg_by_its_id(service: Service) -> None:
    item = asyncio.run(service.search(READER, "tiny", "circle", modality=Modality.IMAGE)).hits[0]

    data = asyncio.run(service.picture(READER, "tiny", item.item.id, side=32))

    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (32, 32))


def test_an_unknown_id_is_not_found(service: Service) -> None:
    for attempt in (
        service.item(READER, "tiny", "../../etc/passwd"),
        service.picture(READER, "tiny", "0" * 32, side=32),
        service.text(READER, "tiny", "0" * 32),
    ):
        with pytest.raises(ItemNotFoundError):
            asyncio.run(attempt)


def test_the_text_of_an_item_has_its_passage_where_its_span_says(service: Service) -> None:
    hit = asyncio.run(service.search(READER, "tiny", "roses", modality=Modality.TEXT)).hits[0]

    whole = asyncio.run(service.text(READER, "tiny", hit.item.id))

    assert hit.item.span is not None
    moved = whole.moved(hit.item.span)
    assert whole.text[moved.start : moved.end] == hit.item.text


def test_a_query_picture_has_the_hash_of_its_bytes(service: Service, tiny_folder: Path) -> None:
    data = (tiny_folder / "circle.png").read_bytes()

    picture = asyncio.run(service.read_picture(data))

    assert picture.image.size == (64, 64)
    assert picture.content_hash is not None


def test_a_query_picture_is_kept_small(service: Service) -> None:
    file = io.BytesIO()
    Image.new("RGB", (5000, 4000)).save(file, "PNG")

    picture = asyncio.run(service.read_picture(file.getvalue()))

    assert picture.image.width * picture.image.height <= 1024 * 1024


def test_what_is_no_picture_is_refused(service: Service) -> None:
    with pytest.raises(InvalidQueryError, match="not a picture"):
        asyncio.run(service.read_picture(b"<svg onload=alert(1)>"))


def test_an_answer_that_breaks_off_tells_no_path(tiny_library: Library) -> None:
    speak_by(tiny_library, FakeChatModel([ChatError("'/srv/models/rose.gguf' broke.")]))
    service = Service({"tiny": tiny_library}, config=ServerConfig())

    events = asyncio.run(events_of(service, a_question()))
    service.close()

    assert any(isinstance(event, Failed) for event in events)
    assert "…/rose.gguf" in str(events)
    assert "/srv" not in str(events)


def test_an_answer_that_breaks_off_is_counted_as_failed_though_its_sender_keeps_it(
    tiny_library: Library,
) -> None:
    class Broken(FakeChatModel):
        def stream(self, *_: object, **__: object) -> Iterator[Delta]:
            yield Delta(text="Four")
            raise RuntimeError("broken")

    counted: list[object] = []

    class Counting(Unobserved):
        def answered(self, **told: object) -> None:
            counted.append((told["outcome"], told["code"]))

    speak_by(tiny_library, Broken())
    service = Service({"tiny": tiny_library}, config=ServerConfig(), observer=Counting())

    async def ask() -> None:
        async with service.answer(LOCAL_USER, "tiny", a_question()) as events:
            with contextlib.suppress(RuntimeError):
                async for _ in events:
                    pass

    asyncio.run(ask())
    service.close()

    assert counted == [("failed", "internal")]
