"""Each picture that lacks words is captioned once, and nothing else ever becomes a caption."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from florilegium import Library
from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatTimeoutError,
    ChatUnavailableError,
    ConfigError,
    FlorilegiumError,
    MissingExtraError,
)
from florilegium.report import IngestReport, Progress
from tests.conftest import draw
from tests.unit.caption_samples import (
    SETTINGS,
    Seeing,
    all_words,
    captions,
    ingest,
    make_folder,
)

ALL = {f"IMG_{n}.png": f"It is a {colour} thing." for n, colour in
       enumerate(("red", "green", "blue"), start=1)}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a library that was never ingested: three pictures without a word, and a text."""
    return make_folder(tmp_path / "pictures")


def counts(report: IngestReport) -> tuple[int, int, int]:
    return report.captioned, len(report.caption_failures), report.captions_left


# -- what captions do --


def test_pictures_without_words_get_a_caption_and_are_found_by_it(folder: Path) -> None:
    model = Seeing()

    report = ingest(folder, model)

    assert counts(report) == (3, 0, 0)
    assert captions(folder) == ALL
    assert {option.temperature for option in model.options} == {0.0}
    assert {option.max_tokens for option in model.options} == {200}
    assert all(prompt.startswith("Say in one or two sentences") for prompt in model.prompts)
    with Library.open(folder) as library:
        found = library.explain("a green thing", modality="image")
        best = found.hits[0]
        lists = {part.ranking for part in best.contributions if part.rank == 1}
        assert best.item.source.path == "IMG_2.png"
        assert {"cards", "card words"} <= lists
        assert ("machine_caption", "It is a green thing.") in best.item.fields


def test_off_asks_nobody(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures", ingest__captions="off")
    model = Seeing({"info": ChatUnavailableError("Down.")})

    report = ingest(folder, model)

    assert counts(report) == (0, 0, 0)
    assert report.caption_problem is None
    assert captions(folder) == {}


def test_what_people_described_is_left_to_them_unless_all_are_captioned(folder: Path) -> None:
    table = "file,caption,label\nIMG_1.png,A tile,\nIMG_3.png,,sign\n"
    (folder / "captions.csv").write_text(table, encoding="utf-8")
    (folder / "a.md").write_text("![a traffic light](IMG_2.png)", encoding="utf-8")
    model = Seeing()

    assert ingest(folder, model).captioned == 1
    assert captions(folder) == {"IMG_3.png": ALL["IMG_3.png"]}
    assert ingest(folder, model, ingest__captions="all").captioned == 2
    assert captions(folder) == ALL
    assert sorted(model.asked) == ["blue", "green", "red"]
    with Library.open(folder) as library:
        hit = library.search("tile", modality="image", top_k=1)[0]
        assert hit.item.text == f"A tile\n{ALL['IMG_1.png']}"


def test_a_caption_by_people_takes_the_place_of_the_machine_s(folder: Path) -> None:
    ingest(folder, Seeing())
    (folder / "IMG_1.png.json").write_text('{"caption": "A tile"}', encoding="utf-8")

    ingest(folder, Seeing())

    assert set(captions(folder)) == {"IMG_2.png", "IMG_3.png"}
    (folder / "IMG_1.png.json").unlink()
    model = Seeing()
    ingest(folder, model)
    assert (captions(folder), model.asked) == (ALL, [])


def test_a_field_in_a_file_is_never_taken_for_a_machine_caption(folder: Path) -> None:
    said = '{"machine_caption": "Somebody else said so", "keywords": "tile"}'
    (folder / "IMG_1.png.json").write_text(said, encoding="utf-8")

    ingest(folder, Seeing())

    assert set(captions(folder)) == {"IMG_2.png", "IMG_3.png"}
    with Library.open(folder) as library:
        (hit,) = (h for h in library.search("tile") if h.item.source.path == "IMG_1.png")
        assert ("machine_caption as written", "Somebody else said so") in hit.item.fields


def test_turned_off_again_captions_leave_the_cards_but_not_the_cache(folder: Path) -> None:
    ingest(folder, Seeing())
    ingest(folder, Seeing(), ingest__captions="off")

    assert captions(folder) == {}
    assert "green" not in all_words(folder)
    model = Seeing()
    report = ingest(folder, model)
    assert (captions(folder), model.asked, report.encoded) == (ALL, [], 0)


@pytest.mark.parametrize(
    "change", [{"chat.name": "fake:other"}, {"ingest.caption_prompt": "What is it?"}]
)
def test_another_model_or_prompt_makes_new_captions(folder: Path, change: dict[str, Any]) -> None:
    ingest(folder, Seeing())
    model = Seeing({colour: f"Now {colour}." for colour in ("red", "green", "blue")})

    report = ingest(folder, model, **change)

    assert report.captioned == 3
    assert set(captions(folder).values()) == {"Now red.", "Now green.", "Now blue."}


# -- what they cost --


def test_nothing_is_asked_twice_not_even_after_a_rebuild_a_move_or_a_lost_index(
    folder: Path,
) -> None:
    ingest(folder, Seeing())
    model = Seeing({"info": ChatUnavailableError("Down.")})
    (folder / "IMG_1.png").rename(folder / "DSC_1.png")

    reports = [ingest(folder, model), ingest(folder, model, rebuild=True)]
    for file in (folder / ".florilegium").iterdir():
        if not file.name.startswith("embeddings"):
            file.unlink() if file.is_file() else shutil.rmtree(file)
    reports.append(ingest(folder, model))

    assert [(one.captioned, one.caption_problem) for one in reports] == [(0, None)] * 3
    assert set(captions(folder)) == {"DSC_1.png", "IMG_2.png", "IMG_3.png"}


def test_copies_are_captioned_once(folder: Path) -> None:
    shutil.copy(folder / "IMG_1.png", folder / "IMG_9.png")
    model = Seeing()

    assert ingest(folder, model).captioned == 3
    assert len(model.asked) == 3
    assert captions(folder)["IMG_9.png"] == captions(folder)["IMG_1.png"]


def test_a_served_model_is_asked_for_several_at_a_time(folder: Path) -> None:
    model = Seeing()
    model.together = threading.Barrier(3)

    ingest(folder, model, ingest__caption_parallel=3)

    assert model.most_at_once == 3


def test_a_model_in_process_is_asked_for_one_at_a_time_by_the_calling_thread(folder: Path) -> None:
    threads: set[str] = set()
    note = lambda: threads.add(threading.current_thread().name)  # noqa: E731 - a thing to call
    model = Seeing({"red": note, "green": note, "blue": note}, in_process=True)

    assert ingest(folder, model, ingest__caption_parallel=3).captioned == 3
    assert (model.most_at_once, threads) == (1, {threading.current_thread().name})


def test_progress_is_told_as_a_stage_of_its_own(folder: Path) -> None:
    told: list[Progress] = []

    ingest(folder, Seeing({"green": "I cannot."}), progress=told.append)

    stage = [one for one in told if one.stage == "captions"]
    assert [(one.done, one.total) for one in stage] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [one.stage for one in told[: -len(stage)]] == ["files"] * (len(told) - 4)
    assert stage[-1].failed == 1


# -- what is no caption --

FAILURES: list[tuple[str | FlorilegiumError, str]] = [
    ("I'm sorry, but I cannot help with zebras.", "caption_refused"),
    ("Error: zebra out of range", "caption_error"),
    ("!!!", "caption_empty"),
    ("zebra " * 40, "caption_repeats"),
    ("<think>zebra", "caption_empty"),
    (ChatError("The zebra failed."), "chat_failed"),
    (ChatRejectedError("zebra: not allowed"), "chat_rejected"),
    (ChatTimeoutError("The zebra sent nothing."), "chat_timeout"),
]


@pytest.mark.parametrize(("instead", "code"), FAILURES)
@pytest.mark.parametrize("in_process", [False, True])
def test_a_failure_is_reported_and_nothing_of_it_can_be_found(
    folder: Path, instead: str | FlorilegiumError, code: str, in_process: bool
) -> None:
    report = ingest(folder, Seeing({"green": instead}, in_process=in_process))

    assert counts(report) == (2, 1, 0)
    (failure,) = report.caption_failures
    assert (failure.path, failure.code) == ("IMG_2.png", code)
    assert report.failed == ()
    assert set(captions(folder)) == {"IMG_1.png", "IMG_3.png"}
    words = all_words(folder).lower()
    assert "zebra" not in words
    assert "sorry" not in words
    with sqlite3.connect(folder / ".florilegium" / "embeddings.db") as connection:
        rows = connection.execute("SELECT * FROM captions WHERE error_code <> ''").fetchall()
    connection.close()
    assert len(rows) == 1
    assert "zebra" not in str(rows).lower()


def test_no_error_text_can_be_written_as_a_caption(folder: Path) -> None:
    ingest(folder, Seeing())

    connection = sqlite3.connect(folder / ".florilegium" / "embeddings.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO captions VALUES (9, 1, x'00', 'oops', 'c', 1, 9, 0)")
    connection.close()


def test_what_failed_is_asked_for_in_three_runs_and_only_reported_afterwards(folder: Path) -> None:
    model = Seeing({"green": "I cannot."})
    reports = [ingest(folder, model) for _ in range(5)]

    assert model.asked.count("green") == 3
    assert [counts(one) for one in reports] == [(2, 1, 0), *[(0, 1, 0)] * 4]
    last = reports[-1].caption_failures[0]
    assert (last.path, last.code) == ("IMG_2.png", "caption_refused")
    assert "after 3 tries" in last.message
    assert "ingest.caption_tries" in str(last.hint)


@pytest.mark.parametrize(
    "change", [{"ingest.caption_tries": 4}, {"ingest.caption_max_tokens": 500}]
)
def test_more_tries_or_more_room_let_it_be_asked_for_again(
    folder: Path, change: dict[str, Any]
) -> None:
    for _ in range(4):
        ingest(folder, Seeing({"green": "I cannot."}))

    report = ingest(folder, Seeing(), **change)

    assert counts(report) == (1, 0, 0)
    assert captions(folder) == ALL


def test_a_picture_that_changed_since_it_was_read_is_left_to_the_next_run(folder: Path) -> None:
    def change(state: Progress) -> None:
        if state.stage == "captions" and state.done == 0:
            draw("blue", "square").save(folder / "IMG_1.png")

    report = ingest(folder, Seeing(in_process=True), progress=change)

    assert counts(report) == (2, 1, 0)
    assert report.caption_failures[0].code == "source_unreadable"
    assert "IMG_1.png" not in captions(folder)
    ingest(folder, Seeing())
    assert captions(folder)["IMG_1.png"] == "It is a blue thing."


# -- a chat model that cannot be used --


@pytest.mark.parametrize("where", ["info", "green"])
def test_a_server_that_is_down_stops_captions_and_not_the_ingest(folder: Path, where: str) -> None:
    down = ChatUnavailableError("Nobody answers at 'zebra'.", hint="Start it.")

    report = ingest(folder, Seeing({where: down}), ingest__caption_parallel=1)

    done = 0 if where == "info" else 1
    assert counts(report) == (done, 0, 3 - done)
    assert report.caption_problem == "Nobody answers at 'zebra'. Start it."
    assert (report.added, report.failed) == (4, ())
    assert len(captions(folder)) == done
    assert "zebra" not in all_words(folder)
    assert ingest(folder, Seeing()).captioned == 3 - done
    assert captions(folder) == ALL


def test_captions_that_are_there_stay_while_the_server_is_down(folder: Path) -> None:
    ingest(folder, Seeing())
    draw("red", "circle").save(folder / "IMG_4.png")

    report = ingest(folder, Seeing({"info": ChatUnavailableError("Down.")}))

    assert counts(report) == (0, 0, 1)
    assert captions(folder) == ALL


def test_errors_in_a_row_stop_captions_and_the_untried_come_first_next_time(folder: Path) -> None:
    for number in range(10, 14):
        draw("red", "circle", size=50 + number).save(folder / f"IMG_{number}.png")
    wrong_key = ChatRejectedError("The key is wrong.")
    model = Seeing(dict.fromkeys(("red", "green", "blue"), wrong_key))

    report = ingest(folder, model, ingest__caption_parallel=1)

    assert counts(report) == (0, 5, 2)
    assert report.caption_problem == "The key is wrong."
    again = Seeing(in_process=True)
    tried = {failure.path for failure in report.caption_failures}
    told: list[str] = []
    report = ingest(folder, again, progress=lambda state: told.append(state.path))
    assert counts(report) == (7, 0, 0)
    assert not tried & set(told[-8:-6])
    assert tried == set(told[-6:-1])


def test_a_model_that_sees_nothing_is_refused_after_the_files_are_in(folder: Path) -> None:
    model = Seeing(max_images=0)

    with pytest.raises(ConfigError) as caught:
        ingest(folder, model)

    assert "'seeing'" in caught.value.message
    assert "chat.name" in str(caught.value.hint)
    assert model.asked == []
    with Library.open(folder) as library:
        assert library.statistics().images == 3
        assert library.search("nothing of a picture")


def test_the_model_of_the_offline_profile_sees_nothing(folder: Path) -> None:
    settings = {**SETTINGS, "chat.name": "extractive"}
    with (
        Library.open(folder, overrides=settings) as library,
        pytest.raises(ConfigError, match="extractive"),
    ):
        library.ingest()


def test_a_model_that_cannot_be_opened_is_told_after_the_files_are_in(folder: Path) -> None:
    missing = MissingExtraError("Not installed.")
    for in_process in (False, True):
        with pytest.raises(MissingExtraError):
            ingest(folder, Seeing({"red": missing}, in_process=in_process))

    assert ingest(folder, Seeing()).unchanged == 4


def test_a_model_that_is_not_needed_is_not_opened(folder: Path) -> None:
    table = "file,caption\n" + "".join(f"IMG_{n}.png,A tile\n" for n in (1, 2, 3))
    (folder / "captions.csv").write_text(table, encoding="utf-8")

    report = ingest(folder, Seeing({"info": ChatUnavailableError("Down.")}))

    assert report.caption_problem is None
