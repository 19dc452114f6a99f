"""Pictures of every shipped design, for docs/templates.md: `make pictures` writes docs/pictures/DESIGN-VIEW.png.

The letter is made up, its drawings too; it is frozen like any digest. The pictures show its upper part, at one pixel
for each CSS pixel, so that the repository stays small. Needs a Chromium, like `preview --screenshots`.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.compose.freeze import content_of, freeze
from pipeline.desk.screenshots import Shot, take
from pipeline.model.articles import Also, Article, ArticleStatus, Show
from pipeline.model.frozen import TOKENS, Arrangement, DigestPage, personal_html
from pipeline.render.templates import Templates
from pipeline.render.views import GroupView
from pipeline.text.clean import clean_html

ROOT = Path(__file__).resolve().parent.parent
SITE = "https://lantern.example"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
MOST_KB = 250   # of one picture
SHOTS = (
    Shot("light", width=760, most_height=1500),
    Shot("dark", width=760, most_height=1500, dark=True),
    Shot("phone", width=390, height=844, phone=True, most_height=1500),
)

@dataclass(frozen=True)
class Story:
    """A made-up article. `drawn` says what its drawing shows, "" where it has none."""

    topic: str
    source: str
    author: str
    title: str
    drawn: str
    text: str            # paragraphs, with an empty line between

    @property
    def paragraphs(self) -> list[str]:
        return [" ".join(paragraph.split()) for paragraph in self.text.split("\n\n")]


OURS = "The Lantern"
STORIES = (
    Story("river", OURS, "Maud Okafor", "What a ferry timetable knows", "A ferry at the pier before sunrise", """
        The first boat leaves at five past five, and nobody on it is on holiday. There are two bakers, a nurse on her
        way home, a man with a trombone, and the milk.

        A timetable is the shortest history of a town that there is. Each line was asked for by somebody. The 5.05 was
        asked for by the dairy, in 1911; the dairy has been a climbing hall for twenty years, and the boat still leaves.

        We went through ninety years of them. What we found is a river that gets wider when money is short, and narrower
        before elections."""),
    Story("river", "Neighbours' Weekly", "", "The heron of pier four has a rival", "", """
        Since Tuesday there are two of them, and they do not look at each other. The harbour master calls it a dispute,
        the school calls it a project."""),
    Story("kitchen", "Bread & Water", "Tomáš Novák", "Eleven ways to keep a loaf", "A round loaf on a board", """
        We kept eleven loaves from one oven for eleven days: in paper, in linen, in tin, in the fridge, under a bowl,
        and in a drawer with an apple. One of them won, and it was not the one we had bet on.

        The drawer came last. The apple was excellent."""),
    Story("kitchen", "Bread & Water", "Ines Halloran", "Soup for people who come home late", "", """
        Lentils, a lemon, one pot, nineteen minutes. The lemon goes in whole and comes out again."""),
    Story("city", OURS, "Karin Sjöberg", "A bench outside number nine", "A bench below a street lamp", """
        Nobody knows who put it there, and the council would like to. It has been repaired three times, once with better
        wood than before.

        The people of number nine have agreed to sit on it in turns until the matter is settled."""),
    Story("city", "Open Streets", "", "How the trees are counted", "", """
        There are 41,300 of them, give or take the ones that fell while we were counting. A walk with two students, a
        tape, and a list from 1974."""),
)


def main() -> None:
    """Write all pictures, and say how large each is."""
    for body in sorted(ROOT.glob("templates/*/body.html.j2")):
        for path in draw(body.parent.name, ROOT / "docs" / "pictures"):
            kilobytes = path.stat().st_size // 1000
            print(f"{path.relative_to(ROOT)}  {kilobytes} KB")
            if kilobytes > MOST_KB:
                raise SystemExit(f"{path.name} is larger than {MOST_KB} KB: a lower most_height in docs/pictures.py")


def draw(design: str, folder: Path) -> list[Path]:
    """One picture for each view."""
    shots = [replace(shot, name=f"{design}-{shot.name}") for shot in SHOTS]
    return take(letter(design), folder, answers=drawing, shots=shots)


def letter(design: str) -> str:
    """The made-up letter in a design, as it would be mailed."""
    page = DigestPage(
        site_title="The Lantern", public_url=SITE, language="en", newsletter_slug="lantern",
        newsletter_title="The Lantern", digest_name="2026-11-22-0800-daily", date=NOW,
        digest_url=f"{SITE}/n/lantern/2026-11-22-0800-daily", archive_url=f"{SITE}/n/lantern/",
        feed_url=f"{SITE}/feeds/all/rss.xml", postal_address="The Lantern, Main Street 1, Anytown",
        description="What a small town's desk found worth printing")
    articles = [article(number) for number in range(1, len(STORIES) + 1)]
    topics = list(dict.fromkeys(story.topic for story in STORIES))
    groups = tuple(GroupView(n, topic, topic.capitalize()) for n, topic in enumerate(topics, 1))
    shown = Arrangement(tuple(a.id for a in articles), tuple(topics.index(story.topic) + 1 for story in STORIES))
    made = freeze(Templates([ROOT / "templates"]).digest(design), page, content_of(articles, page, groups=groups),
                  nonce="pictures0nonce")
    values = dict.fromkeys(TOKENS, "") | {name: f"{SITE}/{name}" for name in TOKENS if name.endswith("_url")} | {
        "address": "reader@example.com", "since": "3 May 2026", "preheader": STORIES[1].title, "more": "4",
        "contents": "1", "count": str(len(articles))}
    return personal_html(made, shown, values)


def article(number: int) -> Article:
    story = STORIES[number - 1]
    at = NOW - timedelta(hours=5 * number)
    image = f"{SITE}/drawn/{number}.png" if story.drawn else ""
    picture = f'<p><img src="{image}" alt="{story.drawn}" width="640" height="320"></p>' if image else ""
    html = picture + "".join(f"<p>{paragraph}</p>" for paragraph in story.paragraphs)
    url = "" if story.source == OURS else f"https://example.org/{number}"
    also = (Also(99, "Neighbours' Weekly", "https://neighbours.example/ferry"),) if number == 1 else ()
    return Article(
        id=number, source=story.source, source_title=story.source, guid="", url=url, title=story.title,
        author=story.author, summary=story.paragraphs[0], html=clean_html(html), published_at=at, first_seen_at=at,
        updated_at=at, accepted_seq=number, accepted_at=at, status=ArticleStatus.ACCEPTED, story=number, revision=1,
        topics=(story.topic,), show=Show.FULL if image else Show.SUMMARY, image=image, also=also)


def drawing(address: str) -> bytes | None:
    """A PNG of hills under a sky, other ones for each number; None where no drawing of ours lies."""
    name = address.removeprefix(f"{SITE}/drawn/").removesuffix(".png")
    return _hills(int(name)) if name.isdecimal() else None


def _hills(number: int, width: int = 640, height: int = 320) -> bytes:
    sky, sun, *hills = [
        ((236, 214, 186), (224, 122, 72), (150, 166, 160), (92, 122, 126), (44, 72, 84)),
        ((206, 220, 224), (250, 240, 214), (214, 180, 128), (172, 118, 70), (96, 66, 50)),
        ((52, 60, 92), (240, 214, 140), (74, 78, 118), (44, 48, 80), (24, 26, 46)),
    ][number // 2 % 3]
    colours = bytes(value for colour in (sky, sun, *hills) for value in colour)
    ridges = [[height * (0.5 + 0.16 * layer) + 26 * math.sin(x / (58 + 17 * layer) + number * (layer + 1))
               for x in range(width)] for layer in range(len(hills))]
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            layer = max((n for n, ridge in enumerate(ridges, 2) if y > ridge[x]), default=0)
            rows.append(layer or int(math.hypot(x - width * 0.7, y - height * 0.32) < 38))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    packed = zlib.compress(bytes(rows), 9)
    chunks = ((b"IHDR", head), (b"PLTE", colours), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)


if __name__ == "__main__":
    main()
