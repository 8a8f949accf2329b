"""What is sent is what arrives, whatever strings and pictures hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from florilegium import errors
from florilegium.errors import FileTooLargeError, FlorilegiumError, SourceError
from florilegium.types import Description, Item, Modality, Reference, Source, Span
from florilegium.worker_messages import (
    HEADER,
    Message,
    frame,
    from_description,
    from_error,
    from_item,
    from_source,
    pixels,
    strips,
    to_description,
    to_error,
    to_item,
    to_source,
)
from tests.unit.trap_loader import OddFileError

SOURCE = Source(root=Path("/x"), path="a.png", size=3, modified_ns=10**18 + 1, content_hash="0a")
# Lone surrogates too: they come from JSON and from names that are no UTF-8.
words = st.text(st.characters(exclude_categories=()))
pairs = st.lists(st.tuples(words, words), max_size=3).map(tuple)
numbers = st.none() | st.integers(0, 2**40)


def sent(message: Message) -> Message:
    """Return a message as it arrives."""
    data = frame(message)
    (count,) = HEADER.unpack(data[: HEADER.size])
    assert len(data) == HEADER.size + count
    found: Message = json.loads(data[HEADER.size :])
    return found


@given(path=words, root=st.sampled_from(["/a", "/\udcff/b", "relative"]))
def test_a_source_arrives_as_it_was(path: str, root: str) -> None:
    source = Source(root=Path(root), path=path, size=1, modified_ns=2, content_hash="3")

    assert to_source(sent(from_source(source))) == source


@given(
    item=st.builds(
        Item,
        id=words,
        source=st.just(SOURCE),
        modality=st.sampled_from(Modality),
        ordinal=st.integers(0, 9),
        title=words,
        text=words,
        span=st.none() | st.builds(Span, start=st.integers(0, 9), end=st.integers(0, 9)),
        width=numbers,
        height=numbers,
        references=st.lists(st.builds(Reference, target=words, words=words)).map(tuple),
        fields=pairs,
    )
)
def test_an_item_arrives_as_it_was(item: Item) -> None:
    found = to_item(sent(from_item(item)), source=SOURCE)

    assert found == item
    assert hash(found) == hash(item)


@given(target=words, fields=pairs)
def test_a_description_arrives_as_it_was(target: str, fields: tuple[tuple[str, str], ...]) -> None:
    description = Description(target=target, fields=fields)

    assert to_description(sent(from_description(description))) == description


OURS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FlorilegiumError)
]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_it_was(kind: type[FlorilegiumError]) -> None:
    for hint in (None, "Mend it."):
        found = to_error(sent(from_error(kind("It broke.", hint=hint))))

        assert type(found) is kind
        assert (found.message, found.hint, str(found)) == ("It broke.", hint, "It broke.")


def test_an_error_of_another_package_arrives_as_the_nearest_of_ours_with_its_code() -> None:
    class HugeError(FileTooLargeError):
        code = "source_huge"

    cases = (OddFileError("It is odd."), SourceError), (HugeError("!"), FileTooLargeError)
    for error, base in cases:
        found = to_error(sent(from_error(error)))

        assert isinstance(found, base)
        assert found.code == error.code
        assert base.code != error.code


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3000, 1000), (1, 5000), (5_000_000, 2)])
def test_the_strips_of_a_picture_are_all_of_it(size: tuple[int, int]) -> None:
    width, height = size
    image = Image.linear_gradient("L").resize(size).convert("RGB")

    assert b"".join(pixels(image)) == image.tobytes()
    cut = list(strips(width, height))
    assert [count for _, _, count in cut] == [len(strip) for strip in pixels(image)]
    assert sum(rows for _, rows, _ in cut) == height
    assert all(count <= max(1 << 22, 3 * width) for _, _, count in cut)
