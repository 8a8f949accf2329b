"""Pictures in results: small ones, large ones, and a budget that they share."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import SourceError, UnsupportedFileError
from florilegium.server.mcp import thumbnails
from florilegium.server.mcp.thumbnails import BUDGET, Thumbnails
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER
from florilegium.types import Modality


@pytest.fixture
def service(tiny_library: Library) -> Iterator[Service]:
    service = Service({"tiny": tiny_library}, config=ServerConfig())
    yield service
    service.close()


def picture_id(library: Library, text: str = "red square") -> str:
    return library.search(text, modality=Modality.IMAGE, top_k=1)[0].item.id


def test_a_small_picture_is_a_jpeg_in_base64(tiny_library: Library, service: Service) -> None:
    found = asyncio.run(Thumbnails(service, LOCAL_USER, "tiny").small(picture_id(tiny_library)))

    assert found is not None
    assert found.mime_type == "image/jpeg"
    assert Image.open(io.BytesIO(base64.b64decode(found.data))).size == (64, 64)


def test_a_picture_that_cannot_be_read_is_a_note(tiny_library: Library, service: Service) -> None:
    id_ = picture_id(tiny_library)
    (tiny_library.root / "red square.png").unlink()
    drawn = Thumbnails(service, LOCAL_USER, "tiny")

    assert asyncio.run(drawn.small(id_)) is None
    assert drawn.notes[0].startswith(f"The picture of {id_} is not shown:")
    with pytest.raises(SourceError):
        asyncio.run(drawn.large(id_))


def test_pictures_over_the_budget_are_named_and_not_shown(
    tiny_library: Library, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = picture_id(tiny_library)
    size = len(asyncio.run(service.picture(LOCAL_USER, "tiny", id_, side=448)))
    monkeypatch.setattr(thumbnails, "BUDGET", size + 1)
    drawn = Thumbnails(service, LOCAL_USER, "tiny")

    shown = [asyncio.run(drawn.small(id_)) for _ in range(2)]

    assert [one is None for one in shown] == [False, True]
    assert drawn.notes == [f"The picture of {id_} has no room here; get_item shows it."]


def test_a_large_picture_is_as_large_as_the_budget_allows(
    tiny_library: Library, service: Service
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2000, 3000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tiny_library.root / "noise.png")
    tiny_library.ingest()
    drawn = Thumbnails(service, LOCAL_USER, "tiny")

    found = asyncio.run(drawn.large(picture_id(tiny_library, "noise")))

    assert found is not None
    data = base64.b64decode(found.data)
    assert len(data) <= BUDGET
    assert max(Image.open(io.BytesIO(data)).size) in {640, 896, 1280}


def test_a_text_is_no_picture(tiny_library: Library, service: Service) -> None:
    [hit] = tiny_library.search("red square", modality="text", top_k=1)

    with pytest.raises(UnsupportedFileError):
        asyncio.run(Thumbnails(service, LOCAL_USER, "tiny").large(hit.item.id))
