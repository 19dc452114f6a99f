"""What building a feed costs against plain feedgen, and what it costs to find that nothing is new.

    two_formats_vs_feedgen   RSS and Atom of a 50-article feed against feedgen's RSS alone, of the same articles
    first_ms, nothing_new_ms  the whole stage for that feed: read rows, select, build, write; then again, unchanged
"""

from __future__ import annotations

import feedgen.entry
import feedgen.feed
import feedgen.util
from feedgen.feed import FeedGenerator
from measure import Options, Result, accept, folder, found_articles, main, median_s, medians_s, seconds, site

from pipeline.app import App
from pipeline.model.articles import Article
from pipeline.publish.build import build
from pipeline.publish.stage import articles_of, page_of, publish

ARTICLES, WORDS_EACH = 50, 400

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[sources]]
slug = "desk"
folder = "articles"
[[feeds]]
slug = "all"
title = "Everything"
"""


def measure(options: Options) -> Result:
    with folder() as place, site(CONFIG, place) as app:
        accept(app, "desk", found_articles(options.size(ARTICLES, 3), WORDS_EACH))
        feed = app.config.feed("all")
        page, articles = page_of(app.store, app.config, feed), articles_of(app.store, feed)
        runs = options.size(101, 1)
        ours_s, plain_s = medians_s(runs, lambda: build(page, articles), lambda: _plain(articles))
        size = len(build(page, articles).rss)
        first_s = seconds(lambda: publish(app.store, app.config))
        unchanged_s = median_s(runs, lambda: _nothing_new(app))
    return Result(
        figures={
            "two_formats_vs_feedgen": ours_s / plain_s, "two_formats_ms": ours_s * 1e3, "first_ms": first_s * 1e3,
            "nothing_new_ms": unchanged_s * 1e3, "rss_kb": size / 1e3,
        },
        peers={"feedgen_rss_ms": plain_s * 1e3},
        runs=runs,
        limits="feedgen and lxml build each document's tree from the ground; where nothing is new the same is built "
               "again and only the write is saved",
    )


def _nothing_new(app: App) -> None:
    if publish(app.store, app.config).written:
        raise AssertionError("a file was written although nothing changed")


def _plain(articles: list[Article]) -> bytes:
    """The same articles through feedgen as its manual shows it, its own way of writing dates included."""
    ours = feedgen.entry.formatRFC2822
    feedgen.entry.formatRFC2822 = feedgen.feed.formatRFC2822 = feedgen.util.formatRFC2822
    try:
        generator = FeedGenerator()
        generator.id("https://lantern.example/feeds/all/")
        generator.title("Everything")
        generator.description("Everything")
        generator.language("en")
        generator.link(href="https://lantern.example/feeds/all/rss.xml", rel="self")
        generator.link(href="https://lantern.example/feeds/all/", rel="alternate")
        for article in articles:
            entry = generator.add_entry(order="append")
            entry.id(f"article-{article.id}")
            entry.title(article.title)
            entry.link(href=article.url)
            entry.published(article.published_at)
            entry.updated(article.updated_at)
            entry.summary(article.summary)
            entry.content(article.html, type="html")
            for topic in article.topics:
                entry.category(term=topic)
            entry.author({"name": article.author})
        document: bytes = generator.rss_str(pretty=True)
        return document
    finally:
        feedgen.entry.formatRFC2822 = feedgen.feed.formatRFC2822 = ours


if __name__ == "__main__":
    main("publish", (__doc__ or "").splitlines()[0], measure)
