"""Sidecars and tables: which files they are, whom they describe, and what they say."""

from __future__ import annotations

import json

import pytest

from florilegium.descriptions import (
    is_sidecar,
    is_table,
    read_descriptions,
    sidecar_target,
    target_keys,
)
from florilegium.errors import UnreadableFileError
from florilegium.types import Description
from tests.unit.test_xmp import packet


def read(text: str | bytes, path: str) -> list[tuple[str, dict[str, str]]]:
    """Return the targets with their fields; of several values the last."""
    data = text.encode() if isinstance(text, str) else text
    return [(one.target, dict(one.fields)) for one in read_descriptions(data, path=path)]


@pytest.mark.parametrize("name", ["captions.jsonl", "Metadata.CSV", "captions.tsv"])
def test_tables_are_known_by_their_names(name: str) -> None:
    assert is_table(name)
    assert not is_table(f"my {name}")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("rose.jpg.json", True), ("rose.json", True), ("rose.jpg.xmp", True), ("rose.yml", True),
        ("rose.jpg.supplemental-metadata.json", True), ("rose.jpg.suppl.json", True),
        ("rose.jpg(1).json", False), ("package.json", False), ("rose.jpg.txt", False),
    ],
)  # fmt: skip
def test_a_sidecar_is_called_like_a_file_beside_it(name: str, is_one: bool) -> None:
    assert is_sidecar(name, target_keys("rose.jpg")) is is_one


def test_a_numbered_sidecar_of_takeout_describes_the_numbered_file() -> None:
    assert sidecar_target("a/rose.jpg(1).json") == "a/rose(1).jpg"


def test_a_sidecar_may_be_json_yaml_or_xmp() -> None:
    wanted = ("title", "A rose")

    for text, suffix in (('{"Title": "A rose"}', "json"), ("title: A rose\n", "yaml")):
        assert read_descriptions(text.encode(), path=f"a/rose.jpg.{suffix}") == (
            Description(target="a/rose.jpg", fields=(wanted,)),
        )
    assert wanted in read_descriptions(packet(), path="rose.xmp")[0].fields


@pytest.mark.parametrize("key", ["label", "class", "species"])
def test_a_label_counts_also_where_the_file_is_called_so(key: str) -> None:
    row = json.dumps({"file": "cat.png", key: "cat", "title": "cat", "name": "cat"})

    assert read(row, "captions.jsonl") == [("cat.png", {"label": "cat"})]


def test_takeout_is_read_in_our_words() -> None:
    said = {
        "title": "IMG_1.jpg", "description": "By the gate", "imageViews": "3",
        "photoTakenTime": {"timestamp": "1717243200", "formatted": "1 Jun 2024"},
        "geoData": {"latitude": 0.0}, "people": [{"name": "Ana"}], "url": "x",
    }  # fmt: skip

    assert read(json.dumps(said), "IMG_1.jpg.json") == [
        ("IMG_1.jpg", {"caption": "By the gate", "date": "2024-06-01T12:00:00", "people": "Ana"})
    ]


def test_rows_name_files_relative_to_their_table() -> None:
    table = 'file_name,caption_en,Species,shelf\nx/a.jpg,"red, old",Rosa canina,7\n../b.jpg,,,8\n'

    assert read(table, "roses/metadata.csv") == [
        ("roses/x/a.jpg", {"caption": "red, old", "label": "Rosa canina", "shelf": "7"}),
        ("b.jpg", {"shelf": "8"}),
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("captions.csv", "image;text\na.jpg;A rose\n"),
        ("captions.jsonl", '{"file": "a.jpg", "en": "A rose", "label": [], "title": "a.jpg"}'),
        ("captions.tsv", "name\tcaption\na.jpg\tA rose\n"),
        ("captions.jsonl", '{"path": "a.jpg", "text": ["A rose"]}\n\n'),
        ("captions.csv", "\ufefffile,zh\r\na.jpg,A rose\r\n"),
        ("captions.csv", "file,name,text\na.jpg,a,A rose\n"),
        ("captions.csv", "文件名,说明\na.jpg,A rose\n"),
        ("captions.csv", "檔案,名稱,說明\na.jpg,a,A rose\n"),
    ],
)
def test_tables_come_in_several_forms(path: str, text: str) -> None:
    assert read(text, path) == [("a.jpg", {"caption": "A rose"})]


@pytest.mark.parametrize(
    ("path", "text", "named"),
    [
        ("captions.jsonl", '{"file": "a.jpg"}\n{"file": ', "line 2"),
        ("captions.jsonl", "[1]\n", "line 1"),
        ("captions.jsonl", '{"text": "x"}', "line 1 names no file"),
        ("captions.csv", "caption\nx\n", "line 2 names no file"),
        ("captions.csv", "file,text\na.jpg,x,y\n", "line 2 has more cells"),
        ("captions.csv", 'file,text\na.jpg,"x\n', "line"),
        ("rose.json", "[1]", "mapping"),
        ("rose.json", "{", "column"),
        ("rose.json", "[" * 100_000, "recursion"),
        ("rose.yaml", "a: [", "flow"),
        ("rose.yaml", "[" * 100_000, "recursion"),
        ("rose.yaml", "{a: " * 50_000, "recursion"),
        ("rose.yaml", "a" * 200_001, "200000 characters"),
        ("rose.yaml", "!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("rose.xmp", "<x", "XMP"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(path: str, text: str, named: str) -> None:
    with pytest.raises(UnreadableFileError, match=named) as failed:
        read(text, path)

    assert path in failed.value.message


@pytest.mark.parametrize(
    "text", ["!!bool rose", "!!int ''", "!!float ''", "!!timestamp rose", "59:" * 200 + "59.0"]
)
def test_yaml_values_that_are_none_of_their_kind_fail_as_the_file(text: str) -> None:
    with pytest.raises(UnreadableFileError):
        read_descriptions(f"a: {text}\n".encode(), path="a.png.yaml")


def test_yaml_that_merges_without_end_is_refused() -> None:
    lines = ["a0: &a0 {k: x}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]

    with pytest.raises(UnreadableFileError, match="merge keys"):
        read_descriptions("\n".join(lines).encode(), path="a.png.yaml")
