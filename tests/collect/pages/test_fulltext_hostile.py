"""Pages that were made to hurt: each costs little, in proportion to its size, and raises nothing but ParseError."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.pages.fulltext import read_page
from pipeline.errors import ParseError
from pipeline.text.clean import MAX_DEPTH, clean_html

NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://paper.example/2026/the-quay"
PROSE = "The quay was rebuilt in nineteen months, four more than the council had promised, and it cost the town dear. "
SECONDS = 10.0       # of CPU time for a whole one, on a busy machine
MEMORY = 900 << 20   # bytes of address space, libraries included
SMALL = 40           # a fortieth of each is tried by default, the whole by slow tests

JSON_LD = b'<script type="application/ld+json">'
HOSTILE = {  # what it begins with, what follows, how often, and what it ends with
    "divs, nested": (b"", b"<div>", 100_000, b"<p>words"),
    "bylines, nested": (b"", b'<div class="author byline"><p><span itemprop=author>hello, world ', 20_000, b""),
    "bold, nested": (b"<p>", b"<b>a ", 100_000, b""),
    "tables, nested": (b"", b"<table class=code><tr><td>", 20_000, b""),
    "listings, side by side": (b"", b"<table class=code><tr><td>1<td>code</table>", 20_000, b""),
    "paragraphs": (b"", b"<p>some words, that flow, and on</p>", 100_000, b""),
    "links between": (b"", b"<p>some words, that flow, and on and on for a while</p><a href=x>l</a>", 50_000, b""),
    "line breaks": (b"<div>", b"word<br><br>", 60_000, b""),
    "only breaks": (b"<div>", b"<br>", 100_000, b""),
    "headings over nothing": (b"<p>" + b"word, " * 100 + b"</p>", b"<h2></h2><h2>x</h2>", 40_000, b""),
    "headings over more": (b"<p>" + b"word, " * 100 + b"</p>", b"<h2>Related</h2><p>x</p>", 40_000, b""),
    "titles": (b"<title>title words here</title>", b"<h1>title words here</h1>", 50_000, b"<p>" + b"word, " * 100),
    "lines of code": (b"<pre>", b"<div>x</div>", 90_000, b""),
    "a srcset": (b'<img srcset="', b"a 1x, ", 100_000, b'">'),
    "pictures": (b"", b"<img src=spacer.gif data-a=b.jpg>", 60_000, b""),
    "pictures without scripts": (b"", b"<img><noscript><img src=x.jpg></noscript>", 30_000, b""),
    "links with every rel": (b"", b'<a rel="tag author license" href=x>y</a>', 60_000, b""),
    "standfirsts": (b"<title>abc</title>", b"<p class=dek>abc def ghi jkl mno abc def, pqr stu</p>", 40_000, b""),
    "one text": (b"<p>", b"word, ", 1_500_000, b""),
    "attributes": (b"<p ", b"a=b ", 100_000, b">x"),
    "a class of many words": (b'<p class="', b"a ", 1_000_000, b'">x'),
    "JSON-LD, nested": (JSON_LD, b"[", 100_000, b"</script><p>x"),
    "JSON-LD, many": (b"", JSON_LD + b"[]</script>", 50_000, b"<p>x"),
    "JSON-LD, never closed": (b"", JSON_LD, 50_000, b""),
    "JSON-LD, wide": (JSON_LD + b"[", b'{"@type":"Article","author":[{"name":"x"}]},', 6_000, b"0]</script><p>x"),
    "angle brackets": (b"", b"<", 1_000_000, b""),
    "ampersands": (b"", b"&#", 500_000, b""),
    "comments": (b"", b"<!--", 100_000, b""),
    "metas": (b"", b"<meta name=a content=b>", 100_000, b""),
    "half metas": (b"", b"<meta ", 100_000, b""),
    "marks": (b"<p>e", "\u0301".encode(), 1_000_000, b""),
    "controls": (b"<p>", b"a\0\x0b\x1b\xef\xbf\xbe", 20_000, b""),
    "forms": (b"", b"<form><p>some words, that flow, and on and on</p>", 30_000, b""),
    "films": (b"", b'<iframe src="https://youtube.com/embed/abcdefg"></iframe>', 40_000, b""),
    "sets of pictures": (b"", b"<picture><source srcset=a.jpg>", 30_000, b""),
    "figures": (b"", b"<figure><img src=a.jpg><figcaption>", 20_000, b""),
    "a long base": (b'<base href="', b"x", 100_000, b'"><p>x <a href=y>z</a>'),
    "options": (b"", b"<select><option>", 40_000, b"<p>x"),
    "binary": (b"", bytes(range(256)), 400, b""),
}


def try_it(name: str, share: int) -> float:
    """Read a part of a hostile page; return the CPU time it took."""
    begin, repeated, count, end = HOSTILE[name]
    body = begin + repeated * (count // share) + end
    started = time.process_time()
    try:
        page = read_page(body, url=URL, now=NOW, content_type="text/html")
    except ParseError:
        return time.process_time() - started
    assert bool(page.html) != bool(page.refused)
    return time.process_time() - started


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_costs_little(name: str) -> None:
    assert try_it(name, SMALL) < SECONDS / SMALL * 4


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_large_hostile_page_costs_no_more_for_its_size(name: str) -> None:
    assert try_it(name, 1) < SECONDS


@pytest.mark.slow
def test_all_of_them_stay_within_memory() -> None:
    script = "import test_fulltext_hostile as t; [t.try_it(name, 1) for name in t.HOSTILE]; print('done')"
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=here, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path])},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)))
    assert done.stdout.strip() == "done", done.stderr


@pytest.mark.parametrize(
    "poison", ["\x00", "\x0b", "\ufffe", "\u202e", "<!-- x -->", "\u2028", "]]>", "<?php ?>", "&#0;", "\x1b[31m"])
def test_a_poison_in_the_middle_costs_nothing_around_it(poison: str) -> None:
    body = f"<html><body><article><p>{PROSE}</p><p>{PROSE[:40]}{poison}{PROSE[40:]}</p><p>{PROSE}</p></article>"
    html = clean_html(read_page(body.encode(), url=URL, now=NOW, content_type="text/html").html)
    assert html.count("<p>The quay") == 3


def test_deep_nesting_loses_tags_and_no_words() -> None:
    body = f"<html><body>{'<div>' * 1_000}<p>{PROSE}</p>{'</div>' * 1_000}<p>{PROSE}</p><p>The end, of all this.</p>"
    html = read_page(body.encode(), url=URL, now=NOW, content_type="text/html").html
    assert html.count("nineteen") == 2
    assert "The end" in html
    assert html.count("<div") <= MAX_DEPTH


PIECES = """<p>|</p>|<div class=related>|</div>|<article>|</article>|<table>|<tr>|<td>|</td>|</table>|<pre>|<code>
</pre>|<br>|<br><br>|<a href='#x'>|</a>|<img data-src=x.jpg>|<noscript>|</noscript>|<figure>|<picture>
<source srcset=x>|<h1>|</h1>|<h2>Related</h2>|<body>|<head>|<script type='application/ld+json'>|</script>
<title>|</title>|<base href='//x'>|<iframe src=x>|<svg>|<form>|<!--|-->|&amp;|<|>|\x00|\u202e|å|Advertisement
<ul>|<li>|</ul>|<meta |<html lang=x>|<plaintext>|<textarea>|<span style='display:none'>|<template>|<select>
<frameset>|<math>|<dl><dt>|<h2>More from us</h2>""".replace("\n", "|").split("|")


@given(st.lists(st.sampled_from([*PIECES, PROSE]), max_size=40).map("".join) | st.text() | st.binary().map(repr),
       st.sampled_from(["", "text/html", "text/html; charset=shift_jis", "application/xml"]))
def test_nothing_but_a_parse_error_comes_out(text: str, content_type: str) -> None:
    try:
        page = read_page(text.encode("utf-8", "surrogatepass"), url=URL, now=NOW, content_type=content_type)
    except ParseError:
        return
    assert bool(page.html) != bool(page.refused)
    clean_html(page.html, base_url=URL)
