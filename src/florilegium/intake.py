"""Files on their way into the index: read ahead by threads, given out in the order they came in.

Threads hash, load, decode and shrink; the thread that asks for files runs the encoder on their
pictures. Writes nothing but the embedding cache, and knows neither catalog nor store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from florilegium.encode import Loaded, encode_pictures, picture_key
from florilegium.errors import SourceError
from florilegium.file_jobs import FileJobs
from florilegium.index import Index
from florilegium.protocols import Encoder, Loader
from florilegium.read_ahead import ROOM, ReadAhead
from florilegium.report import Step
from florilegium.scan import Seen, check_unchanged
from florilegium.tracing import span
from florilegium.types import Description, Embeddings, Item, Modality, Source

# Pictures wait for a full batch only up to this many pixels, so that big ones cost no more memory.
_MOST_PIXELS = 48_000_000
_BYTES_PER_PIXEL = 4  # in Pillow, of an RGB picture too
_SPARE = 2  # shrinking to less than twice what the encoder sees would show in the result


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """A file with the content that the index knows."""

    source: Source


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Failed:
    """A file that cannot be read, and why."""

    path: str
    error: SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is in a file: items, or what it says of other files."""

    items: tuple[Item, ...] = ()
    descriptions: tuple[Description, ...] = ()


Arrived: TypeAlias = Unchanged | Loaded | Failed


def path_of(arrived: Arrived) -> str:
    """Return the path of a file that arrived."""
    return arrived.path if isinstance(arrived, Failed) else arrived.source.path


class Reader:
    """What threads do to a file. Several of them may use one reader."""

    def __init__(
        self,
        root: Path,
        by_suffix: Mapping[str, Loader],
        *,
        encoder: Encoder,
        known: Mapping[str, str],
        jobs: FileJobs,
    ) -> None:
        """Keep what is needed.

        Args:
            root: The library folder.
            by_suffix: Which loader reads which files; others describe files.
            encoder: Whom pictures are prepared for.
            known: Content hashes by path; a file that still has its own is not loaded.
            jobs: Who hashes files and reads those that describe others.
        """
        self._root = root
        self._by_suffix = by_suffix
        self._encoder = encoder
        self._known = known
        self._jobs = jobs

    def read(self, seen: Seen) -> tuple[Source, Content | None]:
        """Return a file with what is in it, or with None if it is known. Raises SourceError."""
        source = self._source(seen)
        if self._known.get(seen.path) == source.content_hash:
            return source, None
        content = self._content(source)
        check_unchanged(source)
        return source, content

    def read_picture(self, item: Item) -> Image.Image:
        """Return the picture of an item as small as the encoder needs it. Raises SourceError."""
        side = self._encoder.info.image_side
        least_side = None if side is None else _SPARE * side
        image = self._loader(item.source.path).read_image(item, least_side=least_side)
        check_unchanged(item.source)
        return self._encoder.prepare_image(image)

    def _content(self, source: Source) -> Content:
        if Path(source.path).suffix.lower() in self._by_suffix:
            return Content(items=tuple(self._loader(source.path).load(source)))
        return Content(descriptions=self._jobs.describe(source))

    def _loader(self, path: str) -> Loader:
        return self._by_suffix[Path(path).suffix.lower()]

    def _source(self, seen: Seen) -> Source:
        return Source(
            root=self._root,
            path=seen.path,
            size=seen.size,
            modified_ns=seen.modified_ns,
            content_hash=self._jobs.hash(self._root, seen.path),
        )


class _File:
    """A file on its way: what has come of it so far."""

    def __init__(self, seen: Seen) -> None:
        self.path = seen.path
        self.weight = seen.size
        self.pictures = 0
        self.rows: dict[str, Embeddings] = {}
        self.loaded: tuple[Source, Content] | None = None
        self.arrived: Arrived | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    file: _File
    outcome: tuple[Source, Content | None] | SourceError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Picture:
    key: str
    outcome: Image.Image | SourceError


Result: TypeAlias = _Read | _Picture


def weigh(result: Result) -> int:
    """Return about how many bytes a result of the threads holds."""
    outcome = result.outcome
    if isinstance(outcome, Image.Image):
        return _BYTES_PER_PIXEL * outcome.width * outcome.height
    if isinstance(outcome, SourceError):
        return 0
    return _length(outcome[1]) if outcome[1] else 0


class Intake:
    """Files in their order, each when it and all before it are ready.

    Once half of the files on their way are ready, but not the first, they overtake it: a huge file
    does not hold up the rest. Pictures of the same content are encoded once. The encoder is given
    full batches, whatever files they come from, unless there is nothing to wait for.
    """

    def __init__(
        self,
        files: Sequence[Seen],
        *,
        reader: Reader,
        ahead: ReadAhead[Result],
        index: Index,
        batch_files: int,
        batch_pictures: int,
        tell: Callable[[Step, str], None],
        count_ready: Callable[[], None],
    ) -> None:
        """Keep what is needed; nothing is read yet.

        Args:
            files: What is to be read.
            reader: What the threads do.
            ahead: The threads.
            index: Its embedding cache and its image-text encoder are used.
            batch_files: How many files are written together.
            batch_pictures: How many pictures the encoder is given at a time.
            tell: Called for every file when it has been read, with its path, and before pictures
                are encoded.
            count_ready: Called for every file when it is ready, which may be long before it is
                given out: that waits for those before it.
        """
        self.encoded = 0
        self._coming = deque(files)
        self._reader = reader
        self._ahead = ahead
        self._index = index
        self._batch_pictures = batch_pictures
        self._tell = tell
        self._count_ready = count_ready
        self._most_files = 4 * max(batch_files, batch_pictures)
        self._under_way: deque[_File] = deque()
        self._weight = 0
        self._ready = 0
        self._wanted: dict[str, deque[tuple[_File, Item]]] = {}
        self._waiting: dict[str, Image.Image] = {}

    def __iter__(self) -> Iterator[Arrived]:
        while self._under_way or self._coming:
            self._start_files()
            if self._ahead.outstanding:
                self._accept(self._ahead.take())
            else:
                self._encode()
            yield from self._let_go()

    def _start_files(self) -> None:
        while self._coming and len(self._under_way) < self._most_files:
            if self._under_way and self._weight + self._coming[0].size > ROOM:
                return
            seen = self._coming.popleft()
            file = _File(seen)
            self._under_way.append(file)
            self._weight += file.weight
            self._ahead.submit(partial(self._read, file, seen), weight=seen.size)

    def _let_go(self) -> Iterator[Arrived]:
        overtaking = 2 * self._ready >= self._most_files
        for file in list(self._under_way):
            if file.arrived is not None:
                self._under_way.remove(file)
                self._ready -= 1
                self._weight -= file.weight
                yield file.arrived
            elif not overtaking:
                return

    def _accept(self, result: Result) -> None:
        if isinstance(result, _Read):
            self._tell("reading", result.file.path)
            self._accept_file(result.file, result.outcome)
        elif isinstance(result.outcome, SourceError):
            self._give_up(result.key, result.outcome)
        else:
            self._waiting[result.key] = result.outcome
            pixels = sum(image.width * image.height for image in self._waiting.values())
            if len(self._waiting) == self._batch_pictures or pixels > _MOST_PIXELS:
                self._encode()

    def _accept_file(
        self, file: _File, outcome: tuple[Source, Content | None] | SourceError
    ) -> None:
        if isinstance(outcome, SourceError):
            self._arrive(file, Failed(path=file.path, error=outcome))
            return
        source, content = outcome
        if content is None:
            self._arrive(file, Unchanged(source=source))
            return
        self._weight += _length(content) - file.weight
        file.weight = _length(content)
        file.loaded = source, content
        pictures = {
            picture_key(item): item for item in content.items if item.modality is Modality.IMAGE
        }
        file.pictures = len(pictures)
        info = self._index.encoder.info
        known = self._index.cache.get(info.fingerprint, list(pictures), dim=info.dim)
        for key, item in pictures.items():
            if key in known:
                file.rows[item.id] = known[key]
            else:
                self._want(key, file, item)
        self._complete(file)

    def _want(self, key: str, file: _File, item: Item) -> None:
        wanting = self._wanted.setdefault(key, deque())
        wanting.append((file, item))
        if len(wanting) == 1:
            self._start_picture(key, item)

    def _start_picture(self, key: str, item: Item) -> None:
        pixels = (item.width or 0) * (item.height or 0)
        self._ahead.submit(
            partial(self._read_picture, key, item),
            weight=_BYTES_PER_PIXEL * pixels + item.source.size,
        )

    def _give_up(self, key: str, error: SourceError) -> None:
        # Another file of this content may still be there.
        wanting = self._wanted[key]
        file, _ = wanting.popleft()
        self._arrive(file, Failed(path=file.path, error=error))
        if wanting:
            self._start_picture(key, wanting[0][1])
        else:
            del self._wanted[key]

    def _encode(self) -> None:
        self._tell("encoding", "")
        with span("encode", pictures=len(self._waiting), encoder=self._index.encoder.info.id):
            rows = encode_pictures(self._waiting, index=self._index)
        self._waiting.clear()
        self.encoded += len(rows)
        for key, row in rows.items():
            for file, item in self._wanted.pop(key):
                file.rows[item.id] = row
                self._complete(file)

    def _complete(self, file: _File) -> None:
        if file.loaded is not None and len(file.rows) == file.pictures:
            source, content = file.loaded
            loaded = Loaded(
                source=source,
                items=content.items,
                pictures=file.rows,
                descriptions=content.descriptions,
            )
            self._arrive(file, loaded)

    def _arrive(self, file: _File, arrived: Arrived) -> None:
        # Of a file with several pictures, more than one may be broken.
        if file.arrived is None:
            file.arrived = arrived
            self._ready += 1
            self._count_ready()

    # -- in the threads --

    def _read(self, file: _File, seen: Seen) -> Result:
        try:
            return _Read(file=file, outcome=self._reader.read(seen))
        except SourceError as error:
            return _Read(file=file, outcome=error)

    def _read_picture(self, key: str, item: Item) -> Result:
        try:
            return _Picture(key=key, outcome=self._reader.read_picture(item))
        except SourceError as error:
            return _Picture(key=key, outcome=error)


def _length(content: Content) -> int:
    fields = (pair for one in content.descriptions for pair in one.fields)
    return sum(len(item.text) for item in content.items) + sum(
        len(name) + len(value) for name, value in fields
    )
