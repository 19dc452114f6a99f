"""The whole journey on real input that lies beside the repository; a user's clone has none of it, and skips."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import feedparser
import pytest
from lxml import html as lxml_html

from pipeline.jobs.collecting import collect_due
from pipeline.model.articles import ArticleStatus
from pipeline.model.newsletters import DigestStatus
from pipeline.model.selection import Rules
from pipeline.store import articles, digests, public_digests

PAGE = """
config_version = 1
[site]
title = "Everything"
public_url = "https://all.example"
{sources}
[[feeds]]
slug = "all"
title = "All"
select = {{ limit = 10000 }}
[[newsletters]]
slug = "lantern"
title = "All"
select = {{ limit = 10000 }}
images = "none"                          # they are on other people's servers
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
[preflight]
links = false
spam = "off"
[mail]
sender = "news@all.example"
"""


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


def test_sixty_real_feeds_reach_a_feed_and_a_digest(corpus: tuple[str, list[Path]], make_site: Callable) -> None:
    address, files = corpus
    assert len(files) == 60
    site = make_site(PAGE.format(sources="".join(
        f'[[sources]]\nslug = "s{path.stem}"\nurl = "{address}/{path.name}"\nbacklog = "all"\n'
        'allow_networks = ["127.0.0.0/8"]\n' for path in files)))
    site.subscribe("reader@example.org")
    site.send()  # the schedule begins
    site.now = site.now.replace(hour=8, minute=1)
    report = site.run()

    gave = {poll.source: poll.new for poll in report.polls}
    assert not [poll for poll in report.polls if poll.failed]
    assert not [source for source, number in gave.items() if not number], "every file has articles"
    with site.app.store.read() as connection:
        stored = articles.newest(connection, Rules(), 10_000)
    assert len(stored) == sum(gave.values()) > 1000
    assert all(a.title and a.published_at and a.status is ArticleStatus.ACCEPTED for a in stored)

    for name in ("rss.xml", "atom.xml"):
        read = feedparser.parse((site.folder / "feeds" / "all" / name).read_bytes())
        assert not read.bozo
        assert len(read.entries) == len({e.id for e in read.entries}) == len(stored)
    (digest,) = site.digests()
    assert digest.status is DigestStatus.DONE
    with site.app.store.read() as connection:
        told = public_digests.copy(connection, digest.id).articles
        notes = digests.facts(connection, digest.id).notes
    assert sorted(told) == sorted(a.id for a in stored)
    assert notes == []
    (mail,) = site.mails()
    body = mail.get_body(("html",)).get_content()
    assert len(body.encode()) <= 102_400, "Gmail would hide its end"
    left_out = len(stored) - body.count('class="headline"')
    assert f"{left_out} more on the web" in body
    again = collect_due(site.app, force=True)
    assert all(poll.not_modified for poll in again), "the server's validators are sent back"


def test_the_first_document_is_one_clean_article(shared: Path, make_site: Callable) -> None:
    seeds = sorted((shared / "seeds").glob("*.txt"))
    if not seeds:
        pytest.skip("the first document is not on this machine")
    site = make_site()
    (site.folder / "articles" / "seed.txt").write_bytes(seeds[0].read_bytes())
    site.subscribe("reader@example.org")
    site.send()
    site.now = site.now.replace(hour=8, minute=1)
    assert [(p.new, p.problems) for p in site.run().polls] == [(1, [])]
    with site.app.store.read() as connection:
        (article,) = articles.newest(connection, Rules(), 10)
    lines = seeds[0].read_text(encoding="utf-8").split("\n")
    paragraphs = [line for line in lines if len(line) > 200]
    tree = lxml_html.fromstring(article.html)
    assert article.title == lines[0]
    assert article.author == "Grace Mitchell"
    assert article.summary[:100] == paragraphs[0][:100]
    headings = [h.text_content() for h in tree.iter("h2")]
    assert len(headings) == 4
    assert all(heading in lines for heading in headings)
    assert [p.text_content() for p in tree.iter("p")] == paragraphs
    for furniture in ("Photo of author", "Leave a Comment", "Grace Mitchell"):
        assert furniture not in tree.text_content()
    assert article.title not in tree.text_content()
    (mail,) = site.mails()
    for part in ("plain", "html"):
        text = mail.get_body((part,)).get_content()
        assert all(heading in text for heading in headings)
        assert "Leave a Comment" not in text
