"""Library: the one object users hold. Opens a folder, wires its parts, and closes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Self

import filelock
from PIL import Image

from florilegium.answers import Answer, Event, Finished, Turn
from florilegium.asking import Found, Wanted
from florilegium.chat import Tools, answer_events
from florilegium.checks import Check, attempt, check_reranker, try_chat_model, try_encoder
from florilegium.config import (
    CONFIG_NAME,
    INDEX_FOLDER,
    Settings,
    load_settings,
    write_settings,
)
from florilegium.courtesy import courteous, going_first
from florilegium.errors import (
    ConfigError,
    FlorilegiumError,
    IndexLockedError,
    IndexNotFoundError,
    StoreError,
    UnsupportedFileError,
)
from florilegium.filters import Filter
from florilegium.gate_file import read_gate
from florilegium.index import Index
from florilegium.ingest import ingest
from florilegium.inputs import ImageLike, make_query, read_picture
from florilegium.parts import Parts, Statistics
from florilegium.report import IngestReport, Progress
from florilegium.retrieve import Explanation, SearchOptions, retrieve
from florilegium.thresholds import Threshold, choose_threshold
from florilegium.types import Hit, Item, Modality, Query

_LOCK = "lock"


class Library:
    """A folder of pictures and texts that answers questions.

    Make one with `create` or `open`, and use it in a `with` statement. Encoders load their
    weights when they are first needed. One library object serves one thread at a time.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        self._parts = Parts(root, settings.config)

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
        if (root / INDEX_FOLDER).exists():
            raise ConfigError(
                f"The folder {str(root)!r} is a library already.",
                hint="Open it, or delete its subfolder .florilegium to begin anew.",
            )
        values = {"profile": profile, **(overrides or {})}
        load_settings(root, overrides=values)  # a wrong setting must leave no trace
        if overrides and (root / CONFIG_NAME).exists():
            raise ConfigError(
                f"The folder {str(root)!r} has a settings file, which is never overwritten.",
                hint=f"Write the settings into its {CONFIG_NAME}, or remove that file first.",
            )
        try:
            (root / INDEX_FOLDER).mkdir(parents=True)
            if not (root / CONFIG_NAME).exists():
                write_settings(root / CONFIG_NAME, values)
        except OSError as error:
            raise ConfigError(
                f"The folder {str(root)!r} cannot be made a library: {error.strerror}.",
                hint="Choose a folder that you may write to.",
            ) from error
        return cls(root, load_settings(root, overrides=overrides))

    @classmethod
    def open(cls, folder: str | Path, *, overrides: Mapping[str, object] | None = None) -> Self:
        """Open the library in a folder.

        Raises:
            IndexNotFoundError: The folder is no library.
            ConfigError: Its settings are wrong.
        """
        root = Path(folder).expanduser().absolute()
        if not (root / INDEX_FOLDER).is_dir():
            raise IndexNotFoundError(
                f"The folder {str(root)!r} is no library.",
                hint="Make it one with `florilegium init`, then run `florilegium ingest`.",
            )
        return cls(root, load_settings(root, overrides=overrides))

    @staticmethod
    def locate(start: str | Path) -> Path:
        """Return the nearest folder from `start` upwards that is a library.

        Raises:
            IndexNotFoundError: There is none.
        """
        here = Path(start).expanduser().absolute()
        for folder in (here, *here.parents):
            if (folder / INDEX_FOLDER).is_dir():
                return folder
        raise IndexNotFoundError(
            f"Neither {str(here)!r} nor a folder above it is a library.",
            hint="Go into a library, name one with --library, or run `florilegium init`.",
        )

    def ingest(
        self, *, rebuild: bool = False, progress: Callable[[Progress], None] | None = None
    ) -> IngestReport:
        """Make the index agree with the folder.

        Args:
            rebuild: Make the index anew. Embeddings that are in the cache are not made again.
            progress: Called before each file.

        Raises:
            IndexLockedError: Another process is writing to the index.
            IndexMismatchError: The index was built with other encoders.
            SourceError: The folder holds nothing that can be ingested.
            ConfigError: The chat model is to caption and sees no pictures; all files are in.
        """
        lock = filelock.FileLock(self.root / INDEX_FOLDER / _LOCK)
        try:
            with lock.acquire(timeout=0):
                return self._ingest(rebuild=rebuild, progress=progress)
        except filelock.Timeout as error:
            raise IndexLockedError(
                f"Another process is writing to the index of {str(self.root)!r}.",
                hint="Wait until it has ended, then run `florilegium ingest` again.",
            ) from error
        except OSError as error:
            raise StoreError(
                f"The index of {str(self.root)!r} cannot be written: {error}.",
                hint="Check that you may write to its subfolder .florilegium.",
            ) from error

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
            max_pixels=self._max_pixels,
        )
        return self._retrieve(query, where=where)

    def ask(
        self,
        question: str = "",
        *,
        image: ImageLike | None = None,
        history: Sequence[Turn] = (),
        quote: bool = False,
        where: Filter | None = None,
    ) -> Answer:
        """Answer a question from the library, with citations.

        Args:
            question: The question; it may be empty when there is a picture.
            image: A picture that the question is about.
            history: `Answer.history` of the answer before, for a follow-up question.
            quote: Answer with sentences of the library, whatever chat model is configured.
            where: What may be answered from, as for `search`.

        Raises:
            InvalidQueryError: Neither question nor picture was given.
            ChatError: The chat model refused, or failed before it said anything. If it was out
                of reach, the answer is quoted instead, and `Answer.failure` says so; what it had
                said before it failed is kept there too.
        """
        for event in self.stream(question, image=image, history=history, quote=quote, where=where):
            if isinstance(event, Finished):
                return event.answer
        raise StoreError("The answer ended without its last event.", hint="Report this defect.")

    def stream(
        self,
        question: str = "",
        *,
        image: ImageLike | None = None,
        history: Sequence[Turn] = (),
        quote: bool = False,
        where: Filter | None = None,
    ) -> Iterator[Event]:
        """Answer as `ask` does, in events: Retrieved first, then Token by Token, then Finished.

        Failed comes where the chat model failed: before the tokens that stand in, or after its own.
        """
        return self._events(question, image=image, history=history, quote=quote, where=where)

    def threshold(self) -> Threshold:
        """Return below which confidence questions are refused, and what to expect of that.

        Raises:
            StoreError: What was measured for this library is damaged.
        """
        return choose_threshold(
            self.settings.config.chat.min_confidence,
            is_set="chat.min_confidence" in self.settings.origins,
            measured=read_gate(self.root / INDEX_FOLDER),
            encoders={one.name: one.fingerprint for one in self._parts.manifest().spaces},
        )

    def statistics(self) -> Statistics:
        """Return how much is in the index. Raises IndexNotFoundError when there is none."""
        return self._parts.statistics()

    @property
    def index(self) -> Index:
        """Return the opened parts of the index, for programs that go below this class.

        Raises:
            IndexNotFoundError: Nothing was ingested yet.
        """
        return self._parts.index()

    def item(self, id_: str) -> Item:
        """Return one item by its id. Raises ItemNotFoundError."""
        return self._parts.index().catalog.item(id_)

    def read_image(self, item: Item) -> Image.Image:
        """Return the picture of an image item: RGB, upright. Raises SourceError."""
        suffix = Path(item.source.path).suffix.lower()
        for loader in self._parts.loaders():
            if item.modality is Modality.IMAGE and suffix in loader.suffixes:
                return loader.read_image(item)
        raise UnsupportedFileError(
            f"{item.source.path!r} holds no picture.", hint="Ask for the picture of an image item."
        )

    def check(self) -> list[Check]:
        """Look at each part that this library needs and return what was found."""
        parts, config = self._parts, self.settings.config
        room = config.chat.max_tokens
        return [
            Check(name="settings", ok=True, message=f"profile {config.profile}"),
            attempt("text encoder", lambda: try_encoder(parts.text_encoder())),
            attempt("image-text encoder", lambda: try_encoder(parts.encoder())),
            attempt("index", parts.describe_index),
            attempt("chat model", lambda: try_chat_model(parts.chat_model(), max_tokens=room)),
            *check_reranker(parts.reranker),
        ]

    def close(self) -> None:
        """Close all files and free all weights. The library can be used again afterwards."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- wiring --

    def _retrieve(self, query: Query, *, where: Filter | None) -> Explanation:
        config = self.settings.config
        options = SearchOptions(
            candidates=config.retrieval.candidates,
            method=config.retrieval.fusion,
            reranker=self._parts.reranker(),
            reranked=config.rerank.top_k,
            learnt=self._parts.learnt_names(),
        )
        return retrieve(query, index=self._parts.index(), options=options, where=where)

    def _events(
        self,
        question: str,
        *,
        image: ImageLike | None,
        history: Sequence[Turn],
        quote: bool,
        where: Filter | None,
    ) -> Iterator[Event]:
        limit = {"min_confidence": self.threshold().value}
        yield from answer_events(
            question,
            image=None if image is None else read_picture(image, max_pixels=self._max_pixels),
            history=history,
            tools=Tools(
                search=partial(self._find, where=where),
                chat_model=self._parts.quoting_model() if quote else self._parts.chat_model(),
                fallback=self._parts.quoting_model,
                open_image=self.read_image,
                going_first=partial(going_first, self.root / INDEX_FOLDER),
                config=self.settings.config.chat.model_copy(update=limit),
            ),
        )

    def _find(self, wanted: Wanted, *, where: Filter | None) -> Found:
        config, picture = self.settings.config, wanted.picture
        explanation = self._retrieve(
            Query(
                text=wanted.text,
                pictures=(picture,) if picture else (),
                about=wanted.about,
                about_picture=wanted.about_picture,
                top_k=max(config.chat.max_sources, config.retrieval.top_k),
            ),
            where=where,
        )
        return Found(
            hits=explanation.hits,
            evidence=explanation.evidence,
            searched=wanted.text,
            candidates=explanation.candidates,
            is_known=explanation.is_known,
        )

    @property
    def _max_pixels(self) -> int:
        return int(self.settings.config.ingest.max_image_megapixels * 1_000_000)

    def _ingest(
        self, *, rebuild: bool, progress: Callable[[Progress], None] | None
    ) -> IngestReport:
        index = self._parts.index(writing=True, rebuild=rebuild)
        try:
            with closing(self._parts.file_jobs()) as jobs:
                report = ingest(
                    self.root,
                    index=index,
                    loaders=self._parts.loaders(),
                    config=self.settings.config,
                    open_chat_model=self._parts.chat_model,
                    progress=courteous(progress, folder=self.root / INDEX_FOLDER),
                    jobs=jobs,
                )
            if not report.interrupted:
                self._parts.learn_names(index)
        except FlorilegiumError:
            # What it wrote before it failed counts, and is looked at anew by the next search.
            self._parts.note_change()
            self._parts.close_index()
            raise
        self._parts.note_change()
        return report
