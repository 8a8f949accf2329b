"""Dynamic batching: queries that threads encode at the same time share a forward pass.

Whoever comes while a pass runs is in the next one; nobody waits for company. Knows no index.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from florilegium.protocols import Encoder
from florilegium.types import Embeddings, EncoderInfo, Modality, Purpose

In = TypeVar("In")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCount:
    """How many batches of queries an encoder has run so far, of how many inputs in all."""

    encoder: str
    modality: Modality
    batches: int
    inputs: int


class _Call(Generic[In]):
    """One caller's inputs, and what becomes of them."""

    def __init__(self, inputs: Sequence[In]) -> None:
        self.inputs = inputs
        self.wake = threading.Event()
        self.leads = False  # is to run the next batch
        self.rows: Embeddings | None = None
        self.error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.rows is not None or self.error is not None

    def finish(self, rows: Embeddings) -> None:
        self.rows = rows
        self.wake.set()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.wake.set()


class Batcher(Generic[In]):
    """Runs one batch at a time, or a few, each in the thread of a caller who is in it.

    A caller runs at most one batch, its own, and then lets the next in the queue lead. Where a
    batch of several callers fails, each is encoded alone, so that an error reaches its own caller
    only.
    """

    def __init__(
        self, encode: Callable[[Sequence[In]], Embeddings], *, most: int, passes: int = 1
    ) -> None:
        """Begin with nobody.

        Args:
            encode: Returns a row for each input, which does not depend on the others.
            most: Inputs of a batch, unless one caller has more.
            passes: Batches that may run at the same time; who comes then, waits.
        """
        self._encode = encode
        self._most = most
        self._passes = passes
        self._lock = threading.Lock()
        self._waiting: deque[_Call[In]] = deque()
        self._leaders = 0
        self.batches = 0
        self.inputs = 0

    def encode(self, inputs: Sequence[In]) -> Embeddings:
        """Return the rows of some inputs, shape (len(inputs), dim). Raises what `encode` does."""
        call = _Call(inputs)
        with self._lock:
            self._waiting.append(call)
            if self._leaders < self._passes:
                self._leaders += 1
                call.leads = True
        try:
            if not call.leads:
                call.wake.wait()
            if call.leads:
                self._lead(call)
        except BaseException:
            # Such as Ctrl-C: whoever waits behind this caller must not wait for ever.
            self._give_up(call)
            raise
        if call.error is not None:
            raise call.error
        assert call.rows is not None, "whoever is woken leads, or is done"
        return call.rows

    def _lead(self, call: _Call[In]) -> None:
        """Run the batch of those who wait now, the leader's first, and let the next one lead."""
        with self._lock:
            batch = self._take(call)
        try:
            self._run(batch)
        finally:
            with self._lock:
                left = [one for one in batch[1:] if not one.is_done]
                self._waiting.extendleft(reversed(left))
                self._hand_on()

    def _give_up(self, call: _Call[In]) -> None:
        with self._lock:
            if call in self._waiting:
                self._waiting.remove(call)
                if call.leads:
                    self._hand_on()

    def _hand_on(self) -> None:
        for call in self._waiting:
            if not call.leads:
                call.leads = True
                call.wake.set()
                return
        self._leaders -= 1

    def _take(self, call: _Call[In]) -> list[_Call[In]]:
        self._waiting.remove(call)
        batch, count = [call], len(call.inputs)
        for one in [one for one in self._waiting if not one.leads]:
            count += len(one.inputs)
            if count > self._most:
                break
            self._waiting.remove(one)
            batch.append(one)
        return batch

    def _run(self, batch: Sequence[_Call[In]]) -> None:
        inputs = [one for call in batch for one in call.inputs]
        with self._lock:
            self.batches += 1
            self.inputs += len(inputs)
        try:
            rows = self._encode(inputs)
        except Exception as error:  # noqa: BLE001 - raised again, in the thread of its caller
            self._fail(batch, error)
            return
        if len(batch) == 1:
            batch[0].finish(rows)
        elif len(rows) != len(inputs):
            self._run_alone(batch)  # whose row is missing is for the callers to find out
        else:
            ends = np.cumsum([len(call.inputs) for call in batch])
            for call, end in zip(batch, ends, strict=True):
                call.finish(rows[end - len(call.inputs) : end])

    def _fail(self, batch: Sequence[_Call[In]], error: Exception) -> None:
        if len(batch) == 1:
            batch[0].fail(error)
        else:
            self._run_alone(batch)

    def _run_alone(self, batch: Sequence[_Call[In]]) -> None:
        for call in batch:
            self._run([call])


class BatchingEncoder:
    """An encoder as it is, but for queries: what threads encode at the same time is one batch.

    Documents are encoded as they come: who has many of them makes batches of its own.
    """

    def __init__(self, encoder: Encoder, *, batch_size: int, image_passes: int = 1) -> None:
        """Wrap an encoder, which stays its owner's.

        Args:
            encoder: What encodes.
            batch_size: Inputs of a batch at most; who brings more is not made to share.
            image_passes: Batches of pictures that run at the same time. A processor gains nothing
                from sharing passes over pictures, and loses what it does between them.
        """
        self._encoder = encoder
        self._batch_size = batch_size
        self._texts: Batcher[str] = Batcher(
            lambda texts: encoder.encode_texts(texts, purpose="query"), most=batch_size
        )
        self._images: Batcher[Image.Image] = Batcher(
            encoder.encode_images, most=batch_size, passes=image_passes
        )

    @property
    def info(self) -> EncoderInfo:
        return self._encoder.info

    def counts(self) -> tuple[BatchCount, ...]:
        """Return how many batches were run, for texts and for images."""
        kinds = (Modality.TEXT, self._texts), (Modality.IMAGE, self._images)
        return tuple(
            BatchCount(
                encoder=self.info.id, modality=kind, batches=each.batches, inputs=each.inputs
            )
            for kind, each in kinds
        )

    def count_tokens(self, text: str) -> int:
        return self._encoder.count_tokens(text)

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        if purpose != "query" or not 0 < len(texts) <= self._batch_size:
            return self._encoder.encode_texts(texts, purpose=purpose)
        return self._texts.encode(texts)

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return self._encoder.prepare_image(image)

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        if not 0 < len(images) <= self._batch_size:
            return self._encoder.encode_images(images)
        # Each caller shrinks its own, which needs no turn.
        return self._images.encode([self._encoder.prepare_image(image) for image in images])

    def close(self) -> None:
        self._encoder.close()


_: type[Encoder] = BatchingEncoder
