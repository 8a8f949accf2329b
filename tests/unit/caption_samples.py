"""A library whose pictures lack words, and chat models that caption them, or fail to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image

from florilegium import Library
from florilegium.errors import FlorilegiumError
from florilegium.fields import MACHINE_CAPTION
from florilegium.leases import Once
from florilegium.report import IngestReport, Progress
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import ChatModelInfo, ChatOptions, Delta, ImagePart, Message, Modality
from tests.conftest import FAKES, draw

SETTINGS = {**FAKES, "chat.name": "fake:", "ingest.captions": "missing"}
PICTURES = {"IMG_1.png": ("red", "square"), "IMG_2.png": ("green", "circle"),
            "IMG_3.png": ("blue", "triangle")}  # fmt: skip
COLOURS = {(255, 0, 0): "red", (0, 128, 0): "green", (0, 0, 255): "blue"}


class Seeing:
    """A chat model that says which colour it sees, unless it is told to do something else.

    Args:
        instead: What to do with the picture of a colour: a reply, an error, or a thing to call.
        in_process: What `info` says of it.
        max_images: What `info` says of it.
        finish: How replies end.
    """

    def __init__(
        self,
        instead: dict[str, str | FlorilegiumError | Callable[[], object]] | None = None,
        *,
        in_process: bool = False,
        max_images: int = 1,
    ) -> None:
        self.instead = instead or {}
        self.asked: list[str] = []
        self.prompts: list[str] = []
        self.options: list[ChatOptions] = []
        self.most_at_once = 0
        self.together = threading.Barrier(1)
        self._at_once = 0
        self._lock = threading.Lock()
        self._info = replace(
            FakeChatModel().info, id="seeing", max_images=max_images, in_process=in_process
        )

    @property
    def info(self) -> ChatModelInfo:
        if "info" in self.instead:
            error = self.instead["info"]
            assert isinstance(error, FlorilegiumError)
            raise error
        return self._info

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        (message,) = messages
        picture, prompt = message.parts
        assert isinstance(picture, ImagePart)
        colour = colour_of(picture.image)
        with self._counted():
            self.asked.append(colour)
            self.prompts.append(getattr(prompt, "text", ""))
            self.options.append(options)
            self.together.wait(60)
            instead = self.instead.get(colour, f"It is a {colour} thing.")
            if callable(instead):
                instead()
                instead = f"It is a {colour} thing."
            reply = FakeChatModel([instead])
            yield from reply.stream(messages, options=options)

    def close(self) -> None:
        """Do nothing."""

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


def colour_of(image: Image.Image) -> str:
    """Return what is drawn in the middle of a picture."""
    pixel = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return COLOURS[int(pixel[0]), int(pixel[1]), int(pixel[2])]


def make_folder(folder: Path, **overrides: object) -> Path:
    """Make a library of pictures that cameras have named, and return its folder."""
    with Library.create(folder, overrides={**SETTINGS, **dotted(overrides)}):
        pass
    for name, (colour, shape) in PICTURES.items():
        draw(colour, shape).save(folder / name)
    (folder / "text.txt").write_text("Nothing of a picture.", encoding="utf-8")
    return folder


def dotted(overrides: dict[str, object]) -> dict[str, object]:
    """Return settings whose dots were written as two underscores."""
    return {name.replace("__", "."): value for name, value in overrides.items()}


def ingest(
    folder: Path,
    model: Seeing,
    *,
    progress: Callable[[Progress], None] | None = None,
    rebuild: bool = False,
    **overrides: object,
) -> IngestReport:
    """Ingest in a new library object, as another process would."""
    with Library.open(folder, overrides=dotted(overrides)) as library:
        library._parts.backends().chat_model = Once(lambda: model)
        return library.ingest(rebuild=rebuild, progress=progress)


def captions(folder: Path) -> dict[str, str]:
    """Return the machine captions of the index by path, after checking that they are on cards."""
    with Library.open(folder) as library:
        found: dict[str, str] = {}
        for item, _ in library.index.catalog.all_items(Modality.IMAGE):
            machine = dict(item.fields).get(MACHINE_CAPTION, "")
            assert (machine in item.text.split("\n")) == bool(machine)
            if machine:
                found[item.source.path] = machine
        return found


def all_words(folder: Path) -> str:
    """Return everything that the index holds in words."""
    with Library.open(folder) as library:
        catalog = library.index.catalog
        items = [item for modality in Modality for item, _ in catalog.all_items(modality)]
        tables = ("image_words_content", "text_words_content", "item_fields", "statements")
        rows = [row for table in tables for row in catalog._rows(f"SELECT * FROM {table}")]
        return "\n".join([*(f"{item.text} {item.fields}" for item in items), *map(str, rows)])
