"""What it costs to find the article on a page, how much of it is found, and how well it keeps its shape.

    pages_per_s, cleaned_per_s   bytes to article on one core; and sanitised as well, as a draft gets it
    f1                           4-word shingles of the plain text against the expected article, summed over all pages
    structure_kept               of the headings, lists, links, pictures, quotes, code and tables that are expected
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from lxml import html as lxml_html
from measure import Options, Result, article_html, main, medians_s, prose

from pipeline.collect.pages.charset import decode_page
from pipeline.collect.pages.fulltext import extract
from pipeline.text.clean import clean_html, visible_text

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpora" / "pages"
URL = "https://pages.example/2026/one.html"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MADE_UP, WORDS = 30, 700

KINDS = ("self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6", "self::ul or self::ol",
         "self::a[@href]", "self::img", "self::blockquote", "self::pre or self::code", "self::table")

Page = tuple[bytes, str]
"""A page's bytes, and the article that is expected of it as sanitised HTML."""
Extract = Callable[[bytes], str]


def measure(options: Options) -> Result:
    pages = (real() or made_up(MADE_UP))[: options.size(MADE_UP, 3)]
    peers = the_others()
    ways: dict[str, Extract] = {"ours": ours, "cleaned": lambda body: clean_html(ours(body), base_url=URL), **peers}
    rated = {name: score(way, pages) for name, way in {"ours": ours, **peers}.items()}
    runs = options.size(7, 1)
    took = dict(zip(ways, medians_s(runs, *(lambda way=way: _all(way, pages) for way in ways.values())), strict=True))
    f1, kept = rated["ours"]
    return Result(
        figures={
            "pages_per_s": len(pages) / took["ours"], "cleaned_per_s": len(pages) / took["cleaned"],
            "slowest_ms": 1e3 * max(_seconds(ours, body) for body, _ in pages), "f1": f1, "structure_kept": kept,
            "page_kb": sum(len(body) for body, _ in pages) / len(pages) / 1e3,
        },
        peers={
            **{f"{name}_pages_per_s": len(pages) / took[name] for name in peers},
            **{f"{name}_f1": rated[name][0] for name in peers},
            **{f"{name}_structure_kept": rated[name][1] for name in peers},
        },
        runs=runs,
        limits="Python over the tree, three times: what is furniture by name, where the article is, what of it stays; "
               "parsing is a tenth" + ("" if peers else "; trafilatura can't be imported here, so there is no peer"),
    )


def real() -> list[Page]:
    """Real pages with the articles that a person checked, where they are at hand."""
    return [((folder / "source.html").read_bytes(), clean_html((folder / "expected.html").read_text(), base_url=URL))
            for folder in sorted(CORPUS.glob("*"))]


def made_up(count: int) -> list[Page]:
    """Made-up articles in a page with a menu, a sidebar, teasers and comments."""
    pages = []
    for number in range(count):
        rng = random.Random(number)
        article, title = article_html(rng, WORDS), prose(rng, 6)
        links = "".join(f'<li><a href="/{n}">{prose(rng, 4)}</a></li>' for n in range(20))
        cards = "".join(f'<div class="c"><a href="/{n}"><h3>{prose(rng, 5)}</h3></a><p>{prose(rng, 30)}</p></div>'
                        for n in range(6))
        comments = "".join(f'<li class="comment"><p>{prose(rng, 50)}</p></li>' for _ in range(5))
        main_part = f"<h1>{title}</h1><div class=text>{article}</div><h2>More stories</h2>{cards}"
        body = (f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title} | The Lantern</title></head>"
                f"<body><nav><ul>{links}</ul></nav><div class=wrap><div class=main>{main_part}"
                f"<ol id=comments>{comments}</ol></div><div class=sidebar><ul>{links}</ul></div></div>"
                f"<footer><p>{prose(rng, 30)}</p></footer></body></html>")
        pages.append((body.encode(), clean_html(article)))
    return pages


def the_others() -> dict[str, Extract]:
    """The peers that can be imported."""
    found: dict[str, Extract] = {}
    keep = {"output_format": "html", "include_links": True, "include_images": True, "include_formatting": True,
            "include_comments": False}
    if trafilatura := _imported("trafilatura"):
        found["trafilatura"] = lambda body: trafilatura.extract(body, **keep) or ""
        found["trafilatura_fast"] = lambda body: trafilatura.extract(body, **keep, fast=True) or ""
    if readability := _imported("readability"):
        found["readability"] = lambda body: readability.Document(body.decode(errors="replace")).summary()
    return found


def ours(body: bytes) -> str:
    """Ours, without asking the page whether its text may be kept: some of the real ones forbid it."""
    return extract(decode_page(body), url=URL, now=NOW, headers=None).html


def score(way: Extract, pages: list[Page]) -> tuple[float, float]:
    """Return (F1 of the text, share of the structure)."""
    hits = ours_in_all = theirs_in_all = kept = expected = 0
    for body, want in pages:
        got = clean_html(way(body), base_url=URL)
        a, b = _shingles(want), _shingles(got)
        hits, ours_in_all, theirs_in_all = hits + (a & b).total(), ours_in_all + b.total(), theirs_in_all + a.total()
        kept, expected = kept + (_counted(want) & _counted(got)).total(), expected + _counted(want).total()
    return 2 * hits / (ours_in_all + theirs_in_all), kept / expected


def _shingles(html: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", visible_text(html).lower())
    return Counter(tuple(words[n : n + 4]) for n in range(max(1, len(words) - 3)))


def _counted(html: str) -> Counter[str]:
    root = lxml_html.fragment_fromstring(html, create_parent="div")
    return Counter({kind: int(root.xpath(f"count(.//*[{kind}])")) for kind in KINDS})


def _all(way: Extract, pages: list[Page]) -> None:
    for body, _ in pages:
        way(body)


def _seconds(way: Extract, body: bytes) -> float:
    started = time.perf_counter()
    way(body)
    return time.perf_counter() - started


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


if __name__ == "__main__":
    main("fulltext", __doc__ or "", measure)
