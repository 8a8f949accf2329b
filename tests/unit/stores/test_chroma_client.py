"""Each client of Chroma has a memory of its own, however often a folder is opened."""

from __future__ import annotations

import os
from pathlib import Path

from florilegium.stores.chroma_client import _spelling, open_client


def test_two_clients_of_one_folder_share_nothing_but_its_files(tmp_path: Path) -> None:
    one, two = open_client(str(tmp_path)), open_client(str(tmp_path))
    try:
        one.create_collection("flowers", embedding_function=None)

        assert one._system is not two._system
        assert [each.name for each in two.list_collections()] == ["flowers"]
    finally:
        one.close()
        two.close()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["chroma.sqlite3"]


def test_the_ends_of_a_path_are_all_different_short_and_mean_that_path() -> None:
    ends = [_spelling(number) for number in range(1, 3000)]

    assert len(set(ends)) == len(ends)
    assert max(map(len, ends)) <= 24
    assert {os.path.normpath(f"/a/b{end}") for end in ends} == {"/a/b"}
