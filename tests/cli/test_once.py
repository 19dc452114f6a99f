"""once: everything that is due; twice it does nothing; what fails is named and stops nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCES = """
[[sources]]
slug = "{slug}"
url = "{url}"
allow_networks = ["127.0.0.0/8"]
[[feeds]]"""


def test_a_second_time_nothing_is_new_nothing_written_nothing_sent(
    broadsheet: Callable[..., Any], make_site: Any
) -> None:
    site = make_site()
    site.write("one.md", "Article one")
    site.subscribe("ann@here.example", start_seq=0)
    site.advance(hours=3)
    first = broadsheet(site, "once")
    assert first.status == 0, first.all
    assert "1 new, from 1 source" in first.out
    assert "1 article for 1 person" in first.out
    assert "1 sent" in first.out
    before = _files(site.folder)
    assert any("mailbox/new" in name for name in before)
    site.advance(minutes=5)
    second = broadsheet(site, "once")
    assert second.status == 0
    assert "Nothing was new" in second.out
    assert _files(site.folder) == before
    values = broadsheet(site, "once", "--json")
    assert values.json["idle"] is True
    assert values.err.rstrip().splitlines()[-1].startswith("Next: ")


def test_each_failure_is_named_and_the_rest_goes_on(
    broadsheet: Callable[..., Any], make_site: Any, served: tuple[Path, str]
) -> None:
    folder, url = served
    (folder / "page.html").write_text("<!doctype html><title>No feed</title><p>Only a page, with nothing to read.")
    site = make_site()
    config = site.folder / "config.toml"
    sources = "".join(SOURCES.removesuffix("[[feeds]]").format(slug=slug, url=f"{url}/{name}")
                      for slug, name in (("page", "page.html"), ("gone", "gone.xml")))
    config.write_text(config.read_text().replace("[[feeds]]", sources + "[[feeds]]", 1))
    site.write("good.md", "Article good")
    (site.folder / "articles" / "bad.md").write_bytes(b"\xff\xfe\x00 no text \x81")
    (site.folder / "articles" / "loop.md").symlink_to(site.folder / "articles" / "loop.md")
    site.subscribe("ann@here.example", start_seq=0)
    site.advance(hours=3)
    said = broadsheet(site, "once")
    assert said.status == 3
    for name in ("source page", "source gone", "404"):
        assert name in said.err, said.err
    assert "Traceback" not in said.all
    assert "1 sent" in said.out, said.all
    assert (site.folder / "feeds" / "all" / "rss.xml").exists()


def test_a_broken_template_holds_the_digest_and_is_named_with_its_line(
    broadsheet: Callable[..., Any], make_site: Any
) -> None:
    site = make_site()
    own = site.folder / "templates" / "digest"
    own.mkdir(parents=True)
    (own / "body.html.j2").write_text('{% extends "digest/body.html.j2" %}\n\n{% block article %}{{ article.\n')
    site.write("one.md", "Article one")
    site.subscribe("ann@here.example", start_seq=0)
    site.advance(hours=3)
    said = broadsheet(site, "once")
    assert said.status == 3
    assert "body.html.j2:" in said.err
    assert site.mails() == []
    assert (site.folder / "feeds" / "all" / "atom.xml").exists()
    assert "held" in broadsheet(site, "next").err
    checked = broadsheet(site, "check")
    assert checked.status == 1
    assert "✗ template digest" in checked.out


def test_once_while_stopped_sends_nothing_and_is_no_failure(broadsheet: Callable[..., Any], make_site: Any) -> None:
    site = make_site()
    site.write("one.md", "Article one")
    site.subscribe("ann@here.example", start_seq=0)
    assert broadsheet(site, "stop", "spring", "cleaning").status == 0
    site.advance(hours=3)
    for command in (["once"], ["deliver"], ["audit"], ["next"], ["runs"]):
        said = broadsheet(site, *command)
        assert (command, said.status) == (command, 0), said.all
        assert "stopped: spring cleaning" in said.err
    assert site.mails() == []
    refused = broadsheet(site, "send-test", "lantern", "me@here.example")
    assert refused.status == 1
    assert "stopped: spring cleaning" in refused.err
    assert broadsheet(site, "go").status == 0
    assert broadsheet(site, "deliver").status == 0
    assert site.told("ann@here.example") == ["Article one"]


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything that people can see: the database and its key aside."""
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino)
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith("broadsheet.") and "locks" not in path.parts}


def test_pages_that_were_read_and_those_that_wait_are_told(
    broadsheet: Callable[..., Any], make_site: Any, served: tuple[Path, str]
) -> None:
    folder, url = served
    prose = "<p>It is told here at such a length that no other article could be meant by it, not even by mistake.</p>"
    links = [f"{url}/0.html", f"{url}/1.html", "http://127.0.0.1:1/nobody-answers.html"]
    items = "".join(f"<item><title>Article {n}</title><link>{link}</link><description>Of article {n}.</description>"
                    "</item>" for n, link in enumerate(links))
    (folder / "feed.xml").write_text(f"<rss version='2.0'><channel><title>S</title>{items}</channel></rss>")
    for n in range(2):
        (folder / f"{n}.html").write_text(f"<html><body><article><h1>Article {n}</h1>{prose * 5}</article></body>")
    more = 'full_text = true\nexclude = ["article 1"]\nevery = "1d"\n[[feeds]]'
    site = make_site()
    config = site.folder / "config.toml"
    config.write_text(config.read_text().replace(
        "[[feeds]]", SOURCES.format(slug="papers", url=f"{url}/feed.xml").replace("[[feeds]]", more), 1))
    said = broadsheet(site, "collect", "papers")
    assert said.status == 0, said.all
    assert "2 pages asked for, 1 waits" in said.out
    assert "papers: 1 article seen and not taken; `broadsheet why WORDS` says why" in said.err
    site.advance(minutes=5)
    said = broadsheet(site, "once")
    assert "Nothing was new" not in said.out, "the feeds are written"
    assert "1 article waits for its own" in said.out
    site.advance(minutes=5)
    said = broadsheet(site, "once")
    assert "Nothing was new" in said.out
    assert "1 article waits for its own" in said.out
    site.advance(minutes=10)
    said = broadsheet(site, "once")
    assert "Pages  1 asked for; 1 article waits for its own" in said.out, said.out
    assert "Nothing was new" not in said.out, "a page was asked for"
    values = broadsheet(site, "collect", "papers", "--json").json
    assert values["waiting"] == {"papers": 1}
    assert values["polls"][0]["pages"] == 0
