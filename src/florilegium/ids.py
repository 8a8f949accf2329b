"""Stable ids and content hashes. Pure functions of bytes and names."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BLOCK = 1 << 20


def hash_bytes(data: bytes) -> str:
    """Return the BLAKE2b-128 of `data` as 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def hash_file(file: Path) -> str:
    """Return the BLAKE2b-128 of a file's bytes, read in blocks. Raises OSError."""
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_file(file: Path) -> str:
    """Return the SHA-256 of a file as hex, as model hubs and cards give it. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def item_id(path: str, ordinal: int) -> str:
    """Return the id of the item number `ordinal` of the source at `path`."""
    return hash_bytes(f"{path}\0{ordinal}".encode("utf-8", "surrogatepass"))


def record_id(item: str, part: str, ordinal: int) -> str:
    """Return the id of one embedding of an item; it begins with the item's id."""
    return f"{item}:{part}:{ordinal}"


def item_of(record: str) -> str:
    """Return the id of the item that a record belongs to."""
    return record.rsplit(":", 2)[0]
