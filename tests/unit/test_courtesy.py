"""An ingest pauses while a chat model in process speaks, and never for ever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from florilegium.courtesy import courteous, going_first
from florilegium.report import Progress

STATE = Progress(path="a.png", done=0, total=1, failed=0)


def test_an_ingest_goes_on_when_nobody_speaks(tmp_path: Path) -> None:
    told: list[Progress] = []

    courteous(told.append, folder=tmp_path)(STATE)
    courteous(None, folder=tmp_path)(STATE)

    assert told == [STATE]


def test_an_ingest_waits_until_the_answer_is_whole(tmp_path: Path) -> None:
    passed = threading.Event()

    def take_in() -> None:
        courteous(None, folder=tmp_path)(STATE)
        passed.set()

    with going_first(tmp_path):
        thread = threading.Thread(target=take_in)
        thread.start()
        held_up = not passed.wait(timeout=0.3)
    thread.join(timeout=60)

    assert held_up
    assert passed.is_set()


def test_no_wait_is_longer_than_its_limit(tmp_path: Path) -> None:
    started = time.monotonic()

    with going_first(tmp_path):
        courteous(None, folder=tmp_path, longest=0.2)(STATE)

    assert 0.1 < time.monotonic() - started < 30


@pytest.fixture
def waited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Callable[[], bool]:
    """Return what tells whether an ingest would wait now."""
    caplog.set_level(logging.DEBUG, "florilegium.courtesy")

    def waited() -> bool:
        caplog.clear()
        courteous(None, folder=tmp_path, longest=0.3)(STATE)
        return "Not waiting any longer" in caplog.text

    return waited


def test_two_may_speak_at_once_and_then_nobody_waits(
    tmp_path: Path, waited: Callable[[], bool]
) -> None:
    with going_first(tmp_path), going_first(tmp_path):
        assert waited()

    assert not waited()


def test_who_begins_to_speak_in_one_thread_may_end_in_another(
    tmp_path: Path, waited: Callable[[], bool]
) -> None:
    speech = going_first(tmp_path)
    speech.__enter__()
    thread = threading.Thread(target=speech.__exit__, args=(None, None, None))
    thread.start()
    thread.join()

    assert not waited()


def test_a_folder_that_is_gone_keeps_nobody_from_speaking(tmp_path: Path) -> None:
    spoken = False

    with going_first(tmp_path / "gone"):
        spoken = True

    assert spoken


def test_an_error_while_speaking_ends_the_pause(tmp_path: Path, waited: Callable[[], bool]) -> None:
    def fail() -> None:
        with going_first(tmp_path):
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert not waited()
