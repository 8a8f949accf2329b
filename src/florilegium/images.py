"""From bytes to a picture as people see it: upright, RGB, eight bits, on white.

Pure: knows Pillow, but no folder and no model. Changes none of Pillow's global switches.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from florilegium.deep_greys import eight_bits
from florilegium.errors import (
    FileTooLargeError,
    InvalidQueryError,
    SourceError,
    UnreadableFileError,
)
from florilegium.ids import hash_bytes

# Of a PNG: what its size and its orientation may be written in, and how it ends.
_TELLING_CHUNKS = frozenset({b"IHDR", b"eXIf", b"iTXt", b"tEXt", b"zTXt"})
_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"\0\0\0\0IEND\xaeB`\x82"

# The decoders are called directly and not through Image.open, which would also try formats that
# nobody asked for, and warns of large pictures by a global limit that is not ours. JPEG is not
# opened as MPO: the first picture of such a file is the one that people see.
_DECODERS: Final[tuple[tuple[bytes, type[ImageFile.ImageFile]], ...]] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (_PNG_MAGIC, PngImagePlugin.PngImageFile),
    (b"GIF87a", GifImagePlugin.GifImageFile),
    (b"GIF89a", GifImagePlugin.GifImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
)
DECODING_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
)
_Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom
_PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)
_ORIENTATION_TAG = 0x0112
_WIDTH_TAG, _LENGTH_TAG = 256, 257
_TILE_WIDTH_TAG, _TILE_LENGTH_TAG = 322, 323
_TURNS: Final[dict[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_SIDEWAYS = 5
_PROFILE_SPACES = {"RGB": "RGB", "CMYK": "CMYK", "L": "GRAY"}
_KINDS = "JPEG, PNG, WebP, GIF, BMP or TIFF"
_UNKNOWN: Final = ("unknown pixel mode", "not available", "not supported")  # as Pillow says it
_WANTED = f"Give the path of a {_KINDS} file, its bytes, or a Pillow image."

_MOST_TAG_BYTES: Final = 64_000_000
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# Python keeps its warning filters per process, so only one thread at a time may swap them.
_quiet = threading.Lock()


def open_image(
    data: bytes, *, max_pixels: int, name: str, least_side: int | None = None
) -> Image.Image:
    """Return the picture in `data` in RGB, as people see it.

    It is turned by its EXIF orientation, colours come through its ICC profile where that works,
    transparent parts show white, deep greys are scaled, and of an animation or a multi-page file
    only the first frame is taken.

    Args:
        data: The bytes of a file, whatever its suffix said.
        max_pixels: A picture whose header announces more is refused before it is decoded.
        name: What to call the picture in errors.
        least_side: If given, a JPEG may be decoded to a half, a quarter or an eighth of its size,
            but no side to fewer pixels than this, or than it has.
            Resized to half of `least_side`, a photo then differs from one that was decoded whole
            by less than 0.5 of 255 on average and by at most 8 in any value.

    Raises:
        FileTooLargeError: The picture has more than `max_pixels` pixels.
        UnreadableFileError: The bytes are no picture of a known kind, or are cut off.
    """
    try:
        image = _open_header(data, max_pixels=max_pixels, name=name)
        box = _shrink(image, least_side) if least_side else None
        _load(image)
        return _upright(_filling(_rgb(image), box), _orientation(image))
    except (*DECODING_ERRORS, MemoryError, Image.DecompressionBombError) as error:
        raise _explain(error, name) from error


def read_size(data: bytes, *, max_pixels: int, name: str) -> tuple[int, int]:
    """Return the (width, height) of what `open_image` gives for whole files. Decodes nothing.

    Raises:
        FileTooLargeError: The picture has more than `max_pixels` pixels.
        UnreadableFileError: The bytes are no picture of a known kind, or its header is damaged.
    """
    try:
        image = _open_header(data, max_pixels=max_pixels, name=name)
        width, height = image.size
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            # Pillow gives the size after some turns already, but not after all.
            width, height = image.tag_v2[_WIDTH_TAG], image.tag_v2[_LENGTH_TAG]
        sideways = _orientation_before_loading(image, data) >= _FIRST_SIDEWAYS
    except (*DECODING_ERRORS, MemoryError, Image.DecompressionBombError) as error:
        raise _explain(error, name) from error
    return (height, width) if sideways else (width, height)


def open_tags(data: bytes, *, max_pixels: int, name: str) -> ImageFile.ImageFile:
    """Return a picture for what its header and tags say, unread; raises what `read_size` does."""
    try:
        image = _open_header(data, max_pixels=max_pixels, name=name)
        if isinstance(image, PngImagePlugin.PngImageFile):
            # Tags may stand behind the pixels.
            image = PngImagePlugin.PngImageFile(io.BytesIO(_telling_chunks(data)))
    except (*DECODING_ERRORS, MemoryError, Image.DecompressionBombError) as error:
        raise _explain(error, name) from error
    return image


@contextmanager
def quiet() -> Iterator[None]:
    """Let Pillow warn of nothing: a damaged tag that hinders no decoding is nobody's business."""
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def image_from(
    value: str | Path | bytes | bytearray | Image.Image,
    *,
    max_pixels: int,
    least_side: int | None = None,
    name: str = "the query picture",
) -> tuple[Image.Image, str | None]:
    """Return the picture of a query as people see it, and the content hash of its bytes.

    Args:
        value: A path, where `~` is the home folder, the bytes of a file, or a Pillow image; the
            latter has no content hash.
        max_pixels: As for `open_image`.
        least_side: As for `open_image`; a Pillow image is left as it is.
        name: What bytes are called in messages.

    Raises:
        InvalidQueryError: There is no such file, it is not a picture that can be read, or the
            value is nothing of this kind.
    """
    if isinstance(value, Image.Image):
        return _from_pillow(value, max_pixels=max_pixels), None
    if isinstance(value, bytes | bytearray):
        data = bytes(value)
    elif isinstance(value, str | Path):
        # The largest picture has 16 bytes in each pixel, beside what it says of itself.
        most = 16 * max_pixels + _MOST_TAG_BYTES
        name, data = str(value), _read(Path(value), max_bytes=most)
    else:
        raise InvalidQueryError(
            f"The query picture is of the type {type(value).__name__!r}.", hint=_WANTED
        )
    try:
        image = open_image(data, max_pixels=max_pixels, name=name, least_side=least_side)
    except SourceError as error:
        raise InvalidQueryError(error.message, hint=error.hint) from error
    return image, hash_bytes(data)


def thumbnail(image: Image.Image, side: int) -> Image.Image:
    """Return a copy that fits into a square of `side` pixels; a small picture is not enlarged."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _open_header(data: bytes, *, max_pixels: int, name: str) -> ImageFile.ImageFile:
    decoder = next((kind for magic, kind in _DECODERS if data.startswith(magic)), None)
    if decoder is None or (data[:4] == b"RIFF" and data[8:12] != b"WEBP"):
        raise UnreadableFileError(
            f"{name!r} is {'not a picture of a known kind' if data else 'empty'}.",
            hint=f"Give a {_KINDS} file.",
        )
    with quiet():
        image = decoder(io.BytesIO(data))
    sizes = [image.size]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # A small picture may be stored in one enormous tile.
        tags = image.tag_v2
        sizes.append((int(tags.get(_TILE_WIDTH_TAG, 0)), int(tags.get(_TILE_LENGTH_TAG, 0))))
    for width, height in sizes:
        if width * height > max_pixels:
            raise _too_large(name, width, height, max_pixels)
    return image


def _shrink(image: ImageFile.ImageFile, least_side: int) -> _Box | None:
    """Let a JPEG be decoded smaller, and return the part of its pixels that the picture fills."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    # Without a mode: the decoder would make grey of colours if it were given that one.
    drafted = image.draft(None, (least_side, least_side))
    return drafted[1] if drafted else None


def _filling(image: Image.Image, box: _Box | None) -> Image.Image:
    # A side that cannot be divided ends within a pixel, whose rest is made up. Left there, it would
    # shift what is resized later, and change it up to ten times as much as the shrinking does.
    if box is None or box[2:] == image.size:
        return image
    return image.resize(image.size, Image.Resampling.LANCZOS, box=box)


def _load(image: ImageFile.ImageFile) -> None:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        image.load()
        return
    # A TIFF decoder reads its tags again at the end, and warns of damaged ones again.
    with quiet():
        image.load()


def _too_large(name: str, width: int, height: int, max_pixels: int) -> FileTooLargeError:
    return FileTooLargeError(
        f"{name!r} has {width} × {height} pixels, more than the limit of {max_pixels}.",
        hint="Make the picture smaller, or raise ingest.max_image_megapixels.",
    )


def _explain(error: BaseException, name: str) -> SourceError:
    if isinstance(error, (MemoryError, Image.DecompressionBombError)):
        return FileTooLargeError(
            f"{name!r} takes more memory than there is to decode it.",
            hint="Make the picture smaller.",
        )
    if any(words in str(error) for words in _UNKNOWN):
        return UnreadableFileError(
            f"{name!r} is a picture of a kind that is not read here, or damaged: {error}.",
            hint="Save it as a JPEG or PNG file.",
        )
    return UnreadableFileError(
        f"{name!r} is damaged or cut off: {error}.",
        hint=f"Replace it by a whole {_KINDS} file.",
    )


def _read(file: Path, *, max_bytes: int) -> bytes:
    try:
        # A pipe would keep us waiting, and a device may have no end.
        with os.fdopen(os.open(file.expanduser(), _FLAGS), "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            data = stream.read(max_bytes + 1) if found.st_size <= max_bytes else b""
    # RuntimeError: a home folder of nobody, such as "~rose"
    except (FileNotFoundError, NotADirectoryError, RuntimeError) as error:
        raise InvalidQueryError(f"There is no file {str(file)!r}.", hint=_WANTED) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidQueryError(
            f"The query picture {str(file)!r} cannot be read: {reason}.", hint=_WANTED
        ) from error
    if max(found.st_size, len(data)) > max_bytes:
        raise InvalidQueryError(
            f"The query picture {str(file)!r} has {found.st_size} bytes, "
            f"more than the limit of {max_bytes}.",
            hint="Make the picture smaller, or raise ingest.max_image_megapixels.",
        )
    return data


def _from_pillow(value: Image.Image, *, max_pixels: int) -> Image.Image:
    name = "the query picture"
    width, height = value.size
    if width * height == 0:
        raise InvalidQueryError(
            f"The query picture has no pixels: it is {width} × {height}.",
            hint="Give a picture that shows something.",
        )
    if width * height > max_pixels:
        error = _too_large(name, width, height, max_pixels)
        raise InvalidQueryError(error.message, hint=error.hint)
    try:
        value.load()
        return _upright(_rgb(value), _orientation(value))
    except (*DECODING_ERRORS, MemoryError) as error:
        explained = _explain(error, name)
        raise InvalidQueryError(explained.message, hint=explained.hint) from error


def _orientation_before_loading(image: ImageFile.ImageFile, data: bytes) -> int:
    if not isinstance(image, PngImagePlugin.PngImageFile):
        return _orientation(image)
    # Tags may stand behind the pixels.
    try:
        return _orientation(PngImagePlugin.PngImageFile(io.BytesIO(_telling_chunks(data))))
    except DECODING_ERRORS:
        return 1


def _telling_chunks(data: bytes) -> bytes:
    """Return a PNG without pixels."""
    chunks = [_PNG_MAGIC]
    start = len(_PNG_MAGIC)
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4])
        if data[start + 4 : start + 8] in _TELLING_CHUNKS:
            chunks.append(data[start:end])
        start = end
    return b"".join([*chunks, _PNG_END])


def _orientation(image: Image.Image) -> int:
    try:
        with quiet():
            # Not image.getexif(), which decodes a PNG whose tags may stand behind its pixels.
            value = Image.Image.getexif(image).get(_ORIENTATION_TAG, 1)
    except DECODING_ERRORS:
        # A camera's broken EXIF block must not cost the picture; it is taken as upright.
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _rgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = eight_bits(image)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return turned if turned is not None else image.convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(_srgb(rgba.convert("RGB"), profile), mask=rgba.getchannel("A"))
        return white
    return _srgb(image if image.mode in _PROFILE_SPACES else image.convert("RGB"), profile)


def _srgb(image: Image.Image, profile_bytes: object) -> Image.Image:
    if isinstance(profile_bytes, bytes) and profile_bytes:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_bytes))
            space = str(profile.profile.xcolor_space).strip()
            described = str(profile.profile.profile_description or "")
            if space == _PROFILE_SPACES[image.mode] and "sRGB" not in described:
                srgb = ImageCms.createProfile("sRGB")
                turned = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
                return turned if turned is not None else image.convert("RGB")
        except _PROFILE_ERRORS:
            # A broken profile changes shades a little; losing the picture would be worse.
            return image.convert("RGB")
    return image.convert("RGB")
