"""JSON Feed says what RSS and Atom say, in its own words and within its rules."""

from __future__ import annotations

import json
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.model.articles import Also, ArticleStatus, Enclosure, Extra
from pipeline.model.feeds import Mark, Volume
from pipeline.publish.build import build
from pipeline.publish.jsonfeed import build_json
from pipeline.publish.wording import no_tags

A = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
X = "https://x.example/"


def at(text: str | None) -> datetime:
    return datetime.fromisoformat(text or "")


@settings(max_examples=40)
@given(data=st.data())
def test_the_three_formats_tell_the_same(data, documents) -> None:
    document = data.draw(documents)
    built, feed = build(document), json.loads(build_json(document))
    channel, atom = etree.fromstring(built.rss)[0], etree.fromstring(built.atom)
    items, entries = list(channel.iter("item")), atom.findall(f"{A}entry")
    told = feed["items"]
    ids = [item["id"] for item in told]
    assert ids == [item.findtext("guid") for item in items] == [entry.findtext(f"{A}id") for entry in entries]
    for one, item, entry in zip(told, items, entries, strict=True):
        assert at(one["date_published"]) == parsedate_to_datetime(item.findtext("pubDate"))
        assert at(one["date_published"]) == at(entry.findtext(f"{A}published"))
        assert at(one["date_modified"]) == at(entry.findtext(f"{A}updated"))
        changed = item.findtext(f"{A}updated")
        assert at(changed) == at(one["date_modified"]) if changed else one["date_published"] == one["date_modified"]
        assert one["url"] == item.findtext("link") == entry.find(f"{A}link").get("href")
        assert item.findtext("title") == entry.findtext(f"{A}title") == no_tags(one["title"])
        assert entry.findtext(f"{A}author/{A}name") == no_tags(one["authors"][0]["name"])
        topics = [c.get("term") for c in entry.findall(f"{A}category")]
        assert topics == [c.text for c in item.findall("category")] == [no_tags(t) for t in one.get("tags", [])]
        assert [a["url"] for a in one.get("attachments", [])] == [
            k.get("href") for k in entry.findall(f"{A}link") if k.get("rel") == "enclosure"]
        html = item.findtext(CONTENT)
        assert html == entry.findtext(f"{A}content")
        summary = item.findtext("description")
        assert summary == entry.findtext(f"{A}summary")
        if html:
            assert one["content_html"] == html
            assert "content_text" not in one
        elif "content_html" in one:
            assert one["content_html"] == summary
        else:
            plain = summary.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            assert one["content_text"] == no_tags(plain)
            assert "content_html" not in one


@settings(max_examples=40)
@given(data=st.data())
def test_any_document_keeps_the_rules(data, documents, feed_rules) -> None:
    found = feed_rules.json_problems(build_json(data.draw(documents)))
    # an entry's HTML and its characters are what the test makes them; the year 1901 is ours
    odd = ("(NotHtml)", "(BadCharacters)", "(ImplausibleDate)", "(ContainsRelRef)", "(SecurityRiskAttr)")
    assert [problem for problem in found if not any(word in problem for word in odd)] == []


def test_our_own_words_are_objects(entry, document, page, feed_rules) -> None:
    made = document(entry(rights="R", licence=f"{X}by", mark=Mark.WITHDRAWN), page=page(rights="R"))
    assert feed_rules.json_problems(build_json(made)) == []


@given(data=st.data())
def test_it_is_utf8_json_with_a_value_on_each_line(data, documents) -> None:
    document = data.draw(documents)
    made = build_json(document)
    text = made.decode("utf-8")
    assert made == build_json(document)
    assert json.dumps(json.loads(text), indent=2, ensure_ascii=False).replace("\x7f", "") + "\n" == text.replace(
        "\x7f", ""), "in the order in which it is said"


def test_the_feed_itself(page, article, built) -> None:
    around = page(rights="R", image=f"{X}i.png", hub="https://hub.example/?a&b", description="D")
    feed = json.loads(built(around, [], Volume(previous="archive/1-50/")).json)
    assert feed == {
        "version": "https://jsonfeed.org/version/1.1", "title": "Everything",
        "home_page_url": "https://lantern.example/feeds/all/",
        "feed_url": "https://lantern.example/feeds/all/feed.json", "description": "D", "icon": f"{X}i.png",
        "language": "en", "authors": [{"name": "The Lantern", "url": "https://lantern.example/"}],
        "next_url": "https://lantern.example/feeds/all/archive/1-50/feed.json",
        "hubs": [{"type": "WebSub", "url": "https://hub.example/?a&b"}], "_broadsheet": {"rights": "R"}, "items": []}
    assert next(iter(feed)) == "version"


def test_pages_lead_back_to_the_first(page, article, built, broken_rules) -> None:
    """`next_url` is all the chain there is: older, and older again, to an end."""
    chain = (Volume("", "archive/11-20/"), Volume("archive/11-20/", "archive/1-10/"),
             Volume("archive/1-10/", "", "archive/11-20/"))
    third, second, first = (built(page(hub="https://hub.example/"), [article()], volume) for volume in chain)
    told = [json.loads(made.json) for made in (third, second, first)]
    assert [feed["feed_url"] for feed in told[1:]] == [feed["next_url"] for feed in told[:2]]
    assert "next_url" not in told[2]
    assert ["hubs" in feed for feed in told] == [True, False, False], "there is never news in an archive"
    assert broken_rules(third) == broken_rules(second) == broken_rules(first) == []


def test_a_whole_entry(page, article, built) -> None:
    made = built(page(), [article(
        1, language="sv", image=f"{X}i.png", rights="R", licence=f"{X}by", also=(Also(8, "Blog", f"{X}8"),),
        enclosures=(Enclosure(f"{X}1.mp3", "audio/mpeg", 5), Enclosure(f"{X}2", "", 0)))])
    (told,) = json.loads(made.json)["items"]
    body = '<p>Body 1.</p><p>Also in <a href="https://x.example/8">Blog</a></p>'
    ours = {key: told.pop(key) for key in list(told) if key.startswith("_")}
    assert told == {
        "id": "tag:lantern.example,2026:article-1", "url": "https://gazette.example/1", "title": "Title 1",
        "content_html": body, "summary": "Summary 1.", "image": f"{X}i.png",
        "date_published": "2026-11-22T12:01:00+00:00", "date_modified": "2026-11-22T12:01:00+00:00",
        "authors": [{"name": "Ada Byron"}], "tags": ["health"], "language": "sv",
        "attachments": [{"url": f"{X}1.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 5},
                        {"url": f"{X}2", "mime_type": "application/octet-stream"}]}
    assert ours == {"_broadsheet": {"source": "The Gazette", "rights": "R", "licence": f"{X}by",
                                    "source_feed_url": "https://gazette.example/feed.xml"}}


@pytest.mark.parametrize(("values", "kind"), [
    ({}, "content_text"), ({"also": (("Blog", X),)}, "content_html"), ({"correction": "C"}, "content_html"),
    ({"html": "<p>H</p>"}, "content_html"),
])
def test_text_or_html_and_never_both(entry, document, values: dict[str, Any], kind: str) -> None:
    (told,) = json.loads(build_json(document(entry(summary="1 < 2", **values))))["items"]
    assert {"content_text", "content_html"} & set(told) == {kind}
    assert told["summary"] == "1 < 2"
    if kind == "content_text":
        assert told["content_text"] == "1 < 2"
    elif "html" not in values:
        assert "<p>1 &lt; 2</p>" in told["content_html"]


def test_a_withdrawal_is_marked(page, article, built) -> None:
    made = built(page(), [article(1), article(2, status=ArticleStatus.WITHDRAWN)])
    first, second = json.loads(made.json)["items"]
    assert "withdrawn" not in first["_broadsheet"]
    assert second["_broadsheet"] == {"withdrawn": True}
    assert second["title"] == "Withdrawn"


@pytest.mark.parametrize(("text", "seconds"), [
    ("3723", 3723), ("62:03", 3723), ("1:02:03", 3723), ("0", None), ("00:00", None), ("", None), ("soon", None),
    ("1:2:3:4", None), ("-5", None), ("1:", None), ("٣", None), ("1.5", None), ("9999999", None), (" 62:03 ", 3723),
])
def test_durations(entry, document, text: str, seconds: int | None) -> None:
    made = document(entry(enclosures=(Enclosure(f"{X}1.mp3", "audio/mpeg", 1),),
                          extras=(Extra("media:title", "9"), Extra("itunes:duration", text))))
    (told,) = json.loads(build_json(made))["items"]
    assert told["attachments"][0].get("duration_in_seconds") == seconds


def test_only_what_plays_takes_time(entry, document) -> None:
    made = document(entry(enclosures=(Enclosure(f"{X}1.mp3", "audio/mpeg", 1), Enclosure(f"{X}1.png", "image/png", 1)),
                          extras=(Extra("itunes:duration", "62:03"),)))
    (told,) = json.loads(build_json(made))["items"]
    assert ["duration_in_seconds" in one for one in told["attachments"]] == [True, False]
