"""Names of libraries in addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import ConfigError
from florilegium.server.served import check_name, identity_of, name_of


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/home/anna/flowers", "flowers"),
        ("/home/anna/My flowers, 2024", "My-flowers-2024"),
        ("/home/anna/花卉库", "花卉库"),
        ("/home/anna/cafe\u0301", "café"),
        ("/home/anna/फूल", "फूल"),
        ("/home/anna/\u0301", "library"),
        ("/home/anna/\udcff", "library"),
        ("/", "library"),
        ("/a/.hidden", "hidden"),
        ("/a/" + "x" * 100, "x" * 64),
    ],
)
def test_a_library_has_the_name_of_its_folder_as_far_as_addresses_allow(
    folder: str, name: str
) -> None:
    assert name_of(Path(folder)) == name
    check_name(name)


def test_libraries_of_one_name_are_told_apart_and_one_is_the_same_by_any_link(
    tmp_path: Path,
) -> None:
    mine, other = tmp_path / "mine" / "flowers", tmp_path / "other" / "flowers"
    for folder in (mine, other):
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(mine)

    assert identity_of(mine) != identity_of(other)
    assert identity_of(tmp_path / "link") == identity_of(mine)
    assert identity_of(Path("/a/\udcff")) != identity_of(Path("/a/b"))  # no text, but a folder


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", "-a", "a b", "e\u0301", "a\u202e", "\u0301a", "x" * 65]
)
def test_a_name_that_cannot_stand_in_addresses_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        check_name(name)
