"""What a run of ingest has to do: which files of the folder are new or changed, which are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from florilegium.config import Config
from florilegium.guard import find_gone
from florilegium.ids import hash_bytes
from florilegium.index import Index
from florilegium.scan import Scan, Seen
from florilegium.types import Source

# Raised when loaders, names, descriptions or the cutting of texts give other items than before.
_LOADING_VERSION = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which files are to be done. Hashing finds out whether a file with a new time is changed."""

    to_do: tuple[Seen, ...]
    known: Mapping[str, Source]
    unchanged: int
    removed: tuple[str, ...]
    loading: str
    """What loading depends on besides the files."""
    reload: bool
    """Whether files with the same content give other items than before."""

    def hashes(self) -> dict[str, str]:
        """Return the content that each file may still have without being loaded again."""
        return {} if self.reload else {path: one.content_hash for path, one in self.known.items()}


def make_plan(scan: Scan, *, index: Index, config: Config) -> Plan:
    """Compare a folder with its index, by names, sizes and times alone."""
    known = index.catalog.sources()
    loading = hash_bytes(f"{_LOADING_VERSION} {config.ingest.chunk_tokens}".encode())
    reload = index.catalog.fact("loading") != loading
    to_do = tuple(
        seen for seen in scan.files if reload or not _same_stat(known.get(seen.path), seen)
    )
    return Plan(
        to_do=to_do,
        known=known,
        unchanged=len(scan.files) - len(to_do),
        removed=tuple(find_gone(known, scan)),
        loading=loading,
        reload=reload,
    )


def _same_stat(known: Source | None, seen: Seen) -> bool:
    return known is not None and (known.size, known.modified_ns) == (seen.size, seen.modified_ns)
