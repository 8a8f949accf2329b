"""Which folders name what their pictures show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.folder_names import names_of


def test_the_folder_gives_its_pictures_their_name() -> None:
    assert names_of(["roses/1.jpg", "roses/2.jpg", "red_tulips/1.jpg", "red_tulips/2.jpg"]) == [
        "roses", "roses", "red tulips", "red tulips",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "folder",
    ["", "photos", "2019-05", "photos/2019-05", "DCIM/100CANON2019", "misc", "May 2019",
     "New Folder", "IMG_20190501", "unsorted", "WhatsApp Images", "照片", "相册/2019年5月",
     "新建文件夹 (2)", "未分类"],
)  # fmt: skip
def test_folders_that_say_nothing_of_what_they_hold_are_no_names(folder: str) -> None:
    prefix = f"{folder}/" if folder else ""

    assert names_of([f"{prefix}{number}.jpg" for number in range(3)]) == [None] * 3


def test_a_date_below_a_name_is_passed_over() -> None:
    assert names_of(["roses/2019-05/a.jpg", "roses/2020-06/b.jpg"]) == ["roses", "roses"]


def test_a_folder_for_everything_ends_the_search_for_a_name() -> None:
    assert names_of(["roses/misc/a.jpg", "roses/misc/b.jpg"]) == [None, None]


def test_the_nearest_folder_names() -> None:
    assert names_of(["plants/roses/a.jpg", "plants/roses/b.jpg"]) == ["roses", "roses"]


def test_one_picture_does_not_make_a_name() -> None:
    assert names_of(["roses/a.jpg", "tulips/a.jpg", "tulips/b.jpg"]) == [None, "tulips", "tulips"]


def test_names_that_differ_in_case_only_are_one() -> None:
    assert names_of(["Roses/a.jpg", "roses/b.jpg"]) == ["Roses", "Roses"]


def test_names_in_other_scripts_are_names() -> None:
    assert names_of(["玫瑰/a.jpg", "玫瑰/b.jpg"]) == ["玫瑰", "玫瑰"]


def test_the_name_of_the_file_has_no_part_in_it() -> None:
    assert names_of(["red rose.jpg", "white rose.jpg"]) == [None, None]


FOLDERS = st.sampled_from(["roses", "Roses", "tulips", "2019", "misc", "a/b", "roses/2019", ""])


@given(st.lists(FOLDERS, max_size=8))
def test_the_order_of_the_pictures_has_no_part_in_it(folders: list[str]) -> None:
    paths = [f"{folder}/{number}.jpg".lstrip("/") for number, folder in enumerate(folders)]
    named = dict(zip(paths, names_of(paths), strict=True))

    turned = paths[::-1]

    assert dict(zip(turned, names_of(turned), strict=True)) == named
