"""Ids of libraries and encoders as models."""

from __future__ import annotations

import pytest

from florilegium import Library
from florilegium.errors import NotFoundError
from florilegium.server.openai import catalogue
from florilegium.server.served import Served


def test_each_library_is_a_model_and_so_are_its_encoders(tiny_library: Library) -> None:
    served = [Served(name=name, title=name, library=tiny_library) for name in ("a", "b")]

    listed = catalogue.list_models(served, created=7)

    assert listed["object"] == "list"
    assert listed["data"] == [
        {"id": id_, "object": "model", "created": 7, "owned_by": "florilegium"}
        for id_ in ("a", "a:text", "a:image", "b", "b:text", "b:image")
    ]


def test_an_encoder_is_the_library_and_the_space() -> None:
    assert catalogue.split_encoder("flowers:text") == ("flowers", "text")
    assert catalogue.split_encoder("flowers:image") == ("flowers", "image")


@pytest.mark.parametrize("id_", ["flowers", "flowers:", "flowers:audio", "flowers:text:image"])
def test_everything_else_is_no_encoder(id_: str) -> None:
    with pytest.raises(NotFoundError):
        catalogue.split_encoder(id_)


@pytest.mark.parametrize(("id_", "library"), [("flowers", "flowers"), ("flowers:text", "flowers")])
def test_a_model_belongs_to_a_library(id_: str, library: str) -> None:
    catalogue.check_model(id_)

    assert catalogue.library_of(id_) == library


@pytest.mark.parametrize("id_", ["flowers:", "flowers:audio"])
def test_a_model_of_no_space_does_not_exist(id_: str) -> None:
    with pytest.raises(NotFoundError):
        catalogue.check_model(id_)
