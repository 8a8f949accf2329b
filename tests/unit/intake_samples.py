"""A folder whose files are taken in, with loaders that can be watched and held up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from florilegium.config_sections import IngestConfig
from florilegium.errors import UnreadableFileError
from florilegium.file_jobs import DirectJobs, loaders_by_suffix
from florilegium.ids import item_id
from florilegium.intake import Arrived, Intake, Reader, weigh
from florilegium.protocols import Loader
from florilegium.read_ahead import ReadAhead
from florilegium.scan import Seen
from florilegium.types import Embeddings, EncoderInfo, Item, Modality, Source
from tests.conftest import draw
from tests.unit.test_encode import Desk, Encoder


class SmallEncoder(Encoder):
    """Looks at 8 by 8 pixels, and remembers the sizes of what it is given."""

    def __init__(self) -> None:
        super().__init__(dim=16)
        self.sizes: list[tuple[int, int]] = []

    @property
    def info(self) -> EncoderInfo:
        return replace(super().info, image_side=8)

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return image.resize((8, 8), Image.Resampling.NEAREST)

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        self.sizes += [image.size for image in images]
        return super().encode_images(images)


class WatchedLoader:
    """A loader that says what it is about to do, and can be kept from it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self.before_load: Callable[[Source], object] = lambda source: None
        self.before_read: Callable[[Item], object] = lambda item: None
        self.read: list[tuple[str, int | None]] = []

    @property
    def suffixes(self) -> frozenset[str]:
        return self._loader.suffixes

    def load(self, source: Source) -> Iterator[Item]:
        self.before_load(source)
        yield from self._loader.load(source)

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:
        self.read.append((item.source.path, least_side))
        self.before_read(item)
        return self._loader.read_image(item, least_side=least_side)


class AlbumLoader:
    """Every file is three pictures: red, green and blue; those in `broken` cannot be read."""

    def __init__(self, *broken: int) -> None:
        self._broken = broken

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".album"})

    def load(self, source: Source) -> Iterator[Item]:
        for ordinal in range(3):
            yield Item(
                id=item_id(source.path, ordinal),
                source=source,
                modality=Modality.IMAGE,
                ordinal=ordinal,
                title="",
                text="",
            )

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:
        if item.ordinal in self._broken:
            raise UnreadableFileError(f"Picture {item.ordinal} of {item.source.path!r} is torn.")
        return Image.new("RGB", (8, 8), ("red", "green", "blue")[item.ordinal])


class Folder:
    """A desk whose files are taken in."""

    def __init__(self, root: Path, *, encoder: Encoder) -> None:
        self.root = root
        self.encoder = encoder
        self.desk = Desk(root, encoder=encoder, text_encoder=Encoder(dim=32))
        self.pictures = WatchedLoader(self.desk.by_suffix[".png"])
        self.texts = WatchedLoader(self.desk.by_suffix[".txt"])
        self.by_suffix: dict[str, Loader] = {".png": self.pictures, ".txt": self.texts}
        self.encoded = 0
        self.ready: list[int] = []

    def fill(self, *names: str) -> tuple[str, ...]:
        """Write texts and pictures, all of different content."""
        for number, name in enumerate(names):
            if name.endswith(".png"):
                draw("red", "square", size=64 + number).save(self.root / name)
            else:
                (self.root / name).write_text(f"This is called {name}.", encoding="utf-8")
        return names

    def arrivals(
        self,
        *names: str,
        known: Mapping[str, str] | None = None,
        batch_files: int = 32,
        batch_pictures: int = 16,
    ) -> Generator[Arrived]:
        """Give files out as they arrive."""
        reader = Reader(
            self.root,
            self.by_suffix,
            encoder=self.encoder,
            known=known or {},
            jobs=DirectJobs(loaders_by_suffix([]).get, config=IngestConfig()),
        )
        with ReadAhead(weigh=weigh, threads=2) as ahead:
            intake = Intake(
                [self.seen(name) for name in names],
                reader=reader,
                ahead=ahead,
                index=self.desk.index,
                batch_files=batch_files,
                batch_pictures=batch_pictures,
                tell=lambda step, path: None,
                count_ready=lambda: self.ready.append(len(self.ready) + 1),
            )
            yield from intake
            self.encoded += intake.encoded

    def seen(self, name: str) -> Seen:
        """Return what a scan says of a file."""
        stat = (self.root / name).stat()
        return Seen(path=name, size=stat.st_size, modified_ns=stat.st_mtime_ns)

    def close(self) -> None:
        """Close the files."""
        self.desk.close()
