"""One run of ingest on the opened parts of a library: from opening the index to putting it in use.

The caller holds the writers' lock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from florilegium.config import Config
from florilegium.courtesy import courteous
from florilegium.errors import FlorilegiumError
from florilegium.guard import Guard
from florilegium.ingest import ingest
from florilegium.parts import Parts
from florilegium.report import IngestReport, Progress
from florilegium.tracing import span, traced


@traced("ingest")
def run_ingest(
    root: Path,
    *,
    parts: Parts,
    config: Config,
    folder: Path,
    rebuild: bool,
    guard: Guard,
    progress: Callable[[Progress], None] | None,
) -> IngestReport:
    """Make the index agree with the folder `root` and return what was done.

    Args:
        root: The library folder.
        parts: Its opened parts.
        config: All settings.
        folder: Where its index is.
        rebuild: Build a new index beside the one in use.
        guard: What may be removed.
        progress: Called before each file.

    Raises:
        FlorilegiumError: As `Library.ingest` says; what was written before counts.
    """
    with parts.writing(rebuild=rebuild) as opened:
        backends = opened.backends
        try:
            with closing(backends.file_jobs()) as jobs:
                report = ingest(
                    root,
                    index=opened.index,
                    loaders=backends.loaders(),
                    config=config,
                    open_chat_model=backends.chat_model,
                    guard=guard,
                    progress=courteous(progress, folder=folder),
                    jobs=jobs,
                )
            if not report.interrupted:
                with span("learn"):
                    parts.finish(opened)
        except FlorilegiumError:
            # What it wrote before it failed counts, and is looked at anew by the next search.
            opened.note_change()
            raise
        opened.note_change()
        return report
