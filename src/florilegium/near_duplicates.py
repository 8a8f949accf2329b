"""Tell whether two pictures are the same one, saved again: resized, compressed, cut a little.

Structure by a perceptual hash (the library ImageHash: signs of the lowest frequencies), colour by
sixteen means. Thresholds: benchmarks/results/near_duplicates.json. Pure functions of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

ALGORITHM = "phash256+rgb4x4/1"
"""Names what `perceptual_hash` computes; hashes of different names must not be compared."""

MOST_BITS = 56
"""Of the 256 bits of structure, so many may differ. Unrelated pictures differ in about 128."""

MOST_SHADES = 28
"""No mean colour may differ by more, of 255: darkening everything by a tenth takes up to 26."""

_SIDE = 16  # bits of structure, each way
_MEANS = 4  # mean colours, each way
_STRUCTURE_BYTES = _SIDE * _SIDE // 8
_HASH_BYTES = _STRUCTURE_BYTES + 3 * _MEANS * _MEANS
_REDUCED = 256  # pixels of the shorter side that the hash is computed from, or more
_LEAST_CONTRAST = 4.0  # standard deviation in shades of 255; what JPEG adds is about one


def perceptual_hash(image: Image.Image) -> bytes | None:
    """Return the hash of an RGB picture, 80 bytes, or None if it shows too little to tell it by.

    The structure is that of `imagehash.phash` at 256 bits. It does not see colours, and pictures
    of one colour have none, so a plain picture is never taken for another.
    """
    import imagehash

    # A picture of a camera is averaged first: filtering all of it would take longer.
    factor = min(image.size) // _REDUCED
    small = image.reduce(factor) if factor > 1 else image
    grey = small.convert("L").resize((4 * _SIDE, 4 * _SIDE), Image.Resampling.LANCZOS)
    if np.asarray(grey, dtype=np.float32).std() < _LEAST_CONTRAST:
        return None
    structure = np.packbits(imagehash.phash(grey, hash_size=_SIDE).hash.ravel())
    means = small.resize((_MEANS, _MEANS), Image.Resampling.BOX)
    return structure.tobytes() + means.tobytes()


def difference(a: bytes, b: bytes) -> tuple[int, int]:
    """Return how many of 256 bits differ, and the largest difference of a mean colour of 255."""
    rows = _rows([a, b])
    bits = int(np.bitwise_count(rows[0, :_STRUCTURE_BYTES] ^ rows[1, :_STRUCTURE_BYTES]).sum())
    means = rows[:, _STRUCTURE_BYTES:].astype(np.int16)
    return bits, int(np.abs(means[0] - means[1]).max())


def are_near_duplicates(a: bytes, b: bytes) -> bool:
    """Return whether two hashes are of one picture, as far as they tell."""
    bits, shades = difference(a, b)
    return bits <= MOST_BITS and shades <= MOST_SHADES


def group(hashes: Mapping[str, bytes], order: Sequence[str]) -> dict[str, str]:
    """Return which ids are near-duplicates of an earlier one: from the later to the earlier id.

    An id stands for those after it only if it is none itself. Ids without a hash stay alone.

    Args:
        hashes: By id.
        order: Ids, best first.
    """
    ids = [id_ for id_ in dict.fromkeys(order) if id_ in hashes]
    if len(ids) < 2:
        return {}
    rows = _rows([hashes[id_] for id_ in ids])
    words = np.ascontiguousarray(rows[:, :_STRUCTURE_BYTES]).view(np.uint64)  # (n, 4)
    bits = np.bitwise_count(words[:, np.newaxis] ^ words).sum(axis=2, dtype=np.uint16)  # (n, n)
    earlier, later = np.nonzero(np.triu(bits <= MOST_BITS, k=1))
    means = rows[:, _STRUCTURE_BYTES:].astype(np.int16)
    same = np.abs(means[earlier] - means[later]).max(axis=1, initial=0) <= MOST_SHADES
    found: dict[str, str] = {}
    # By rank of the earlier one, so whether it stands for others is known by then.
    for first, second in zip(earlier[same].tolist(), later[same].tolist(), strict=True):
        if ids[first] not in found:
            found.setdefault(ids[second], ids[first])
    return found


def _rows(hashes: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    if any(len(one) != _HASH_BYTES for one in hashes):
        lengths = sorted({len(one) for one in hashes})
        raise ValueError(f"hashes have {_HASH_BYTES} bytes each, but these have {lengths}")
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), _HASH_BYTES)
