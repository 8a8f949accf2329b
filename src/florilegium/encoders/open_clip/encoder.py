"""Pictures and texts to rows of one space, by a model of OpenCLIP in PyTorch.

The models are those of CLIP (Radford et al. 2021), OpenCLIP (Cherti et al. 2023), SigLIP (Zhai et
al. 2023) and others. Texts over the limit are encoded in windows whose unit vectors are averaged,
so nothing is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import RLock

import numpy as np
from PIL import Image

from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.encoders.open_clip.device import Way, choose_way
from florilegium.encoders.open_clip.facts import ModelFacts, find_model, open_reader
from florilegium.encoders.open_clip.naming import parse_model
from florilegium.encoders.open_clip.package import torch
from florilegium.encoders.open_clip.tokens import TextReader, Window
from florilegium.encoders.open_clip.towers import Towers, load_towers, look_for_cuda
from florilegium.errors import EncoderError
from florilegium.protocols import Encoder, Tuned
from florilegium.types import Embeddings, EncoderInfo, Modality, Purpose

_UNRELATED = 0.5  # about the cosine of photos of two different things in a space of this family


def open_encoder(
    model: str,
    *,
    config: EncoderConfig | TextEncoderConfig,
    texts: Encoder | None,  # noqa: ARG001 - all encoders are opened alike
    cache_folder: Path,  # noqa: ARG001
) -> OpenClipEncoder:
    """Return the encoder of `NAME/TAG`, `NAME:CHECKPOINT` or, if empty, the default model.

    Raises:
        ConfigError: The settings ask for what PyTorch does not do here.
        UnknownBackendError: OpenCLIP has no such model.
        WeightsNotFoundError: There is no such checkpoint.
    """
    if not isinstance(config, EncoderConfig):
        config = EncoderConfig(
            name=config.name, batch_size=config.batch_size, threads=config.threads
        )
    facts = find_model(parse_model(model))
    return OpenClipEncoder(
        facts,
        way=choose_way(config, look_for_cuda()),
        batch_size=config.batch_size,
        threads=config.threads,
    )


class OpenClipEncoder:
    """An encoder of texts and pictures. May be used by several threads."""

    def __init__(
        self, facts: ModelFacts, *, way: Way, batch_size: int = 16, threads: int = 0
    ) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            facts: What is known of the model.
            way: Where it runs and in which numbers.
            batch_size: Pictures, or windows of text, in one forward pass at most.
            threads: Threads of one forward pass; 0 leaves it to PyTorch, which takes one per
                core. PyTorch has one number for the whole process.
        """
        self._facts = facts
        self._way = way
        self._batch_size = batch_size
        self._threads = threads
        self._lock = RLock()
        self._reader: TextReader | None = None
        self._towers: Towers | None = None

    @cached_property
    def info(self) -> EncoderInfo:
        facts = self._facts
        return EncoderInfo(
            id=facts.name.id,
            fingerprint=facts.fingerprint(),
            dim=facts.dim,
            modalities=frozenset({Modality.IMAGE, Modality.TEXT}),
            max_text_tokens=facts.max_tokens,
            languages=facts.name.languages,
            unrelated=_UNRELATED,
            image_side=facts.preprocessing.side,
        )

    def count_tokens(self, text: str) -> int:
        return self._load_reader().count(text)

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:  # noqa: ARG002
        if not texts:
            return self._no_rows()
        reader = self._load_reader()
        by_text = [reader.windows(text) for text in texts]
        rows = self._encode_windows([window for some in by_text for window in some])
        if len(rows) == len(texts):
            return rows
        owners = np.repeat(np.arange(len(texts)), [len(some) for some in by_text])
        sums = np.zeros((len(texts), self._facts.dim), dtype=np.float32)
        np.add.at(sums, owners, rows)
        return self._unit(sums)

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return self._facts.preprocessing.prepare(image)

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        rows = [self._no_rows()]
        for start in range(0, len(images), self._batch_size):
            batch = images[start : start + self._batch_size]
            pixels = self._facts.preprocessing.to_pixels(batch)
            rows.append(self._unit(self._load_towers().pictures(pixels)))
        return np.concatenate(rows)

    def describe_engines(self) -> str:
        """Return in one line what runs the model, where and in which numbers. Loads nothing."""
        name = torch.cuda.get_device_name() if self._way.device == "cuda" else "cpu"
        return f"pictures and texts by PyTorch {torch.__version__}, {name}, {self._way.precision}"

    def close(self) -> None:
        with self._lock:
            self._towers = None
            self._reader = None
            if self._way.device == "cuda":
                # PyTorch keeps the memory of what is gone.
                torch.cuda.empty_cache()

    def _encode_windows(self, windows: Sequence[Window]) -> Embeddings:
        reader, towers = self._load_reader(), self._load_towers()
        rows = np.empty((len(windows), self._facts.dim), dtype=np.float32)
        # Short ones together, so that little of a batch is padding.
        order = sorted(range(len(windows)), key=lambda each: len(windows[each]))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            rows[batch] = self._unit(towers.texts(reader.batch([windows[at] for at in batch])))
        return rows

    def _load_reader(self) -> TextReader:
        with self._lock:
            if self._reader is None:
                self._reader = open_reader(self._facts)
            return self._reader

    def _load_towers(self) -> Towers:
        with self._lock:
            if self._towers is None:
                if self._threads:
                    torch.set_num_threads(self._threads)
                self._towers = load_towers(self._facts, self._way)
            return self._towers

    def _no_rows(self) -> Embeddings:
        return np.zeros((0, self._facts.dim), dtype=np.float32)

    def _unit(self, rows: Embeddings) -> Embeddings:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise EncoderError(f"The encoder {self._facts.name.id!r} gave a row without direction.")
        return np.asarray(rows / lengths, dtype=np.float32)


_: type[Encoder] = OpenClipEncoder
_tuned: type[Tuned] = OpenClipEncoder
