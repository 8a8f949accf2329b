"""Rows of the embedding cache as bytes: packed keys and vectors, and checksums over all of a row.

Pure functions. A row whose checksum does not fit is damaged and must not be used.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, Final

import numpy as np

from florilegium.types import Embeddings

_DIGEST = re.compile(r"([0-9a-f]{32})(.*)", re.DOTALL)
_NO_DIGEST: Final = bytes(16)
_OTHER: Final = _NO_DIGEST + b":"  # stands before a key that does not begin with a hash
_FLOAT = 4  # bytes


def pack_key(key: str) -> bytes:
    """Return a key as stored: 16 bytes for the 32 hex digits of a hash, then what follows."""
    match = _DIGEST.fullmatch(key)
    digest = bytes.fromhex(match[1]) if match else _NO_DIGEST
    if match is None or (digest == _NO_DIGEST and match[2]):
        return _OTHER + key.encode("utf-8", "surrogatepass")
    return digest + match[2].encode("utf-8", "surrogatepass")


def unpack_key(packed: bytes) -> str:
    """Return the key that was packed; bytes that no key gives are replaced, not refused."""
    if packed.startswith(_OTHER):
        return _said(packed[len(_OTHER) :])
    end = len(_NO_DIGEST)
    return packed[:end].hex() + _said(packed[end:])


def pack_vector(vector: Embeddings) -> bytes:
    """Return a vector, shape (dim,), as float32 without the zeros at its end."""
    return vector.astype("<f4").tobytes().rstrip(b"\0")


def unpack_vector(packed: bytes, *, dim: int) -> Embeddings:
    """Return the vector, shape (dim,), that was packed."""
    return np.frombuffer(packed.ljust(_FLOAT * dim, b"\0"), dtype="<f4")


def checksum(*parts: Any) -> int:
    """Return the CRC-32 of the values of a row and of what their number stands for, in order."""
    total = 0
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        total = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), total))
    return total


def _said(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
