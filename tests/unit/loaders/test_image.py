from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from florilegium.config_sections import IngestConfig
from florilegium.errors import FileTooLargeError, UnreadableFileError
from florilegium.ids import item_id
from florilegium.loaders.image import ImageLoader, open_loader
from florilegium.testing.loader_contract import a_source
from florilegium.types import Item, Modality


def make_loader(config: IngestConfig | None = None) -> ImageLoader:
    return open_loader("", config=config or IngestConfig(), count_tokens=len)


def picture(kind: str = "JPEG", *, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.new("RGB", (40, 20), (200, 30, 30)).save(stream, kind, exif=exif)
    return stream.getvalue()


def test_a_file_is_one_item_with_the_words_of_its_path(tmp_path: Path) -> None:
    source = a_source(tmp_path, "roses/IMG_0234_red-rose.jpg", picture())

    assert list(make_loader().load(source)) == [
        Item(
            id=item_id("roses/IMG_0234_red-rose.jpg", 0),
            source=source,
            modality=Modality.IMAGE,
            ordinal=0,
            title="red rose",
            text="roses red rose",
            width=40,
            height=20,
        )
    ]


def test_sizes_are_those_of_the_upright_picture(tmp_path: Path) -> None:
    loader = make_loader()
    source = a_source(tmp_path, "a.jpg", picture(orientation=6))

    [item] = loader.load(source)

    assert (item.width, item.height) == (20, 40)
    assert loader.read_image(item).size == (20, 40)


def test_a_file_without_a_whole_header_has_no_item(tmp_path: Path) -> None:
    source = a_source(tmp_path, "a.jpg", picture()[:60])

    with pytest.raises(UnreadableFileError, match=r"'a\.jpg' is damaged or cut off"):
        list(make_loader().load(source))


@pytest.mark.parametrize("least_side", [None, 5])
def test_a_file_that_is_cut_off_has_no_picture(tmp_path: Path, least_side: int | None) -> None:
    source = a_source(tmp_path, "a.jpg", picture()[:-6])
    [item] = make_loader().load(source)

    with pytest.raises(UnreadableFileError, match=r"'a\.jpg' is damaged or cut off"):
        make_loader().read_image(item, least_side=least_side)


def test_a_photo_is_decoded_as_small_as_it_may_be(tmp_path: Path) -> None:
    [item] = make_loader().load(a_source(tmp_path, "a.jpg", picture(orientation=6)))

    assert make_loader().read_image(item, least_side=10).size == (10, 20)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    source = a_source(tmp_path, "a.png", b"")

    with pytest.raises(UnreadableFileError, match=r"'a\.png' is empty"):
        list(make_loader().load(source))


def test_the_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    source = a_source(tmp_path, "a.png", picture("PNG"))

    with pytest.raises(FileTooLargeError) as pixels:
        list(make_loader(IngestConfig(max_image_megapixels=0.0007)).load(source))
    with pytest.raises(FileTooLargeError) as size:
        list(make_loader(IngestConfig(max_file_megabytes=0.00005)).load(source))

    assert "max_image_megapixels" in (pixels.value.hint or "")
    assert "max_file_megabytes" in (size.value.hint or "")


def test_the_bytes_decide_and_not_the_suffix(tmp_path: Path) -> None:
    source = a_source(tmp_path, "a.jpg", picture("PNG"))

    assert [item.width for item in make_loader().load(source)] == [40]
