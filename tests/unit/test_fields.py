"""Many names and forms become one; what is no fact about a picture is left out."""

from __future__ import annotations

import pytest

from florilegium.fields import MOST_FIELDS, fold, iso_date, plain, standard_name, to_fields


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("Description", "caption"), ("alt text", "caption"), ("zh", "caption"),
        ("caption_zh", "caption"), ("title_en-US", "title"), ("Tags", "keywords"),
        ("species", "label"), ("Photographer", "creator"), ("location", "place"),
        ("date taken", "date"), ("Shelf Mark", "shelf mark"), ("id", "id"),
        ("caption_id", "caption_id"), ("no", "no"), ("标题", "title"), ("说明", "caption"),
        ("标签", "keywords"), ("类别", "label"), ("拍摄日期", "date"), ("攝影", "creator"),
        ("地点", "place"), ("编号", "编号"),
    ],
)  # fmt: skip
def test_names_that_mean_the_same_are_one(key: str, name: str) -> None:
    assert standard_name(key) == name


def test_fields_are_sorted_pairs_without_repetition() -> None:
    said = {
        "title": "Rose",
        "caption": ["b", "a", "b"],
        "en": "a",
        "rating": 5,
        "ok": True,
        "x": None,
    }

    assert to_fields(said.items()) == (
        ("caption", "a"), ("caption", "b"), ("ok", "true"), ("rating", "5"), ("title", "Rose"),
    )  # fmt: skip


def test_keywords_are_taken_apart_and_labels_are_not() -> None:
    found = to_fields([("tags", "red; old rose，月季"), ("label", "Rose, dog")])

    assert found == (
        ("keywords", "old rose"), ("keywords", "red"), ("keywords", "月季"), ("label", "Rose, dog"),
    )  # fmt: skip


def test_what_is_nested_is_called_by_both_names() -> None:
    said = {"geo": {"lat": 1.5}, "caption": {"en": "a", "zh": "玫瑰"}, "people": [{"name": "Ana"}]}

    assert to_fields(said.items()) == (
        ("caption", "a"), ("caption", "玫瑰"), ("geo.lat", "1.5"), ("people", "Ana"),
    )  # fmt: skip


def test_coordinates_and_long_values_are_left_out_but_no_caption() -> None:
    long = "x" * 1001
    said = {"embedding": [0.5] * 17, "points": [[1, 2], [3, 4]], "data": long, "caption": long}

    assert to_fields(said.items()) == (("caption", long),)


def test_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match=str(MOST_FIELDS)):
        to_fields((str(number), "x") for number in range(MOST_FIELDS + 1))


def test_one_thing_said_in_very_many_places_is_refused() -> None:
    bomb: object = "x"
    for _ in range(3):
        bomb = {"a": [bomb] * 50}
    with pytest.raises(ValueError, match="nested"):
        to_fields([("a", bomb)])


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2024:06:01 12:30:00", "2024-06-01T12:30:00"), ("2024-06-01", "2024-06-01"),
        ("20240601", "2024-06-01"), ("2024/6/1", "2024-06-01"), ("2024", "2024"),
        ("2024-06", "2024-06"), ("2024-06-01T12:00:00Z", "2024-06-01T12:00:00+00:00"),
        ("0000:00:00 00:00:00", None), ("2024-13", None), ("in June", None), ("", None),
        ("2024年6月1日", "2024-06-01"), ("2024 年 6 月", "2024-06"), ("2024年", "2024"),
        ("2024年13月", None), ("2024年2月30日", None), ("六月", None),
    ],
)  # fmt: skip
def test_dates_are_read_as_cameras_and_people_write_them(written: str, iso: str | None) -> None:
    assert iso_date(written) == iso


def test_what_is_no_date_is_kept_under_another_name() -> None:
    assert to_fields([("date", "spring 1999")]) == (("date as written", "spring 1999"),)


def test_values_compare_without_case_and_spaces() -> None:
    assert fold("  Été\n ROSE ") == fold("e\u0301té rose") == "été rose"


def test_control_characters_and_half_pairs_do_not_come_through() -> None:
    assert plain("a\0b\ud83c\n c") == "a b\ufffd c"


def test_no_file_gives_a_machine_caption() -> None:
    said = to_fields([("Machine_Caption", "A rose"), ("machine caption", "A bee")])

    assert said == (("machine caption", "A bee"), ("machine_caption as written", "A rose"))
