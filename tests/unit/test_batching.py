"""Callers that come while a batch runs share the next one, and no caller suffers from another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, Semaphore
from typing import Any

import numpy as np
import pytest
from PIL import Image

from florilegium.batching import BatchCount, Batcher, BatchingEncoder
from florilegium.errors import EncoderError
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Embeddings, Modality
from tests.conftest import draw

PATIENCE = 30.0  # seconds until a test that hangs fails


class Queue(deque[Any]):
    """A queue that tells of everybody who joins it."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = Semaphore(0)

    def append(self, value: Any) -> None:
        super().append(value)
        self.joined.release()

    def await_joined(self, count: int) -> None:
        """Wait until so many more have joined."""
        for _ in range(count):
            assert self.joined.acquire(timeout=PATIENCE)


class Numbers:
    """Encodes numbers as rows; the first batch runs until it is told to end."""

    def __init__(self, *, most: int = 8) -> None:
        self.batches: list[list[int]] = []
        self.started, self.go_on = Event(), Event()
        self.batcher: Batcher[int] = Batcher(self.encode, most=most)
        self.queue = Queue()
        self.batcher._waiting = self.queue

    def encode(self, numbers: Sequence[int]) -> Embeddings:
        self.batches.append(list(numbers))
        if not self.started.is_set():
            self.started.set()
            assert self.go_on.wait(PATIENCE)
        return self.rows(numbers)

    def rows(self, numbers: Sequence[int]) -> Embeddings:
        if -1 in numbers:
            raise EncoderError("minus one cannot be encoded")
        return np.array([[number, number] for number in numbers], dtype=np.float32)


@contextmanager
def queued(numbers: Numbers, calls: Sequence[Sequence[int]]) -> Iterator[list[Future[Embeddings]]]:
    """Give the results of calls that all came while a first batch ran."""
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        first = pool.submit(numbers.batcher.encode, [0])
        assert numbers.started.wait(PATIENCE)
        numbers.queue.await_joined(1)
        waiting = []
        for call in calls:  # one after the other, so that their order is known
            waiting.append(pool.submit(numbers.batcher.encode, call))
            numbers.queue.await_joined(1)
        numbers.go_on.set()
        assert first.result(PATIENCE).tolist() == [[0, 0]]
        yield waiting


def test_a_caller_alone_waits_for_nobody() -> None:
    numbers = Numbers()
    numbers.go_on.set()

    assert numbers.batcher.encode([3]).tolist() == [[3, 3]]
    assert numbers.batches == [[3]]


def test_those_who_come_while_a_batch_runs_are_the_next_batch() -> None:
    numbers = Numbers()
    with queued(numbers, [[1], [2, 3], [4]]) as found:
        assert [each.result(PATIENCE)[:, 0].tolist() for each in found] == [[1], [2, 3], [4]]

    assert numbers.batches == [[0], [1, 2, 3, 4]]
    assert (numbers.batcher.batches, numbers.batcher.inputs) == (2, 5)


def test_a_batch_is_no_larger_than_it_may_be_and_the_rest_is_the_one_after() -> None:
    numbers = Numbers(most=3)
    with queued(numbers, [[1], [2], [3, 4], [5], [6, 7, 8, 9], [10]]) as found:
        for each in found:
            each.result(PATIENCE)

    assert numbers.batches == [[0], [1, 2], [3, 4, 5], [6, 7, 8, 9], [10]]


def test_several_passes_may_run_at_once_and_who_comes_then_shares_the_next() -> None:
    batches: list[list[int]] = []
    both_run, go_on = Semaphore(0), Event()

    def encode(numbers: Sequence[int]) -> Embeddings:
        batches.append(list(numbers))
        both_run.release()
        assert go_on.wait(PATIENCE)
        return np.array([[number] for number in numbers], dtype=np.float32)

    batcher: Batcher[int] = Batcher(encode, most=8, passes=2)
    queue = batcher._waiting = Queue()
    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(batcher.encode, [number]) for number in (0, 1)]
        for _ in running:
            assert both_run.acquire(timeout=PATIENCE)
        waiting = [pool.submit(batcher.encode, [number]) for number in (2, 3, 4)]
        queue.await_joined(5)
        go_on.set()
        found = [each.result(PATIENCE).tolist() for each in [*running, *waiting]]

    assert found == [[[number]] for number in range(5)]
    assert sorted(batches[:2]) == [[0], [1]]
    assert sorted(one for batch in batches[2:] for one in batch) == [2, 3, 4]
    assert batcher._leaders == 0


def test_an_error_reaches_its_own_caller_only() -> None:
    numbers = Numbers()
    with queued(numbers, [[1], [-1], [2]]) as found:
        assert found[0].result(PATIENCE).tolist() == [[1, 1]]
        with pytest.raises(EncoderError, match="minus one"):
            found[1].result(PATIENCE)
        assert found[2].result(PATIENCE).tolist() == [[2, 2]]

    assert numbers.batches == [[0], [1, -1, 2], [1], [-1], [2]]
    assert numbers.batcher.encode([5]).tolist() == [[5, 5]]


def test_rows_that_do_not_fit_the_inputs_of_several_callers_are_given_to_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = Numbers()
    real = numbers.rows
    monkeypatch.setattr(numbers, "rows", lambda some: real(some)[: max(1, len(some) - 1)])
    with queued(numbers, [[1], [2]]) as found:
        assert [each.result(PATIENCE).tolist() for each in found] == [[[1, 1]], [[2, 2]]]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_caller_who_is_interrupted_while_it_waits_holds_up_nobody(gone: int) -> None:
    numbers = Numbers()
    calls = [[1], [2], [3]]

    class Interrupted(Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert super().wait(PATIENCE)  # it is interrupted when it is woken, at the latest
            raise KeyboardInterrupt

    class Queueing(Queue):
        def append(self, value: Any) -> None:
            if list(value.inputs) == calls[gone]:
                value.wake = Interrupted()
            super().append(value)

    numbers.queue = numbers.batcher._waiting = Queueing()
    with queued(numbers, calls) as found:
        for number, each in enumerate(found):
            if number == gone:
                with pytest.raises(KeyboardInterrupt):
                    each.result(PATIENCE)
            else:
                assert each.result(PATIENCE).tolist() == [[number + 1] * 2]
    assert numbers.batcher.encode([9]).tolist() == [[9, 9]]


def test_who_is_interrupted_while_it_leads_leaves_the_others_to_the_next() -> None:
    numbers = Numbers()
    real, calls = numbers.encode, 0

    def interrupted_second(some: Sequence[int]) -> Embeddings:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(some)

    numbers.batcher._encode = interrupted_second
    with queued(numbers, [[1], [2], [3]]) as found:
        with pytest.raises(KeyboardInterrupt):
            found[0].result(PATIENCE)
        assert found[1].result(PATIENCE).tolist() == [[2, 2]]
        assert found[2].result(PATIENCE).tolist() == [[3, 3]]
    assert numbers.batches == [[0], [2, 3]]


def test_many_threads_get_their_own_rows_and_each_input_is_encoded_once() -> None:
    numbers = Numbers(most=4)
    numbers.go_on.set()
    start = Barrier(16, timeout=PATIENCE)

    def work(thread: int) -> None:
        start.wait()
        for step in range(100):
            number = thread * 100 + step
            assert numbers.batcher.encode([number]).tolist() == [[number, number]]

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(work, thread) for thread in range(16)]:
            done.result(PATIENCE)

    assert sorted(one for batch in numbers.batches for one in batch) == list(range(1600))
    assert max(map(len, numbers.batches)) <= 4


# -- encoders --


def test_queries_have_the_rows_that_the_encoder_gives() -> None:
    encoder = FakeEncoder()
    batching = BatchingEncoder(encoder, batch_size=4)
    pictures = [draw("red", "square"), draw("blue", "circle", size=300)]

    assert batching.info is not None
    assert batching.info == encoder.info
    assert batching.count_tokens("a red rose") == encoder.count_tokens("a red rose")
    for purpose in ("query", "document"):
        np.testing.assert_array_equal(
            batching.encode_texts(["a", "red rose"], purpose=purpose),
            encoder.encode_texts(["a", "red rose"], purpose=purpose),
        )
    np.testing.assert_array_equal(batching.encode_images(pictures), encoder.encode_images(pictures))
    assert batching.prepare_image(pictures[1]).size == encoder.prepare_image(pictures[1]).size
    assert batching.encode_texts([], purpose="query").shape == (0, 32)
    assert batching.encode_images([]).shape == (0, 32)


def test_queries_are_counted_and_documents_and_large_calls_are_not() -> None:
    batching = BatchingEncoder(FakeEncoder(), batch_size=2)
    batching.encode_texts(["one"], purpose="query")
    batching.encode_texts(["one", "two", "three"], purpose="query")
    batching.encode_texts(["one"], purpose="document")
    batching.encode_images([draw("red", "square")] * 2)

    assert batching.counts() == (
        BatchCount(encoder="fake:32", modality=Modality.TEXT, batches=1, inputs=1),
        BatchCount(encoder="fake:32", modality=Modality.IMAGE, batches=1, inputs=2),
    )


def test_documents_do_not_wait_for_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FakeEncoder()
    real = encoder.encode_texts
    started, go_on = Event(), Event()

    def slow_queries(texts: Sequence[str], *, purpose: Any) -> Embeddings:
        if purpose == "query":
            started.set()
            assert go_on.wait(PATIENCE)
        return real(texts, purpose=purpose)

    monkeypatch.setattr(encoder, "encode_texts", slow_queries)
    batching = BatchingEncoder(encoder, batch_size=4)
    with ThreadPoolExecutor(1) as pool:
        query = pool.submit(batching.encode_texts, ["red"], purpose="query")
        assert started.wait(PATIENCE)
        assert len(batching.encode_texts(["red"], purpose="document")) == 1
        go_on.set()
        assert len(query.result(PATIENCE)) == 1


def test_pictures_are_shrunk_by_their_own_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FakeEncoder()
    seen: list[tuple[int, int]] = []
    real = encoder.encode_images

    def encode_images(images: Sequence[Image.Image]) -> Embeddings:
        seen.extend(image.size for image in images)
        return real(images)

    monkeypatch.setattr(encoder, "encode_images", encode_images)
    BatchingEncoder(encoder, batch_size=4).encode_images([draw("red", "square", size=900)])

    assert seen == [encoder.prepare_image(draw("red", "square", size=900)).size]


def test_closing_closes_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[FakeEncoder] = []
    monkeypatch.setattr(FakeEncoder, "close", lambda self: closed.append(self))
    BatchingEncoder(FakeEncoder(), batch_size=1).close()

    assert len(closed) == 1
