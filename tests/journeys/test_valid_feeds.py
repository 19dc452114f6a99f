"""What is published from real input, and from a page of poisons, is what the W3C validator has nothing against."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs.steps import publish_all

CONFIG = """
config_version = 1
[site]
title = "Everything"
public_url = "https://all.example"
[publish]
hub = "https://hub.example/"
hub_networks = ["192.0.2.0/24"]
rights = "The authors"
{sources}
[[feeds]]
slug = "all"
title = "All & <everything>"
per_topic = true
select = {{ limit = 50 }}
"""
RULES = Path(__file__).parents[1] / "publish" / "feedrules" / "load.py"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the log is not what is tested."""


@pytest.fixture
def corpus(shared: Path) -> Iterator[tuple[str, list[Path]]]:
    """(the address of a server that has them, the feed files)."""
    folder = shared / "corpora" / "feeds"
    if not folder.is_dir():
        pytest.skip(f"real feeds are not on this machine: no {folder}")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", sorted(folder.iterdir())
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def rules() -> Any:
    spec = importlib.util.spec_from_file_location("load_feedrules_here", RULES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def problems(folder: Path, rules: Any) -> list[str]:
    """Of every document below a feeds folder. Two warnings are left out, which are about what sources say: that two
    entries were updated in the same second, where these know days only, and U+FFFD in their words."""
    judges = {"rss.xml": rules.rss_problems, "atom.xml": rules.atom_problems, "feed.json": rules.json_problems}
    found, judged = [], 0
    for path in sorted(folder.rglob("*")):
        if judge := judges.get(path.name):
            judged += 1
            found += [f"{path.relative_to(folder)}: {problem}" for problem in judge(path.read_bytes())
                      if not problem.endswith(("(DuplicateUpdated)", "has U+FFFD in it (BadCharacters)"))]
    assert judged >= 3
    return found


def test_sixty_real_feeds(corpus: tuple[str, list[Path]], make_site: Callable, rules: Any) -> None:
    address, files = corpus
    site = make_site(CONFIG.format(sources="".join(
        f'[[sources]]\nslug = "s{path.stem}"\nurl = "{address}/{path.name}"\nbacklog = "all"\nshow = "full"\n'
        'allow_networks = ["127.0.0.0/8"]\n' for path in files)))
    report = site.run()
    assert len(report.published.written) > 100
    assert [note for note in report.published.notes if "left out" in note] == []
    assert problems(site.folder / "feeds", rules) == []


def test_control_a_validator_that_is_not_asked_finds_nothing(make_site: Callable, rules: Any) -> None:
    """The same judges see each of these faults in what was published."""
    site = make_site(CONFIG.format(sources='[[sources]]\nslug = "desk"\nfolder = "articles"\n'))
    site.write("1.md", "Article one")
    site.run()
    assert problems(site.folder / "feeds", rules) == []
    faults = ((b"<guid", b"<guid>x</guid><guid"), (b"+0000</pubDate>", b"+00:00</pubDate>"),
              (b"</description>", b"&lt;script&gt;</description>"), (b'rel="self"', b'rel="own"'),
              (b"/a/1<", b"/a/1 x<"), (b"<ttl>60", b"<ttl>an hour"))
    rss = (site.folder / "feeds/all/rss.xml").read_bytes()
    seen = [fault for fault in faults if rules.rss_problems(rss.replace(*fault))]
    print(f"control: {len(seen)} of {len(faults)} faults seen")
    assert len(seen) == len(faults)


def test_the_first_document(shared: Path, make_site: Callable, rules: Any) -> None:
    seeds = sorted((shared / "seeds").glob("*.txt"))
    if not seeds:
        pytest.skip("the first document is not on this machine")
    site = make_site(CONFIG.format(sources='[[sources]]\nslug = "desk"\nfolder = "articles"\n'))
    (site.folder / "articles" / "seed.txt").write_bytes(seeds[0].read_bytes())
    site.run()
    assert "Grace Mitchell" in (site.folder / "feeds/all/rss.xml").read_text()
    assert problems(site.folder / "feeds", rules) == []


def test_a_page_of_poisons(make_site: Callable, rules: Any) -> None:
    """Whatever a source may say of an article, in each of the places where it can say it."""
    from pipeline.collect.identify import make_drafts
    from pipeline.model.articles import Enclosure, Extra, Found, Show
    from pipeline.store import articles, sources
    from pipeline.store.articles import Acceptance

    site = make_site(CONFIG.format(sources='[[sources]]\nslug = "blog"\nurl = "https://blog.example/feed"\n'
                                           'title = "Q&A1 <b>blog</b> &copy; </p>"\n'))
    found = [
        Found(title=f"{poison} {number}", html=f"<p>{poison}</p><p>of {number}</p>", summary=poison,
              guid=f"g{number}{poison}", url=f"https://blog.example/{number}/{poison}", author=poison,
              published_at=site.now, topics=(poison, "odd"), language=poison, rights=poison, licence=poison,
              image=poison, enclosures=(Enclosure(f"https://blog.example/{poison}.mp3", poison, -1),
                          Enclosure(poison, "audio/mpeg", 10**18)),
              extras=tuple(Extra(name, poison, (("url", f"https://blog.example/{poison}"), ("type", poison),
                                               ("width", poison), ("medium", poison), ("role", poison)))
                           for name in ("media:content", "media:title", "media:credit", "media:thumbnail",
                                        "media:description", "media:rating", "itunes:duration", "podcast:transcript",
                                        "podcast:person", "media:player")))
        for number, poison in enumerate(POISONS)]
    drafts = make_drafts(found, source_url="https://blog.example/feed", now=site.now, show=Show.FULL)
    with site.app.store.write() as connection:
        articles.add(connection, sources.state(connection, "blog").id,
                     [(draft, Acceptance(Show.FULL, mailable=True)) for draft in drafts], site.now)
    published = publish_all(site.app)
    assert list(published.failed) == ["hub"], "which is not there"
    assert published.notes == [note for note in published.notes if "no absolute" in note or "enclosure" in note]
    text = (site.folder / "feeds/all/rss.xml").read_text()
    assert text.count("<item>") == len(POISONS)
    assert problems(site.folder / "feeds", rules) == []


POISONS = (
    "plain", "a\x00b", "a\x0bb\x1b[2J", "\ufffe\uffff", "a\u202eb\u2066c", "\u2028\u2029\x85", "]]>", "<![CDATA[x]]>",
    "</item></channel></rss>", "<!-- -->", "<script>alert(1)</script>", "<b>bold</b> & <i>it",
    "&amp; &copy; &nbsp; &#0;", "Q&A1", "AT&T", "R&D;", "&copy2026", "100 % <5 >3",
    "\"quotes\" 'both'", "tab\there\nand\r\nlines",
    "https://a b.example/<>", "javascript:alert(1)", "//x.example/y", "data:text/html,x", "mailto:a@b.example",
    "\U0001f9d1\u200d\U0001f680", "مرحبا بالعالم", "שלום", "日本語", "e\u0301", "\ufeffbom", "\ufffd",
    "%s {0} {{ x }} ${y}",
    "a" * 5000, " ", "<svg onload=x>", "<p style='x'>", "<bdo dir=rtl>x</bdo>", "<table><tr><td>x", "<a href=x>y</a>",
    "<img src=x onerror=y>", "<iframe src=x>", "<object data=x>", "<h1>h</h1><ul><li>l", "\x80\x9f", "..", "../../etc",
)
