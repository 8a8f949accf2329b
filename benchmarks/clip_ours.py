"""Our own contestants: any encoder of ours, with and without the rest of an ingest.

Usage: python -m benchmarks.clip_ours ENCODER PRECISION ENGINE FOLDER serves tasks, see `turns`.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.turns import Clock, Rows, Task, serve
from florilegium import registry
from florilegium.catalog import Catalog
from florilegium.config import EncoderConfig
from florilegium.config_sections import IngestConfig
from florilegium.file_jobs import DirectJobs, loaders_by_suffix
from florilegium.intake import Reader
from florilegium.library import Library
from florilegium.protocols import Encoder, Tuned
from florilegium.read_ahead import ReadAhead
from florilegium.scan import Seen
from florilegium.stores.chroma import ChromaStore

PACKAGES = ("florilegium", "onnxruntime", "openvino", "numpy", "pillow", "tokenizers")
PREPARED = 64

Prepared = tuple[int, Image.Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which encoder, in which numbers, by which engine."""

    encoder: str
    precision: str
    engine: str

    @property
    def settings(self) -> dict[str, object]:
        names = {"name": self.encoder, "precision": self.precision, "engine": self.engine}
        return {f"encoder.{key}": value for key, value in names.items()}


def open_ours(
    clock: Clock, choice: Choice, folder: Path
) -> tuple[Mapping[str, object], Mapping[str, Task]]:
    """Load an encoder, and return what it chose and what it can be asked for."""
    config = EncoderConfig.model_validate(
        {"name": choice.encoder, "precision": choice.precision, "engine": choice.engine}
    )
    encoder = registry.open_encoder(config.name, config=config, cache_folder=folder / "cache")
    about = {
        "versions": _versions(),
        "engines": encoder.describe_engines() if isinstance(encoder, Tuned) else "",
        "stages overlap": True,
    }
    pictures = Pictures(clock, encoder, batch=config.batch_size)
    _time_writes(clock)
    tasks: dict[str, Task] = {
        "pictures": pictures.encode,
        "forward": pictures.encode_prepared,
        "queries": lambda texts: np.concatenate(
            [encoder.encode_texts([text], purpose="query") for text in texts]
        ),
        "documents": lambda texts: encoder.encode_texts(texts, purpose="document"),
        "ingest": partial(ingest, clock, choice, folder),
    }
    return about, tasks


class Pictures:
    """From files to rows as an ingest does it, with its threads, and without its store."""

    def __init__(self, clock: Clock, encoder: Encoder, *, batch: int) -> None:
        self._batch = batch
        self._encoder = encoder
        config = IngestConfig()
        loaders = registry.open_loaders(config=config, count_tokens=len)
        (loader,) = (some for some in loaders if ".jpg" in some.suffixes)
        timed: Any = encoder  # methods are replaced on the object, so that all callers are timed
        timed.prepare_image = clock.timed("prepare", encoder.prepare_image)
        timed.encode_images = clock.timed("forward", encoder.encode_images)
        timed = loader
        timed.read_image = clock.timed("decode", loader.read_image)
        self._loaders = {".jpg": loader}

    def encode(self, files: Sequence[str]) -> Rows:
        """Return a row for each file."""
        rows: dict[int, Rows] = {}
        waiting: list[Prepared] = []
        with ReadAhead[Prepared](weigh=lambda done: 4 * done[1].width * done[1].height) as ahead:
            for number, name in enumerate(files):
                job = partial(self._prepare, number, Path(name))
                ahead.submit(job, weight=Path(name).stat().st_size)
            while ahead.outstanding:
                waiting.append(ahead.take())
                if len(waiting) == self._batch or not ahead.outstanding:
                    rows |= self._forward(waiting)
                    waiting = []
        return np.stack([rows[number] for number in range(len(files))])

    def encode_prepared(self, files: Sequence[str]) -> None:
        """Time the encoder alone, with nothing else going on."""
        prepared = [self._prepare(number, Path(name)) for number, name in enumerate(files)]
        for start in range(0, len(prepared), self._batch):
            self._forward(prepared[start : start + self._batch])

    def _prepare(self, number: int, file: Path) -> Prepared:
        jobs = DirectJobs(loaders_by_suffix([]).get, config=IngestConfig())
        reader = Reader(file.parent, self._loaders, encoder=self._encoder, known={}, jobs=jobs)
        stat = file.stat()
        seen = Seen(path=file.name, size=stat.st_size, modified_ns=stat.st_mtime_ns)
        _, content = reader.read(seen)
        assert content
        return number, reader.read_picture(content.items[0])

    def _forward(self, waiting: Sequence[Prepared]) -> dict[int, Rows]:
        rows = self._encoder.encode_images([image for _, image in waiting])
        return {number: row for (number, _), row in zip(waiting, rows, strict=True)}


def ingest(clock: Clock, choice: Choice, folder: Path, files: Sequence[str]) -> None:
    """Make a library of the files; the encoder is loaded before the clock runs."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name) / "library"
        place.mkdir()
        first, *others = (place / f"{number:05d}.jpg" for number in range(len(files)))
        first.hardlink_to(files[0])
        with Library.create(place, overrides=choice.settings) as library:
            library.ingest()
            clock.seconds.clear()
            for file, link in zip(files[1:], others, strict=True):
                link.hardlink_to(file)
            report = clock.timed("ingest", library.ingest)()
    if report.added != len(others) or report.failed:
        raise SystemExit(f"added {report.added} of {len(others)}, failed: {report.failed}")


def _time_writes(clock: Clock) -> None:
    store: Any = ChromaStore
    store.upsert = clock.timed("store", ChromaStore.upsert)
    catalog: Any = Catalog
    for name in ("announce", "commit"):
        setattr(catalog, name, clock.timed("catalog", getattr(Catalog, name)))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    encoder, precision, engine, folder = sys.argv[1:]
    choice = Choice(encoder=encoder, precision=precision, engine=engine)
    serve(lambda clock: open_ours(clock, choice, Path(folder)))


if __name__ == "__main__":
    main()
