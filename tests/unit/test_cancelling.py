"""Cancelling work from another thread: who waits is woken, and nobody else."""

from __future__ import annotations

import contextvars
import threading
import time

import pytest

from florilegium.cancelling import Cancellation, CancelledEarly, current_cancellation, holding

LONG = 30.0


def test_what_a_thread_waits_for_is_woken_from_another() -> None:
    cancellation, woken = Cancellation(), threading.Event()
    threading.Timer(0.05, cancellation.cancel).start()

    with cancellation.waking(woken.set):
        assert woken.wait(LONG)

    assert cancellation.is_set()


def test_what_begins_to_wait_too_late_is_woken_at_once() -> None:
    cancellation, woken = Cancellation(), threading.Event()
    cancellation.cancel()

    with cancellation.waking(woken.set):
        assert woken.is_set()


def test_what_was_left_is_not_woken_any_more() -> None:
    cancellation, woken = Cancellation(), threading.Event()

    with cancellation.waking(woken.set):
        pass
    cancellation.cancel()

    assert not woken.is_set()


def test_it_is_cancelled_once() -> None:
    cancellation, woken = Cancellation(), list[int]()

    with cancellation.waking(lambda: woken.append(1)):
        cancellation.cancel()
        cancellation.cancel()

    assert woken == [1]


def test_a_pause_ends_when_it_is_cancelled() -> None:
    cancellation = Cancellation()
    threading.Timer(0.05, cancellation.cancel).start()
    began = time.monotonic()

    with pytest.raises(CancelledEarly):
        cancellation.pause(LONG)

    assert time.monotonic() - began < LONG / 2


def test_a_pause_of_wanted_work_lasts_as_long_as_it_says() -> None:
    began = time.monotonic()
    current_cancellation().pause(0.05)

    assert time.monotonic() - began >= 0.04


def test_a_thread_finds_what_it_works_under_in_its_context() -> None:
    cancellation = Cancellation()

    with cancellation.working():
        inherited = contextvars.copy_context()
        assert current_cancellation() is cancellation
    assert inherited.run(current_cancellation) is cancellation
    assert current_cancellation() is not cancellation
    assert not current_cancellation().is_set()


def test_who_goes_on_although_it_is_cancelled_is_told() -> None:
    cancellation = Cancellation()
    cancellation.check()
    cancellation.cancel()

    with pytest.raises(CancelledEarly):
        cancellation.check()


def test_who_waits_for_a_lock_leaves_when_cancelled() -> None:
    lock, cancellation = threading.Lock(), Cancellation()
    threading.Timer(0.05, cancellation.cancel).start()

    with (
        lock,
        cancellation.working(),
        pytest.raises(CancelledEarly),
        holding(lock),
    ):
        raise AssertionError("It has the lock.")

    with holding(lock):
        assert lock.locked()
    assert not lock.locked()
