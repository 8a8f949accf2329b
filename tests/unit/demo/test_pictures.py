from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from florilegium.demo.pictures import (
    ARTICLES,
    CROPS,
    PICTURES,
    DemoPicture,
    check_folder,
    crop_middle,
    fill_folder,
    find_picture,
    make_query_pictures,
)
from florilegium.errors import ConfigError, MissingExtraError


def test_the_sixteen_pictures_have_different_names() -> None:
    assert len({picture.name for picture in PICTURES}) == 16


def test_each_picture_has_an_article_of_its_name() -> None:
    articles = {file.stem for file in ARTICLES.iterdir()}

    assert {Path(picture.name).stem for picture in PICTURES} <= articles


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_each_picture_is_found_and_can_be_read(picture: DemoPicture) -> None:
    with Image.open(find_picture(picture)) as image:
        assert min(image.size) >= 200


@pytest.mark.parametrize(
    "picture",
    [
        DemoPicture(name="a.png", package="a_package_that_is_not_there", path="a.png"),
        DemoPicture(name="a.png", package="json", path="a.png"),
    ],
)
def test_a_picture_that_is_not_there_says_what_to_install(picture: DemoPicture) -> None:
    with pytest.raises(MissingExtraError, match=picture.package) as caught:
        find_picture(picture)

    assert caught.value.hint is not None
    assert "florilegium[demo]" in caught.value.hint


def test_a_folder_is_filled_with_pictures_and_articles(tmp_path: Path) -> None:
    copied = fill_folder(tmp_path)

    names = {file.name for file in tmp_path.iterdir()}
    assert copied == len(names) == 16 + len(list(ARTICLES.iterdir()))
    assert {"cat.png", "cat.md", "flower.jpg", "茶.txt"} <= names


def test_a_second_filling_copies_only_what_is_missing(tmp_path: Path) -> None:
    fill_folder(tmp_path)
    (tmp_path / "cat.png").unlink()

    assert fill_folder(tmp_path) == 1
    assert (tmp_path / "cat.png").is_file()


def test_a_changed_file_is_not_overwritten(tmp_path: Path) -> None:
    fill_folder(tmp_path)
    (tmp_path / "cat.md").write_text("Mine.", encoding="utf-8")

    assert fill_folder(tmp_path) == 0
    assert (tmp_path / "cat.md").read_text(encoding="utf-8") == "Mine."


def test_an_absent_or_empty_folder_can_become_a_demo(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "new") is False
    assert check_folder(tmp_path) is False


def test_a_demo_folder_is_known_by_its_marker(tmp_path: Path) -> None:
    (tmp_path / CROPS).mkdir(parents=True)

    assert check_folder(tmp_path) is True


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("Mine.", encoding="utf-8")

    with pytest.raises(ConfigError, match="not a demo library"):
        check_folder(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("Mine.", encoding="utf-8")

    with pytest.raises(ConfigError, match="not a demo library"):
        check_folder(tmp_path / "file")


def test_a_crop_is_the_middle_and_smaller() -> None:
    image = Image.new("RGB", (100, 50), (255, 0, 0))
    image.paste((0, 0, 255), (10, 5, 90, 45))

    cropped = crop_middle(image)

    assert cropped.size == (56, 28)
    assert cropped.getcolors() == [(56 * 28, (0, 0, 255))]


def test_query_pictures_are_other_files_where_nothing_is_indexed(tmp_path: Path) -> None:
    fill_folder(tmp_path)

    files = make_query_pictures(tmp_path)

    assert set(files) == {"cat.png", "flower.jpg"}
    assert all(file.is_file() and file.parent == tmp_path / CROPS for file in files.values())
    assert files["flower.jpg"].read_bytes() != (tmp_path / "flower.jpg").read_bytes()
