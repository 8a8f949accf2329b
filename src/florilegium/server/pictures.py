"""Pictures in JSON: data addresses and plain base64. Never fetches anything from anywhere."""

from __future__ import annotations

import base64
import binascii
import re

from florilegium.errors import InvalidQueryError

_DATA = re.compile(r"data:(?P<kind>[a-z]+/[a-z0-9.+-]+)?(?P<options>(?:;[^,;]*)*),", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_WANTED = "Send the bytes of the picture as data:image/jpeg;base64,..."


def picture_bytes(text: str) -> bytes:
    """Return the bytes of a picture that a request holds as a data address, or as base64.

    Raises:
        InvalidQueryError: It is another address, which is never fetched, or no base64.
    """
    found = _DATA.match(text[:200])
    if found:
        if "base64" not in found["options"].lower().split(";"):
            raise InvalidQueryError("The picture's data address has no base64.", hint=_WANTED)
        text = text[found.end() :]
    elif _ADDRESS.match(text[:50]):
        raise InvalidQueryError(
            f"The picture is the address {text[:100]!r}; the server fetches nothing.", hint=_WANTED
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidQueryError("The picture is no base64.", hint=_WANTED) from error
