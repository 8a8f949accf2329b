"""What a run of ingest did to the files of the folder, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Step: TypeAlias = Literal["reading", "encoding", "writing"]
"""What a run of ingest is doing at a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFile:
    """A file that could not be ingested, with the code of its error and what to do."""

    path: str
    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What one run of ingest did to the files of the folder.

    Every file seen is in exactly one of `added`, `updated`, `unchanged`, `failed` and, after
    Ctrl-C, `remaining`. `removed` are files that were indexed and are gone; `ignored` are files
    that no loader reads, `ignored_examples` the first of them by name. `encoded` counts inputs
    that an encoder really ran on, the rest came from the embedding cache.
    `warnings` are sentences on tables and sidecars that were read, but describe files which are
    not in the index.

    `captioned` pictures got a machine caption in this run, `caption_failures` have none, by the
    path of one file with that picture, and `captions_left` were not reached: after Ctrl-C, or
    because captioning stopped, which `caption_problem` says why.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: tuple[FailedFile, ...] = ()
    remaining: int = 0
    ignored: int = 0
    ignored_examples: tuple[str, ...] = ()
    encoded: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    warnings: tuple[str, ...] = ()
    captioned: int = 0
    caption_failures: tuple[FailedFile, ...] = ()
    captions_left: int = 0
    caption_problem: str | None = None

    @property
    def seen(self) -> int:
        """Return the number of files of supported kinds in the folder."""
        return self.added + self.updated + self.unchanged + len(self.failed) + self.remaining


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run of ingest is: files done of files to do, and the one at hand.

    Files are read ahead, `read` of them by now; one is done when its pictures are encoded too.
    `path` is the file that was read, or put to those that are written next; it is empty where
    several files are encoded or written together. In the stage `captions`, which comes last,
    pictures are counted instead of files, and there are no steps.
    """

    done: int
    total: int
    path: str
    failed: int = 0
    seconds: float = 0.0
    stage: Literal["files", "captions"] = "files"
    step: Step = "reading"
    read: int = 0
