"""From an article's address of a picture to a file of ours, over a real server: once, bounded, and never in the way."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from pipeline.compose import stage
from pipeline.compose.freeze import content_of, freeze, views_of
from pipeline.compose.pictures import gather
from pipeline.compose.pictures.folder import Folder
from pipeline.compose.pictures.gather import FETCH, clear_pictures, gather_pictures
from pipeline.compose.press import press
from pipeline.compose.stage import compose
from pipeline.desk.preview import preview
from pipeline.desk.takedown import known, named_articles, take_down, withdraw
from pipeline.errors import StoreError
from pipeline.jobs.sends import parts
from pipeline.model.articles import Article, ArticleStatus, Show
from pipeline.model.frozen import Arrangement, DigestPage, web_html
from pipeline.model.newsletters import DigestStatus
from pipeline.model.pictures import Pictures
from pipeline.model.runs import Slot
from pipeline.net.fetch import Fetcher
from pipeline.store.schema import articles as rows
from pipeline.store.schema_compose import digests as table_of_digests
from pipeline.store.schema_compose import fragments
from pipeline.store.schema_compose import pictures as table
from pipeline.text.clean import clean_html

PUBLIC = "https://lantern.example"
NOMINAL = "2026-06-01T08:00"


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


PHOTO = written(Image.linear_gradient("L").resize((1600, 900)).convert("RGB"), "JPEG")
SMILEY = written(Image.new("RGB", (72, 72), "gold"), "PNG")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


class Web:
    """A web server whose log is what it was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.heads: dict[str, dict[str, str]] = {}
        self.log: list[str] = []
        self.stopping = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.log.append(self.path)
                if self.path.startswith("/drip"):
                    self.send_response(200)
                    self.end_headers()
                    while not web.stopping.wait(0.1):
                        self.wfile.write(b"\xff")
                    return
                status, kind, body = web.answers.get(self.path, (404, "text/plain", b""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in web.heads.get(self.path, {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None: ...  # who was broken off is broken off

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def has(self, path: str, body: bytes, kind: str = "image/jpeg", status: int = 200, **head: str) -> str:
        self.answers[path] = status, kind, body
        self.heads[path] = head
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.close()


CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[sources]]
slug = "desk"
url = "https://desk.example/feed"
allow_networks = ["127.0.0.1/32"]
[[sources]]
slug = "stranger"
url = "https://stranger.example/feed"
[[sources]]
slug = "silent"
url = "https://silent.example/feed"
images = "none"
[[sources]]
slug = "open"
url = "https://open.example/feed"
images = "remote"
[[newsletters]]
slug = "lantern"
title = "The Lantern"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
  default = true
[preflight]
links = false
spam = "off"
[mail]
sender = "The Lantern <news@lantern.example>"
"""


def opened(site: Any) -> None:
    assert site.app
    site.subscribe("ada@example.org")


@pytest.fixture
def site(copy_site: Callable[..., Any]) -> Any:
    return copy_site(opened, CONFIG)


PAGE = DigestPage(
    site_title="The Lantern", public_url=PUBLIC, language="en", newsletter_slug="lantern",
    newsletter_title="The Lantern", digest_name="one", digest_url=f"{PUBLIC}/n/lantern/one", archive_url=f"{PUBLIC}/n",
    date=datetime(2026, 6, 1, 8, tzinfo=UTC), postal_address="")


def article(number: int, html: str, *, source: str = "desk", show: Show = Show.FULL, image: str = "") -> Article:
    at = datetime(2026, 5, 30, tzinfo=UTC)
    return Article(
        id=number, source=source, source_title=source.title(), guid=str(number), url=f"https://x.example/{number}",
        title=f"Title {number}", author="", summary="In short.", html=clean_html(html), published_at=at,
        first_seen_at=at, updated_at=at, accepted_seq=number, accepted_at=at, status=ArticleStatus.ACCEPTED,
        story=number, revision=1, show=show, image=image)


def img(url: str, more: str = "") -> str:
    return f'<p>before</p><img src="{url}" {more}><p>after</p>'


def gathered(site: Any, *told: Article, **changes: Any) -> Pictures:
    room = replace(site.app.darkroom(), **changes)
    return gather_pictures(room, site.app.config.newsletters[0], told, site.now)


def shown(site: Any, pictures: Pictures, *told: Article) -> str:
    """The digest on the web, as it would be frozen."""
    content = content_of(told, PAGE, pictures=pictures)
    frozen = freeze(site.app.templates().digest("digest"), PAGE, content, nonce="abcdefgh12")
    return web_html(frozen, Arrangement(tuple(one.id for one in told)))


def rows_of(site: Any) -> list[Any]:
    with site.app.store.read() as connection:
        return list(connection.execute(table.select().order_by(table.c.url)))


# --- what is shown ---


def test_a_picture_is_ours_with_its_size_and_its_words(site: Any, web: Web) -> None:
    one = article(1, img(web.has("/p.jpg", PHOTO), 'alt="A &quot;quay&quot;, seen"'))
    pictures = gathered(site, one)
    html = shown(site, pictures, one)
    found = re.search(rf'<img src="{PUBLIC}/i/([0-9a-f]{{32}}\.jpg)" width="528" height="297" alt=\'([^\']*)\'', html)
    assert found, re.findall("<img[^>]*>", html)
    assert found[2] == 'A "quay", seen'
    assert "127.0.0.1" not in html
    assert pictures.notes == ()
    with Image.open(site.app.picture_folder / found[1]) as file:
        assert (file.size, file.format) == ((1056, 594), "JPEG")
    assert re.search(r"\[A .quay., seen\]", views_of([one], PAGE, pictures=pictures)[0].text)


def test_where_there_are_no_words_the_alt_is_empty_and_there(site: Any, web: Web) -> None:
    one = article(1, img(web.has("/p.jpg", PHOTO)))
    assert re.search(r'<img src="https://lantern\.example/i/[^"]+" width="528" height="297" alt=""', shown(
        site, gathered(site, one), one))


def test_what_is_to_be_small_is_small(site: Any, web: Web) -> None:
    one = article(1, img(web.has("/s.png", SMILEY, "image/png"), 'width="16" height="16" alt=":)"'))
    assert re.search(r'/i/[0-9a-f]{32}\.png" width="16" height="16" alt=":\)"', shown(site, gathered(site, one), one))


def test_each_source_has_its_own_way(site: Any, web: Web) -> None:
    url = web.has("/p.jpg", PHOTO)
    told = [article(n, img(url, f'alt="by {source}"'), source=source)
            for n, source in enumerate(("desk", "stranger", "silent", "open"), 1)]
    pictures = gathered(site, *told)
    views = {view.source: view for view in views_of(told, PAGE, pictures=pictures)}
    assert f'{PUBLIC}/i/' in views["Desk"].html
    assert "<em>[by stranger]</em>" in views["Stranger"].html, "it names no network of its own"
    assert "<em>[by silent]</em>" in views["Silent"].html
    assert f'<img src="{url}" alt="by open">' in views["Open"].html
    assert [web.log, [row.reason for row in rows_of(site) if row.reason]] == [
        ["/p.jpg"], [next(row.reason for row in rows_of(site) if not row.name)]]
    assert views["Desk"].picture
    assert (views["Silent"].picture, views["Stranger"].picture) == (None, None)
    assert (views["Open"].picture.src, views["Open"].picture.width) == (url, 0)
    assert len(pictures.notes) == 1


def test_the_lead_is_an_article_s_own_picture_else_its_first_large_one(site: Any, web: Web) -> None:
    photo, other = web.has("/p.jpg", PHOTO), web.has("/q.jpg", PHOTO[:-2] + b"\xff\xd9")
    smiley = web.has("/s.png", SMILEY, "image/png")
    told = [
        article(1, img(smiley) + img(photo, 'alt="in it"')),
        article(2, img(smiley) + img(photo, 'alt="in it"'), image=photo),
        article(3, "<p>none</p>", image=other, show=Show.SUMMARY),
        article(4, img(photo, 'alt="hers"'), show=Show.SUMMARY),
        article(5, img(smiley)),
        article(6, img(photo), image=web.url("/lost.jpg")),
    ]
    views = views_of(told, PAGE, pictures=gathered(site, *told))
    leads = [(v.picture.alt, v.picture.width, v.picture.height) if v.picture else None for v in views]
    assert leads == [("in it", 528, 297), ("in it", 528, 297), ("", 528, 297), ("hers", 528, 297), None,
                     ("", 528, 297)]
    assert views[3].html == "", "of a summary only the lead is there"
    assert all(v.picture.src.startswith(f"{PUBLIC}/i/") for v in views if v.picture)


# --- once ---


def test_the_second_digest_asks_nobody(site: Any, web: Web) -> None:
    told = [article(1, img(web.has("/p.jpg", PHOTO))), article(2, img(web.url("/p.jpg")) + img(web.url("/lost.jpg")))]
    first = gathered(site, *told)
    assert sorted(web.log) == ["/lost.jpg", "/p.jpg"]
    second = gathered(site, *told, fetcher=lambda: pytest.fail("nothing is to be fetched"))
    assert second == first
    assert shown(site, second, *told) == shown(site, first, *told)


def test_a_failure_is_tried_again_later_and_then_less_often(site: Any, web: Web) -> None:
    one = article(1, img(web.has("/p.jpg", b"", status=503)))
    waits = []
    for _ in range(3):
        gathered(site, one)
        row = rows_of(site)[0]
        assert "503" in row.reason
        waits.append(row.retry_at - site.now)
        site.now = row.retry_at - timedelta(seconds=1)
        asked = len(web.log)
        assert "503" in gathered(site, one).notes[0]
        assert len(web.log) == asked
        site.now = row.retry_at
    assert waits == [timedelta(hours=1), timedelta(hours=2), timedelta(hours=4)]
    web.has("/p.jpg", PHOTO)
    assert gathered(site, one).of("desk")
    assert (rows_of(site)[0].reason, rows_of(site)[0].retry_at) == ("", None)


def test_a_server_s_own_wish_is_heeded(site: Any, web: Web) -> None:
    gathered(site, article(1, img(web.has("/p.jpg", b"", status=503, **{"Retry-After": "86400"}))))
    assert rows_of(site)[0].retry_at - site.now == timedelta(days=1)


def test_what_was_lost_from_the_folder_is_fetched_again(site: Any, web: Web) -> None:
    one = article(1, img(web.has("/p.jpg", PHOTO)))
    first = gathered(site, one)
    for path in site.app.picture_folder.iterdir():
        path.unlink()
    assert gathered(site, one) == first
    assert web.log == ["/p.jpg", "/p.jpg"]
    assert len(list(site.app.picture_folder.iterdir())) == 1


def test_the_same_picture_at_two_addresses_is_one_file(site: Any, web: Web) -> None:
    pictures = gathered(site, article(1, img(web.has("/a.jpg", PHOTO)) + img(web.has("/b.jpg", PHOTO))))
    assert len(pictures.of("desk")) == 2
    assert len({one.name for one in pictures.of("desk").values()}) == 1


# --- what is bad costs a picture ---



BAD: dict[str, tuple[bytes, str, str]] = {
    "half": (PHOTO[: len(PHOTO) // 2], "image/jpeg", "broken"),
    "drawing": (SVG, "image/svg+xml", "SVG"),
    "page": (b"<!doctype html><p>Hello", "image/png", "is a page"),
    "counter": (written(Image.new("RGB", (1, 1)), "GIF"), "image/gif", "nothing to see"),
    "bomb": (written(Image.new("1", (30_000, 30_000)), "PNG"), "image/png", "more than are decoded"),
    "vast": (bytes(11 * 1024 * 1024), "image/jpeg", "10 MiB"),
}


@pytest.mark.parametrize("what", [*BAD, "inside", "literal", "loop", "lost", "drip"])
def test_each_bad_one_costs_itself_only(site: Any, web: Web, what: str) -> None:
    good = web.has("/p.jpg", PHOTO)
    body, kind, reason = BAD.get(what, (b"", "", ""))
    url = web.has(f"/{what}", body, kind)
    if what == "inside":
        url, reason = web.has("/to", b"", status=302, Location="http://169.254.169.254/latest/meta-data"), "169.254"
    elif what == "literal":
        url, reason = "http://169.254.169.254/x.png", "169.254"
    elif what == "loop":
        url, reason = web.has("/loop", b"", status=302, Location="/loop"), "redirects"
    elif what == "lost":
        url, reason = web.url("/no"), "404"
    elif what == "drip":
        reason = "longer than 2 s"
    told = [article(1, img(url, 'alt="in words"') + img(good)), article(2, img(good))]
    began = time.monotonic()
    pictures = gathered(site, *told, fetcher=lambda: Fetcher("test", replace(FETCH, total_s=2)))
    assert time.monotonic() - began < 8
    assert list(pictures.of("desk")) == [good]
    assert reason in pictures.notes[0]
    assert pictures.notes[0].startswith("article 1: a picture from ")
    html = shown(site, pictures, *told)
    assert html.count(f"{PUBLIC}/i/") >= 2
    assert "[in words]" in html
    row = next(row for row in rows_of(site) if row.url == url)
    assert (row.name, reason in row.reason) == ("", True)
    assert row.retry_at > site.now


def test_a_gif_of_ten_thousand_frames_is_its_first(site: Any, web: Web) -> None:
    two = written(Image.new("RGB", (9, 9), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    last = two[two.rindex(b"\x21\xf9\x04"):-1]
    body = two[:-1] + last * 10_000 + b";"
    assert Image.open(BytesIO(body)).n_frames == 10_002
    pictures = gathered(site, article(1, img(web.has("/g.gif", body, "image/gif"))))
    name = next(iter(pictures.of("desk").values())).name
    assert name.endswith((".png", ".jpg"))


def test_all_together_end_in_time_and_are_tried_in_the_next(site: Any, web: Web) -> None:
    drips = [web.url(f"/drip{n}") for n in range(12)]
    one = article(1, "".join(map(img, drips)) + img(web.has("/p.jpg", PHOTO)))
    began = time.monotonic()
    pictures = gathered(site, one, total_s=1.0)
    assert time.monotonic() - began < 4
    assert not pictures.of("desk")
    assert len(pictures.notes) == gather.NOTES + 1
    assert "no time left" in pictures.notes[0]
    assert rows_of(site) == [], "nothing is held against what was broken off"


def test_a_source_that_wastes_time_leaves_some_to_the_others(
    site: Any, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "SLOW_S", 0.5)
    monkeypatch.setattr(gather, "AT_ONCE", 2)
    one = article(1, "".join(img(web.url(f"/drip{n}")) for n in range(15)))
    told = [one, replace(article(2, img(web.has("/p.jpg", PHOTO))), source="other")]
    config = site.app.config
    other = config.sources[0].model_copy(update={"slug": "other"})
    config = replace(config, sources=(*config.sources, other))
    pictures = gathered(site, *told, config=config, fetcher=lambda: Fetcher("test", replace(FETCH, total_s=1)))
    assert pictures.of("other")
    assert len([path for path in web.log if path.startswith("/drip")]) <= gather.STRIKES + 1
    assert any("cost too much time" in note for note in pictures.notes)


def test_no_more_than_so_many_are_fetched_for_one_digest(site: Any, web: Web) -> None:
    urls = [web.has(f"/{n}.png", SMILEY, "image/png") for n in range(5)]
    told = [article(n, img(url)) for n, url in enumerate(urls, 1)]
    pictures = gathered(site, *told, most=3)
    assert list(pictures.of("desk")) == urls[:3], "the first that are shown"
    assert sorted(web.log) == ["/0.png", "/1.png", "/2.png"]
    assert "more than 3" in pictures.notes[0]
    assert list(gathered(site, *told, most=3).of("desk")) == urls


def test_a_folder_that_can_t_be_written_leaves_the_digest_whole(site: Any, web: Web) -> None:
    site.app.picture_folder.write_text("not a folder")
    one = article(1, img(web.has("/p.jpg", PHOTO), 'alt="words"'))
    pictures = gathered(site, one)
    assert "can't be written" in pictures.notes[0]
    assert "[words]" in shown(site, pictures, one)
    site.app.picture_folder.unlink()
    assert gathered(site, one).of("desk"), "and it says nothing about the picture"


FORGER = """
import sys; sys.path[:] = sys.argv[2:]
from pipeline.children.child import serve
from pipeline.compose.pictures.answers import ANSWERS, Remade
serve(ANSWERS, {{"picture": lambda body, **_: Remade({ending!r}, {data!r}, {width}, 9)}})
"""


@pytest.mark.parametrize(("ending", "data", "width"), [
    ("png", b"<html><script>alert(1)</script>", 9), ("html", b"<html>", 9), ("../../x.png", b"\x89PNG\r\n\x1a\n", 9),
    ("png", b"\x89PNG\r\n\x1a\n", 0), ("png", b"\x89PNG\r\n\x1a\n", 99_999), ("jpg", b"\x89PNG\r\n\x1a\n", 9),
])
def test_a_child_that_was_taken_over_is_not_believed(
    site: Any, web: Web, monkeypatch: pytest.MonkeyPatch, ending: str, data: bytes, width: int
) -> None:
    monkeypatch.setattr(gather, "PICTURES", FORGER.format(ending=ending, data=data, width=width))
    pictures = gathered(site, article(1, img(web.has("/p.jpg", PHOTO))))
    assert not pictures.found
    assert "no picture" in pictures.notes[0]
    assert not site.app.picture_folder.exists()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = Folder(tmp_path / "pictures")
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], fails)
    with pytest.raises(StoreError, match="No space left"):
        folder.save(PHOTO, "jpg")
    assert list(folder.path.iterdir()) == []
    monkeypatch.undo()
    name = folder.save(PHOTO, "jpg")
    assert (folder.path / name).read_bytes() == PHOTO
    assert (folder.path / name).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.path.iterdir()] == [name]
    assert folder.save(PHOTO, "jpg") == name


def test_nothing_to_fetch_starts_nothing(site: Any) -> None:
    told = [article(1, "<p>words</p>"), article(2, img(f"{PUBLIC}/media/1.png")),
            article(3, img("https://a.example/x.png"), source="silent")]
    pictures = gathered(site, *told, fetcher=lambda: pytest.fail("nothing is to be fetched"),
                        store=None)
    assert (pictures.found, pictures.notes) == ({}, ())
    assert not site.app.picture_folder.exists()


# --- the whole way ---


def accept(site: Any, html: str) -> None:
    site.accept(["Article one"])
    with site.app.store.write() as connection:
        connection.execute(rows.update().values(html=clean_html(html)))


def test_a_digest_is_composed_with_pictures_and_its_preview_is_the_same(site: Any, web: Web) -> None:
    accept(site, img(web.has("/p.jpg", PHOTO), 'alt="seen"') + img(web.url("/lost.png"), 'alt="unseen"'))
    newsletter = site.app.config.newsletters[0]
    before = preview(site.app, newsletter)
    assert before.sheet
    asked = list(web.log)
    digest = compose(parts(site.app), newsletter, Slot("daily", NOMINAL, site.now), audience="daily", now=site.now)
    assert digest.status is DigestStatus.FROZEN
    assert web.log == asked, "the preview has fetched them"
    with site.app.store.read() as connection:
        bodies = "".join(row.body for row in connection.execute(fragments.select()))
        notes = "\n".join(connection.execute(select(table_of_digests.c.notes)).scalar_one())
    found = re.findall(r'<img src="([^"]+)"', bodies)
    assert found
    assert all(url.startswith(f"{PUBLIC}/i/") for url in found)
    assert found[0] in before.sheet.html
    assert "article 1: a picture from 127.0.0.1 stands in words" in notes
    assert "404" in notes


# --- what may go ---


def test_what_a_digest_shows_stays_and_the_rest_may_go(site: Any, web: Web) -> None:
    accept(site, img(web.has("/p.jpg", PHOTO)))
    newsletter = site.app.config.newsletters[0]
    compose(parts(site.app), newsletter, Slot("daily", NOMINAL, site.now), audience="daily", now=site.now)
    site.advance(days=30)
    with site.app.store.write() as connection:
        connection.execute(rows.update().values(html="<p>It has no picture any more.</p>"))
    later = compose(parts(site.app), newsletter, Slot("daily", "2026-07-01T08:00", site.now), audience="daily",
                    now=site.now)
    assert later.status is DigestStatus.FROZEN
    gathered(site, article(9, img(web.has("/s.png", SMILEY, "image/png"))))
    folder = site.app.picture_folder
    (folder / "a.new").write_bytes(b"half")
    (folder / "mine.txt").write_bytes(b"the operator's")
    assert clear_pictures(site.app.store, folder) == set(), "somebody may just be freezing with it"
    removed = clear_pictures(site.app.store, folder, unused_s=0)
    assert [name.rpartition(".")[2] for name in removed] == ["png"]
    assert sorted(path.suffix for path in folder.iterdir()) == [".jpg", ".new", ".txt"]
    assert [row.url for row in rows_of(site)] == [web.url("/p.jpg")]
    assert clear_pictures(site.app.store, folder, unused_s=0) == set()


def test_what_is_taken_back_takes_its_pictures_along(site: Any, web: Web) -> None:
    """Of two articles that a digest shows one is withdrawn, and then the whole source is taken down."""
    site.accept(["Article one", "Article two"])
    urls = [web.has("/p.jpg", PHOTO), web.has("/s.png", SMILEY, "image/png")]
    with site.app.store.write() as connection:
        for number, url in enumerate(urls, 1):
            connection.execute(rows.update().where(rows.c.id == number).values(html=img(url)))
    compose(parts(site.app), site.app.config.newsletters[0], Slot("daily", NOMINAL, site.now), audience="daily",
            now=site.now)
    folder = site.app.picture_folder
    assert sorted(path.suffix for path in folder.iterdir()) == [".jpg", ".png"]
    withdraw(site.app, named_articles(site.app, [1]), "it was wrong")
    assert [path.suffix for path in folder.iterdir()] == [".png"]
    take_down(site.app, known(site.app, "desk"), "they asked")
    assert list(folder.iterdir()) == []
    assert rows_of(site) == []


def test_a_freeze_and_a_clearing_wait_for_each_other(site: Any, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is cleared between the gathering and the freeze is gathered once more."""
    accept(site, img(web.has("/p.jpg", PHOTO)))
    cleared: list[set[str]] = []

    def clear_first(*arguments: Any, **options: Any) -> Any:
        if not cleared:
            cleared.append(clear_pictures(site.app.store, site.app.picture_folder, unused_s=0))
        return press(*arguments, **options)

    monkeypatch.setattr(stage, "press", clear_first)
    digest = compose(parts(site.app), site.app.config.newsletters[0], Slot("daily", NOMINAL, site.now),
                     audience="daily", now=site.now)
    assert digest.status is DigestStatus.FROZEN
    assert len(cleared[0]) == 1
    assert {path.name for path in site.app.picture_folder.iterdir()} == cleared[0]
    assert web.log == ["/p.jpg", "/p.jpg"]
