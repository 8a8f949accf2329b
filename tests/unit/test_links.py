"""Which files belong together. Each example is a folder as people keep it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

import pytest

from florilegium.links import find_links
from florilegium.types import Link, Reference


def links(
    images: Sequence[str],
    texts: Sequence[str],
    references: Mapping[str, Sequence[Reference]] | None = None,
) -> set[tuple[str, str, str]]:
    """Return (picture, text, kind) of all links, after checking that each goes both ways."""
    found = find_links(images, texts, references or {})
    there: set[tuple[str, str, str]] = {
        (link.path, link.other, link.kind) for link in found if link.path in images
    }
    back = {(link.other, link.path, link.kind) for link in found if link.path in texts}
    assert there == back
    assert len(found) == 2 * len(there)
    return there


def test_without_files_there_are_no_links() -> None:
    assert find_links([], [], {}) == []


def test_a_picture_and_a_text_of_one_stem_belong_together() -> None:
    assert links(["rose.jpg"], ["rose.txt", "tulip.txt"]) == {("rose.jpg", "rose.txt", "stem")}


def test_the_same_stem_in_another_folder_is_another_thing() -> None:
    assert links(["a/rose.jpg", "a/tulip.jpg"], ["b/rose.txt"]) == set()


@pytest.mark.parametrize(
    ("image", "text"),
    [("Rose.JPG", "rose.TXT"), ("a/ROSE.jpg", "A/rose.txt"), ("STRASSE.png", "straße.md")],
)
def test_case_does_not_matter_for_stems(image: str, text: str) -> None:
    assert (image, text, "stem") in links([image], [text])


def test_only_the_last_ending_is_taken_off() -> None:
    assert links(["rose.v1.jpg", "rose.jpg"], ["rose.v1.txt"]) == {
        ("rose.v1.jpg", "rose.v1.txt", "stem")
    }


def test_all_of_one_stem_belong_together() -> None:
    assert links(["rose.jpg", "rose.png"], ["rose.txt", "rose.md"]) == {
        (image, text, "stem")
        for image in ("rose.jpg", "rose.png")
        for text in ("rose.txt", "rose.md")
    }


# -- folders --


def test_the_only_text_of_a_folder_speaks_for_its_pictures() -> None:
    assert links(["a/1.jpg", "a/2.jpg"], ["a/care.txt"]) == {
        ("a/1.jpg", "a/care.txt", "folder"),
        ("a/2.jpg", "a/care.txt", "folder"),
    }


def test_of_several_texts_in_a_folder_none_speaks_for_it_by_itself() -> None:
    assert links(["a/1.jpg"], ["a/care.txt", "a/soil.txt"]) == set()


@pytest.mark.parametrize("name", ["rose.txt", "Rose.md", "README.md", "index.md", "说明.txt"])
def test_of_several_texts_the_one_with_a_telling_name_speaks(name: str) -> None:
    assert links(["rose/1.jpg"], [f"rose/{name}", "rose/soil.txt"]) == {
        ("rose/1.jpg", f"rose/{name}", "folder")
    }


@pytest.mark.parametrize("text", ["rose.txt", "Rose.txt", "ROSE.md"])
def test_a_text_beside_a_folder_of_its_name_speaks_for_it(text: str) -> None:
    assert links(["rose/1.jpg"], [text, "tulip.txt"]) == {("rose/1.jpg", text, "folder")}


def test_a_text_beside_a_deeper_folder_of_its_name_speaks_for_it() -> None:
    assert links(["a/rose/1.jpg"], ["a/rose.txt", "rose.txt"]) == {
        ("a/rose/1.jpg", "a/rose.txt", "folder")
    }


def test_a_text_speaks_for_its_own_folder_only() -> None:
    assert links(["rose/old/1.jpg"], ["rose/rose.txt", "rose.txt"]) == set()


def test_the_library_folder_is_nobodys_folder() -> None:
    assert links(["1.jpg"], ["care.txt"]) == set()
    assert links(["1.jpg"], ["README.md", "index.md"]) == set()


def test_a_stem_and_a_folder_are_two_links() -> None:
    assert links(["rose/rose.jpg"], ["rose/rose.txt"]) == {
        ("rose/rose.jpg", "rose/rose.txt", "stem"),
        ("rose/rose.jpg", "rose/rose.txt", "folder"),
    }


# -- references --


def test_a_reference_binds_a_text_to_a_picture_with_its_words() -> None:
    references = {"care.md": [Reference(target="img/1.jpg", words="a red rose")]}

    assert find_links(["img/1.jpg"], ["care.md"], references) == [
        Link(path="care.md", other="img/1.jpg", kind="reference", words="a red rose"),
        Link(path="img/1.jpg", other="care.md", kind="reference", words="a red rose"),
    ]


@pytest.mark.parametrize("target", ["gone.jpg", "other.md", "IMG/1.jpg", ""])
def test_a_reference_to_what_is_no_picture_here_is_passed_over(target: str) -> None:
    references = {"care.md": [Reference(target=target)]}

    assert links(["img/1.jpg"], ["care.md", "other.md"], references) == set()


@pytest.mark.parametrize("words", [("", "red", "pink"), ("red", "", "pink"), ("red", "red", "")])
def test_of_several_references_to_one_picture_the_first_words_stay(words: tuple[str, ...]) -> None:
    references = {"care.md": [Reference(target="1.jpg", words=some) for some in words]}

    found = find_links(["1.jpg"], ["care.md"], references)

    assert [(link.path, link.words) for link in found] == [("1.jpg", "red"), ("care.md", "red")]


def test_links_are_sorted_whatever_the_order_of_the_files() -> None:
    images, texts = ["b.jpg", "a.jpg", "c/1.jpg"], ["c.txt", "b.txt", "a.txt"]

    found = find_links(images, texts, {})

    assert found == find_links(images[::-1], texts[::-1], {})
    assert [link.path for link in found] == ["a.jpg", "a.txt", "b.jpg", "b.txt", "c.txt", "c/1.jpg"]


def test_odd_names_are_linked_like_others() -> None:
    assert links(["月季 (1)/玫瑰.jpg"], ["月季 (1)/玫瑰.txt", "月季 (1)/b.txt"]) == {
        ("月季 (1)/玫瑰.jpg", "月季 (1)/玫瑰.txt", "stem")
    }


# -- two forms of one name --

COMPOSED = "café"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.mark.parametrize(
    ("image", "text"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (DECOMPOSED, "CAFÉ")]
)
def test_a_stem_is_the_same_in_both_forms(image: str, text: str) -> None:
    assert image != text
    assert links([f"{image}.jpg"], [f"{text}.txt"]) == {(f"{image}.jpg", f"{text}.txt", "stem")}


def test_a_text_speaks_for_a_folder_in_the_other_form() -> None:
    texts = [f"{DECOMPOSED}.txt", f"{COMPOSED}/{DECOMPOSED}.md", f"{COMPOSED}/soil.txt"]

    assert links([f"{COMPOSED}/1.jpg"], texts) == {
        (f"{COMPOSED}/1.jpg", texts[0], "folder"),
        (f"{COMPOSED}/1.jpg", texts[1], "folder"),
    }


def test_the_only_text_of_a_folder_may_write_it_in_the_other_form() -> None:
    assert links([f"{COMPOSED}/1.jpg"], [f"{DECOMPOSED}/care.txt"]) == {
        (f"{COMPOSED}/1.jpg", f"{DECOMPOSED}/care.txt", "folder")
    }


@pytest.mark.parametrize(
    ("image", "target"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (COMPOSED, COMPOSED)]
)
def test_a_reference_in_the_other_form_names_the_real_path(image: str, target: str) -> None:
    references = {"a.md": [Reference(target=f"{target}.jpg")]}

    assert links([f"{image}.jpg"], ["a.md", "b.md"], references) == {
        (f"{image}.jpg", "a.md", "reference")
    }


def test_of_two_pictures_that_differ_in_form_the_exact_one_is_meant() -> None:
    references = {"a.md": [Reference(target=f"{DECOMPOSED}.jpg")]}

    assert links([f"{COMPOSED}.jpg", f"{DECOMPOSED}.jpg"], ["a.md"], references) == {
        (f"{DECOMPOSED}.jpg", "a.md", "reference")
    }
