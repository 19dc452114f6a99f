"""A hub named in a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.manners.linkheader import with_link_header
from pipeline.model.sources import Hints

HERE = "https://s.example/feed"


@pytest.mark.parametrize(("header", "hub", "self_url"), [
    ('<https://hub.example/>; rel="hub", <https://s.example/feed>; rel="self"', "https://hub.example/", HERE),
    ("<https://hub.example/>;rel=hub,</feed>;rel=self", "https://hub.example/", HERE),
    ('</hub>; type="x"; rel="alternate hub"', "https://s.example/hub", "told"),
    ('<https://hub.example/>; REL=HUB, <https://other.example/>; rel=hub', "https://hub.example/", "told"),
    ("<javascript:1>; rel=hub", "", "told"),
    ('<https://s.example/>; rel="canonical"', "", "told"),
    ("<https://s.example/; rel=hub", "", "told"),
    ("", "", "told"),
])
def test_hub_and_self(header: str, hub: str, self_url: str) -> None:
    found = with_link_header(Hints(self_url="told"), header, HERE)
    assert (found.hub, found.self_url) == (hub, self_url)


def test_the_header_counts_before_the_document() -> None:
    assert with_link_header(Hints(hub="https://old.example/"), "<https://hub.example/>; rel=hub", HERE).hub == (
        "https://hub.example/")
    assert with_link_header(Hints(hub="https://old.example/"), "", HERE).hub == "https://old.example/"


@given(st.text(alphabet='<>;,="relhubself /:.x', max_size=200))
def test_nothing_breaks_it(header: str) -> None:
    found = with_link_header(Hints(), header, HERE)
    assert found.hub == "" or found.hub.startswith("http")
