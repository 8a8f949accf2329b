"""Whether the files of a Chroma folder belong together: the database, and each saved HNSW graph.

Chroma's native code trusts a graph, and a damaged one ends the process. Reads; changes nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from florilegium.stores.exact import COPY_NAME

DATABASE: Final = "chroma.sqlite3"
SAVED: Final = "index_metadata.pickle"
"""Written last; a graph without it was never saved, and Chroma reads none of its files."""

_HEADER: Final = struct.Struct("<i6qiI3qdq")
_BLOCK: Final = 32_768  # elements whose links are looked at together
_MOST: Final = 1 << 40  # elements of any graph, ever
_FIRST: Final = 100  # elements that the files of a new graph have room for
_SIZE: Final = "has a wrong size"
_ENDS: Final = 64  # elements at either end that a quick look reads


class GraphError(Exception):
    """A graph is damaged. Stays among the stores, which turn it into an error of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    most: int  # elements there is room for
    count: int
    element_bytes: int
    label_at: int
    vector_at: int
    top_level: int
    entry: int
    links: int  # of an element, at most, above the ground level
    ground_links: int


def check_database(folder: Path) -> None:
    """See that a folder that was used has its database, so that it is not taken for a new one.

    Raises:
        GraphError: It has none any more.
    """
    database = folder / DATABASE
    is_used = (folder / COPY_NAME).exists() or any(folder.glob("*/header.bin"))
    if is_used and not (database.exists() and database.stat().st_size):
        raise GraphError(f"{DATABASE} is gone")


def are_sound(folder: Path) -> bool:
    """Return whether the saved graphs in the subfolders look usable, at a quick look."""
    try:
        check_graphs(folder, thorough=False)
    except (GraphError, OSError):
        return False
    return True


def check_graphs(folder: Path, *, thorough: bool) -> None:
    """Look at every saved graph in the subfolders of `folder`.

    Args:
        folder: Where Chroma keeps its files; one that it never used is well.
        thorough: Read the links of all elements, not only of the first and the last.

    Raises:
        GraphError: A graph is damaged, so that a search may crash or miss records.
        OSError: A file cannot be read.
    """
    for saved in sorted(folder.glob(f"*/{SAVED}")):
        try:
            _check_graph(saved.parent, thorough=thorough)
        except FileNotFoundError as error:
            name = Path(str(error.filename)).name
            raise GraphError(f"{saved.parent.name}/{name} is gone") from error


def _check_graph(folder: Path, *, thorough: bool) -> None:
    header = _read_header(folder / "header.bin")
    elements = folder / "data_level0.bin"
    # The file begins with room for a hundred elements, and stays so until there are as many.
    room, rest = divmod(elements.stat().st_size, header.element_bytes)
    _expect(elements, header.count <= room <= max(header.count, _FIRST) and not rest, _SIZE)
    if not header.count:
        return
    _expect(folder / SAVED, (folder / SAVED).stat().st_size > 0, "is empty")
    _check_ground(elements, header, thorough=thorough)
    if thorough:
        _check_upper(folder / "link_lists.bin", header)
    else:
        _expect_upper_size(folder / "link_lists.bin", header)


def _read_header(file: Path) -> _Header:
    data = file.read_bytes()
    _expect(file, len(data) == _HEADER.size, "has a wrong size")
    version, start, most, count, size, label_at, vector_at, top, entry, upper, ground, *rest = (
        _HEADER.unpack(data)
    )
    links, mult, effort = rest
    header = _Header(
        most=most,
        count=count,
        element_bytes=size,
        label_at=label_at,
        vector_at=vector_at,
        top_level=top,
        entry=entry,
        links=upper,
        ground_links=ground,
    )
    makes_sense = (
        (version, start) == (1, 0)
        and 0 <= count <= most <= _MOST
        and 0 < links == upper <= 1 << 12
        and ground == 2 * upper
        and vector_at == 4 * ground + 4
        and vector_at < label_at
        and size == label_at + 8
        and 0 < mult < 100
        and 0 < effort < 1 << 20
        and (count == 0 or (0 <= top < 64 and entry < count))
    )
    _expect(file, makes_sense, "makes no sense")
    return header


def _check_ground(file: Path, header: _Header, *, thorough: bool) -> None:
    elements = np.memmap(file, dtype=np.uint8, mode="r", shape=(header.count, header.element_bytes))
    parts = [slice(0, _ENDS), slice(-_ENDS, None), slice(header.entry, header.entry + 1)]
    if thorough:
        parts = [slice(start, start + _BLOCK) for start in range(0, header.count, _BLOCK)]
    for part in parts:
        rows = np.ascontiguousarray(elements[part])
        counts = rows[:, :4].copy().view("<u4")[:, 0] & 0xFFFF  # two flags stand above
        _expect(file, bool((counts <= header.ground_links).all()), "has impossible links")
        links = rows[:, 4 : header.vector_at].copy().view("<u4")
        used = np.arange(header.ground_links) < counts[:, None]
        _expect(file, bool((links[used] < header.count).all()), "has links to nowhere")
        vectors = rows[:, header.vector_at : header.label_at].copy().view("<f4")
        _expect(file, _are_unit(vectors), "has impossible vectors")
        labels = rows[:, header.label_at :].copy().view("<u8")[:, 0]
        are_labels = len(np.unique(labels)) == len(labels) and bool((labels < _MOST).all())
        _expect(file, are_labels, "has impossible labels")


def _are_unit(vectors: npt.NDArray[np.float32]) -> bool:
    # The graph holds them at unit length, for the cosine.
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return bool((np.abs(lengths - 1.0) < 1e-3).all())


def _expect_upper_size(file: Path, header: _Header) -> None:
    _expect(file, file.stat().st_size >= 4 * header.count, "has a wrong size")


def _check_upper(file: Path, header: _Header) -> None:
    data, at, top = file.read_bytes(), 0, 0
    level_bytes = 4 * header.links + 4
    for _ in range(header.count):
        _expect(file, at + 4 <= len(data), "ends too early")
        size = int.from_bytes(data[at : at + 4], "little")
        at += 4
        levels, rest = divmod(size, level_bytes)
        _expect(file, not rest and levels < 64 and at + size <= len(data), "makes no sense")
        for level in range(levels):
            here = at + level * level_bytes
            count = int.from_bytes(data[here : here + 2], "little")
            _expect(file, count <= header.links, "has impossible links")
            links = np.frombuffer(data, "<u4", count, here + 4)
            _expect(file, bool((links < header.count).all()), "has links to nowhere")
        top = max(top, levels)
        at += size
    _expect(file, at == len(data) and top == max(0, header.top_level), "has a wrong size")


def _expect(file: Path, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise GraphError(f"{file.parent.name}/{file.name} {otherwise}")
