"""Library: the one object users hold. Opens a folder, wires its parts, and closes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from PIL import Image

from florilegium.answers import Answer, AnswerOptions, Event, Turn
from florilegium.batching import BatchCount
from florilegium.cache_upkeep import CachePruning, CacheStats
from florilegium.checks import Check
from florilegium.config import INDEX_FOLDER, Settings, load_settings
from florilegium.embedding import Embedded, embed
from florilegium.filters import Filter
from florilegium.guard import Guard, Removal
from florilegium.index import Index
from florilegium.ingest_run import run_ingest
from florilegium.inputs import ImageLike, make_query
from florilegium.inspection import Finding
from florilegium.library_folder import check_library, locate_library, make_library
from florilegium.locking import Holder, writers_lock
from florilegium.parts import Parts, Statistics
from florilegium.pruning import read_cache_stats
from florilegium.querying import answer, max_pixels, open_picture, search, whole_answer
from florilegium.repair import RepairReport, repair
from florilegium.report import IngestReport, Progress
from florilegium.retrieve import Explanation
from florilegium.thresholds import Threshold
from florilegium.types import Hit, Item, Modality, Purpose
from florilegium.upkeep import check_parts, inspect_parts, prune, threshold_of


class Library:
    """A folder of pictures and texts that answers questions.

    Make one with `create` or `open`, and use it in a `with` statement. Encoders load their
    weights when they are first needed.

    Any number of threads may search, ask and read items through one object at once, also while
    another thread, object or process ingests: what a search finds is of an index as it was at one
    moment or the next, and one that was replaced is closed when the last search in it has ended.
    The events of one `stream` belong to one thread at a time. Writers take turns by a lock.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        self._folder = root / INDEX_FOLDER
        self._parts = Parts(root, settings.config)
        self._run = partial(
            run_ingest, root, parts=self._parts, config=settings.config, folder=self._folder
        )

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        profile: str = "offline",
        overrides: Mapping[str, object] | None = None,
    ) -> Self:
        """Make a library of a folder, which is made too if it is absent.

        Args:
            folder: The folder; its files are never changed. The index goes into its subfolder
                `.florilegium`, the settings into `florilegium.toml` unless that exists.
            profile: The preset of backends.
            overrides: Dotted keys and values that are written to `florilegium.toml`.

        Raises:
            ConfigError: The folder is a library already, or a setting is wrong.
        """
        root = Path(folder).expanduser().absolute()
        return cls(root, make_library(root, profile=profile, overrides=overrides))

    @classmethod
    def open(cls, folder: str | Path, *, overrides: Mapping[str, object] | None = None) -> Self:
        """Open the library in a folder.

        Raises:
            IndexNotFoundError: The folder is no library.
            ConfigError: Its settings are wrong.
        """
        root = Path(folder).expanduser().absolute()
        check_library(root)
        return cls(root, load_settings(root, overrides=overrides))

    @staticmethod
    def locate(start: str | Path) -> Path:
        """Return the nearest folder from `start` upwards that is a library.

        Raises:
            IndexNotFoundError: There is none.
        """
        return locate_library(Path(start).expanduser().absolute())

    def ingest(
        self,
        *,
        rebuild: bool = False,
        allow_empty: bool = False,
        wait: float = 0.0,
        on_wait: Callable[[Holder | None], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
        confirm: Callable[[Removal], bool] | None = None,
    ) -> IngestReport:
        """Make the index agree with the folder.

        Args:
            rebuild: Build a new index beside the one in use, which it replaces at the end.
                Embeddings that are in the cache are not made again.
            allow_empty: Empty the index if the folder holds nothing any more.
            wait: Seconds to wait for another process that writes.
            on_wait: Called before waiting, with who that is, as far as it is known.
            progress: Called before each file.
            confirm: Asked before more than a tenth of the files is removed from the index; by
                default they are. Files that were only moved do not count.

        Raises:
            IndexLockedError: Another process is writing to the index.
            IndexMismatchError: The index was built with other encoders.
            RemovalRefusedError: `confirm` said no; nothing was changed.
            SourceError: The folder holds nothing that can be ingested.
            ConfigError: The chat model is to caption and sees no pictures; all files are in.
        """
        doing = "florilegium ingest"
        with writers_lock(self._folder, doing=doing, wait=wait, on_wait=on_wait):
            before = self._parts.sources_in_use()
            guard = Guard(before=before, allow_empty=allow_empty, confirm=confirm)
            return self._run(rebuild=rebuild, guard=guard, progress=progress)

    def check(self, *, deep: bool = False) -> list[Check]:
        """Look at each part that this library needs and return what was found.

        Args:
            deep: Read every vector of the index and every row of the cache, instead of samples.
        """
        return check_parts(
            self._parts,
            config=self.settings.config,
            inspect_files=partial(self.inspect, deep=deep),
        )

    def inspect(self, *, deep: bool = False) -> list[Finding]:
        """Compare catalog, vector store and cache, and return what is wrong; nothing is changed.

        Args:
            deep: Read every vector of the index and every row of the cache, instead of samples.

        Raises:
            IndexLockedError: Another process is writing, so that nothing can be compared.
        """
        return inspect_parts(self._parts, folder=self._folder, deep=deep)

    def repair(
        self,
        *,
        wait: float = 0.0,
        on_wait: Callable[[Holder | None], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> RepairReport:
        """Mend what a deep `inspect` finds, and make the index agree with the folder.

        Args:
            wait: As for `ingest`.
            on_wait: As for `ingest`.
            progress: As for `ingest`.
            tell: Told in a sentence before more than a tenth of the library is done anew.

        Raises:
            FlorilegiumError: As `ingest` does. What was mended by then stays mended.
        """

        def again(*, rebuild: bool) -> IngestReport:
            before = self._parts.sources_in_use()
            return self._run(rebuild=rebuild, guard=Guard(before=before), progress=progress)

        doing = "florilegium doctor --repair"
        with writers_lock(self._folder, doing=doing, wait=wait, on_wait=on_wait):
            return repair(self._parts, self._folder, ingest=again, tell=tell)

    def search(
        self,
        text: str = "",
        *,
        image: ImageLike | Sequence[ImageLike] | None = None,
        modality: Modality | str | None = None,
        top_k: int | None = None,
        where: Filter | None = None,
    ) -> list[Hit]:
        """Return what is nearest to a text, to pictures, or to both, best first.

        Args:
            text: Words to search for. A sign makes words a term of their own: `+"snow"` is wanted
                besides the rest, `-car` is not wanted.
            image: A picture to search for: a path, the bytes of a file, or a Pillow image; or
                several of them, which are searched for by what they have in common.
            modality: `image` or `text` to find only such items.
            top_k: How many hits; by default `retrieval.top_k` of the settings.
            where: What may be found at all, by folder, kind of file, label, date or field.

        Raises:
            InvalidQueryError: Neither text nor picture was given, or a value is out of range.
            IndexNotFoundError: Nothing was ingested yet.
        """
        found = self.explain(text, image=image, modality=modality, top_k=top_k, where=where)
        return list(found.hits)

    def explain(
        self,
        text: str = "",
        *,
        image: ImageLike | Sequence[ImageLike] | None = None,
        modality: Modality | str | None = None,
        top_k: int | None = None,
        where: Filter | None = None,
    ) -> Explanation:
        """Return what `search` does, with the lists it came from and the weight of the evidence."""
        query = make_query(
            text,
            image=image,
            modality=modality,
            top_k=self.settings.config.retrieval.top_k if top_k is None else top_k,
            max_pixels=max_pixels(self.settings.config),
        )
        return search(query, parts=self._parts, config=self.settings.config, where=where)

    def ask(
        self,
        question: str = "",
        *,
        image: ImageLike | None = None,
        history: Sequence[Turn] = (),
        quote: bool = False,
        where: Filter | None = None,
        options: AnswerOptions | None = None,
    ) -> Answer:
        """Answer a question from the library, with citations.

        Args:
            question: The question; it may be empty when there is a picture.
            image: A picture that the question is about.
            history: `Answer.history` of the answer before, for a follow-up question.
            quote: Answer with sentences of the library, whatever chat model is configured.
            where: What may be answered from, as for `search`.
            options: How the answer is written, where that differs from the settings.

        Raises:
            InvalidQueryError: Neither question nor picture was given.
            ChatError: The chat model refused, or failed before it said anything. If it was out
                of reach, the answer is quoted instead, and `Answer.failure` says so; what it had
                said before it failed is kept there too.
        """
        events = partial(self.stream, question, image=image, history=history)
        return whole_answer(events(quote=quote, where=where, options=options))

    def stream(
        self,
        question: str = "",
        *,
        image: ImageLike | None = None,
        history: Sequence[Turn] = (),
        quote: bool = False,
        where: Filter | None = None,
        options: AnswerOptions | None = None,
    ) -> Iterator[Event]:
        """Answer as `ask` does, in events: Retrieved first, then Token by Token, then Finished.

        Failed comes where the chat model failed: before the tokens that stand in, or after its own.
        """
        return answer(
            question,
            image=image,
            history=history,
            quote=quote,
            where=where,
            options=options,
            parts=self._parts,
            config=self.settings.config,
            threshold=self.threshold,
            open_image=self.read_image,
            folder=self._folder,
        )

    def embed(
        self,
        *,
        texts: Sequence[str] = (),
        images: Sequence[ImageLike] = (),
        purpose: Purpose = "query",
        crossing: bool = False,
    ) -> Embedded:
        """Return the embeddings of texts and of pictures, in this order, as rows of one space.

        Args:
            texts: Encoded by the text encoder, or, where there are pictures or `crossing` is set,
                by the image-text encoder.
            images: Encoded by the image-text encoder.
            purpose: Whether texts are to be searched for (`query`) or found (`document`).
            crossing: Take the space of the image-text encoder in any case.

        Raises:
            InvalidQueryError: Nothing was given, or a picture cannot be read.
            EncoderError: The encoder failed, or does not encode what was given.
        """
        return embed(
            self._parts,
            texts=texts,
            images=images,
            purpose=purpose,
            crossing=crossing,
            max_pixels=max_pixels(self.settings.config),
        )

    def batch_counts(self) -> tuple[BatchCount, ...]:
        """Return in how many batches how many queries were encoded since the library was opened."""
        return self._parts.backends().batch_counts()

    def threshold(self) -> Threshold:
        """Return below which confidence questions are refused, and what to expect of that.

        Raises:
            StoreError: What was measured for this library is damaged.
        """
        return threshold_of(self._parts, settings=self.settings, folder=self._folder)

    def statistics(self) -> Statistics:
        """Return how much is in the index. Raises IndexNotFoundError when there is none."""
        return self._parts.statistics()

    @property
    def index(self) -> Index:
        """Return the opened parts of the index, for programs that go below this class.

        They stay open until the library is closed, or used after others have changed the index.
        Where other threads may do that, take `reading` instead.

        Raises:
            IndexNotFoundError: Nothing was ingested yet.
        """
        return self._parts.index()

    @contextmanager
    def reading(self) -> Iterator[Index]:
        """Give the opened parts of the index, which stay open until the block ends.

        Raises:
            IndexNotFoundError: Nothing was ingested yet.
        """
        with self._parts.reading() as opened:
            yield opened.index

    def item(self, id_: str) -> Item:
        """Return one item by its id. Raises ItemNotFoundError."""
        return self._parts.read(lambda opened: opened.index.catalog.item(id_))

    def read_image(self, item: Item) -> Image.Image:
        """Return the picture of an image item: RGB, upright. Raises SourceError."""
        return open_picture(item, loaders=self._parts.loaders())

    def cache_stats(self) -> CacheStats:
        """Return what is in the embedding cache. Raises IndexNotFoundError, StoreError."""
        return read_cache_stats(self._parts.cache_file, manifest=self._parts.manifest())

    def prune_cache(self, *, other_encoders: bool = False, dry_run: bool = False) -> CachePruning:
        """Remove from the embedding cache what no file of the library uses now.

        Args:
            other_encoders: Remove the vectors of encoders that are not configured too.
            dry_run: Count, and remove nothing.

        Raises:
            IndexNotFoundError: Nothing was ingested yet.
            IndexLockedError: Another process is writing to the index.
            StoreError: The last ingest has not ended, or the cache cannot be written.
        """
        return prune(
            self._parts, folder=self._folder, other_encoders=other_encoders, dry_run=dry_run
        )

    def close(self) -> None:
        """Close all files and free all weights. The library can be used again afterwards.

        Searches and answers of other threads end as if nothing had happened: what they use is
        closed when the last of them ends, and this does not wait for them.
        """
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
