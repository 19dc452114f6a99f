"""How long a freeze takes, what one more selection costs, and how many messages a core personalises in a second.

    freeze_vs_premailer    a whole freeze of 20 articles, from what was chosen to what is stored, against ONE warm
                           premailer transform of the same document: what mailing costs at the very least
    selection_ms           one more distinct selection: choosing, subject, preheader and its row
    selections_10k_s, _mb  10,000 of them from one freeze, and the most memory that the process had, freeze included
    fill_10k_s, _mb        the same on the way that people's go: 10,000 people of whom no two picked the same topics
    personalise_per_s      whole messages (headers, both links signed, both parts) joined to bytes, of one selection
    personalise_own_per_s  the same where no two people have the same selection
"""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Any

from measure import NOW, Options, Result, accept, folder, found_articles, main, medians_s, seconds, site, subscribe
from premailer import Premailer
from sqlalchemy import bindparam, update

from pipeline.app import App, open_app
from pipeline.compose.choose import Plan, choose
from pipeline.compose.freeze import content_of, render_directly, views_of
from pipeline.compose.press import press
from pipeline.compose.selections import store_selections
from pipeline.compose.settings import page_for
from pipeline.compose.stage import compose, fill_batches
from pipeline.deliver.letters import Letter, Letters
from pipeline.jobs.sends import parts
from pipeline.model.articles import Article
from pipeline.model.frozen import Arrangement
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus, Window
from pipeline.model.pictures import IN_WORDS
from pipeline.model.runs import Slot
from pipeline.model.selection import Candidate, select
from pipeline.render.cut import Markers
from pipeline.store import declared, digests
from pipeline.store.deliveries import Claimed
from pipeline.store.schema import subscriptions

ARTICLES, WORDS_EACH = 20, 241   # 128 KB a message, of which 83 are HTML before it is encoded
PEOPLE = 10_000                  # messages personalised in one run
SELECTIONS = 10_000
BATCH = 500                      # selections in one transaction, as people are filled

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
postal_address = "Lantern, Main Street 1, Stockholm"
[[sources]]
slug = "desk"
folder = "articles"
[[newsletters]]
slug = "lantern"
title = "The Lantern"
description = "Letters from the quay"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
[mail]
sender = "The Lantern <news@lantern.example>"
"""


def measure(options: Options) -> Result:
    runs = options.size(31, 1)
    chosen, filled = (_in_a_process(way, options) for way in (_chosen, _filled))
    with folder() as place, site(CONFIG, place) as app:
        _accept(app, options)
        subscribe(app, "lantern", "daily", 3)
        took, document_kb = _freezes(app, runs)
        digest = compose(parts(app), app.config.newsletter("lantern"), Slot(MANUAL, "benchmark", NOW), audience="",
                         now=NOW)
        fill_batches(parts(app), NOW)
        selection_s = _select_all(app, digest.id, _picks(options.size(BATCH, 3))) / options.size(BATCH, 3)
        people = options.size(PEOPLE, 20)
        own = _own_selections(app, digest.id, people)
        letter = Letters(app.store).get(digest.id)
        shared = min(letter.selections)
        size = len(_message(app, letter, 1, shared))
        shared_s, own_s = medians_s(
            options.size(3, 1), lambda: _personalise(app, letter, [shared] * people),
            lambda: _personalise(app, letter, own), warm=0)
    return Result(
        figures={
            "freeze_vs_premailer": took["ours"] / took["premailer"], "freeze_ms": took["ours"] * 1e3,
            "selection_ms": selection_s * 1e3,
            "selections_10k_s": chosen["s"], "selections_10k_mb": chosen["mb"],
            "fill_10k_s": filled["s"], "fill_10k_mb": filled["mb"],
            "personalise_per_s": people / shared_s, "personalise_own_per_s": people / own_s,
            "personalise_vs_jinja_premailer": took["jinja_premailer"] * people / shared_s,
            "message_kb": size / 1e3,
        },
        peers={f"{name}_ms": s * 1e3 for name, s in took.items() if name != "ours"} | {"document_kb": document_kb},
        runs=runs,
        limits="freeze: premailer itself, then a second parse to compare markers, plain text and quoted-printable; "
               "selections: the row (SQL), then the subject's template; messages: copying 128 KB, then headers and "
               "three HMACs" + "".join(f"; {name} can't be had here, so it is no peer"
                                       for name in ("css_inline", "juice") if name not in took),
    )


# --- the freeze, and what others need for the same letter -------------------------------------------------


def _freezes(app: App, runs: int) -> tuple[dict[str, float], float]:
    """(seconds by who does it, kilobytes of the document that peers inline)."""
    newsletter = app.config.newsletter("lantern")
    digest = Digest(1, "lantern", "daily", "2026-06-01T08:00", DigestStatus.DRAFT, NOW, 0, NOW)
    with app.store.read() as connection:
        newsletter_id = declared.newsletter_id(connection, "lantern")
        plan = choose(connection, newsletter_id, newsletter, "", digest, NOW)
    template, page = app.templates().digest("digest"), page_for(app.config, newsletter, digest)
    shown = Arrangement(tuple(a.id for a in plan.fresh))
    values = {"unsubscribe_url": "https://lantern.example/u/1", "preferences_url": "https://lantern.example/p/1",
              "address": "reader@people.example", "since": "1 June 2026", "preheader": "What else is in it",
              **shown.values(contents=True)}
    document = _document(app, plan, values)
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: press(app.templates(), app.config, newsletter, digest, plan, nonce=token_hex(8),
                              pictures=IN_WORDS),
        "premailer": lambda: _premailer(document, template.css),
        "jinja_premailer": lambda: render_directly(template, page, content_of(plan.fresh, page), shown, values,
                                                   nonce=token_hex(8)),
    }
    with ExitStack() as stack:
        if inliner := _css_inline(template.css):
            ways["css_inline"] = lambda: inliner(document)
        if juice := stack.enter_context(_juice(document, template.css)):
            ways["juice"] = juice
        took = medians_s(runs, *ways.values(), warm=min(runs, 5))
    return dict(zip(ways, took, strict=True)), len(document.encode()) / 1e3


def _document(app: App, plan: Plan, values: dict[str, str]) -> str:
    """What an inliner gets where nothing is frozen: the same letter with one person's values."""
    digest = Digest(1, "lantern", "daily", "2026-06-01T08:00", DigestStatus.DRAFT, NOW, 0, NOW)
    page = page_for(app.config, app.config.newsletter("lantern"), digest)
    markers, blocks = Markers("html", token_hex(8), values), app.templates().digest("digest").blocks("html", page)
    kinds = {"articles": "article", "toc": "toc_entry"}
    rendered = {kind: [(view.id, blocks.render(block, article=view)) for view in views_of(plan.fresh, page)]
                for kind, block in kinds.items()}
    return markers.assemble(blocks.render("shell", **markers.context()), rendered)


def _premailer(document: str, css: str) -> str:
    out: str = Premailer(
        css_text=css, allow_network=False, disable_validation=True,
        disable_basic_attributes=["width", "height", "align", "valign", "bgcolor"],
    ).transform(document, pretty_print=False)
    return out


def _css_inline(css: str) -> Callable[[str], str] | None:
    """The extra `bench` has it."""
    try:
        library = import_module("css_inline")
    except ImportError:
        return None
    inliner = library.CSSInliner(extra_css=css, inline_style_tags=False, load_remote_stylesheets=False)
    found: Callable[[str], str] = inliner.inline
    return found


@contextmanager
def _juice(document: str, css: str) -> Iterator[Callable[[], object] | None]:
    """One Node for all runs, which inlines once for each line that it reads; None without Node and its juice (where
    Node looks for it: NODE_PATH, or a folder above this one)."""
    node = shutil.which("node")
    script = Path(__file__).with_name("juice.js")
    if node is None or subprocess.run([node, script, "--there"], capture_output=True, check=False).returncode:
        yield None
        return
    with subprocess.Popen([node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        send, answers = process.stdin, process.stdout
        if send is None or answers is None:
            raise AssertionError("a pipe was asked for")
        send.write(json.dumps({"html": document, "css": css}) + "\n")

        def once() -> None:
            send.write("again\n")
            send.flush()
            if int(answers.readline()) < len(document):
                raise AssertionError("juice inlined nothing")

        yield once
        send.close()


# --- selections -------------------------------------------------------------------------------------------


def _accept(app: App, options: Options) -> None:
    """Articles of which each has a topic of its own, so that any set of them can be somebody's."""
    found = found_articles(options.size(ARTICLES, 3), WORDS_EACH)
    accept(app, "desk", [replace(one, topics=(f"topic-{n}",)) for n, one in enumerate(found)])


def _picks(count: int) -> list[tuple[str, ...]]:
    """So many different sets of topics, about half of all in each."""
    sets = random.Random(1).sample(range(1, 2**ARTICLES), count)
    return [tuple(f"topic-{n}" for n in range(ARTICLES) if chosen >> n & 1) for chosen in sets]


@dataclass(frozen=True, slots=True)
class _Digest:
    """What selecting needs to know of a frozen digest."""

    id: int
    head: Letterhead
    articles: Sequence[Article]
    candidates: Sequence[Candidate]


def _read(app: App, digest_id: int) -> _Digest:
    with app.store.read() as connection:
        rows = digests.frozen_articles(connection, digest_id)
        head = Letterhead.from_json(digests.settings(connection, digest_id))
    return _Digest(digest_id, head, [a for a, _ in rows], [how for _, how in rows])


def _select_all(app: App, digest_id: int, picks: Sequence[tuple[str, ...]]) -> float:
    """Seconds to choose for each set of topics, to word it and to store it, some in each transaction."""

    def each() -> None:
        digest = _read(app, digest_id)
        window = Window(0, max(a.accepted_seq for a in digest.articles))
        for start in range(0, len(picks), BATCH):
            with app.store.write() as connection:
                chosen = [select(digest.candidates, window, digest.head.rules, topics=topics, room=digest.head.room)
                          for topics in picks[start:start + BATCH]]
                store_selections(connection, app.templates(), digest.head, digest.id,
                                 [("", selection) for selection in chosen], digest.articles)

    return seconds(each)


def _own_selections(app: App, digest_id: int, count: int) -> list[int]:
    """So many selections of all articles, each in another order."""
    ids, rng = [article.id for article in _read(app, digest_id).articles], random.Random(2)
    new = [digests.Worded(Arrangement(tuple(rng.sample(ids, len(ids)))), number, "The ferry that came back and 19 more",
                          "What else is in it") for number in range(1, count + 1)]
    with app.store.write() as connection:
        return list(digests.add_selections(connection, digest_id, new).values())


Way = Callable[[Path, int], float]


def _in_a_process(way: Way, options: Options) -> dict[str, float]:
    """Seconds and the peak of memory, from a process that does nothing else; who subscribed is there before it."""
    count = options.size(SELECTIONS, 7)
    people = [{"number": number, "picked": list(topics)} for number, topics in enumerate(_picks(count), 1)]
    picked = update(subscriptions).where(subscriptions.c.id == bindparam("number")).values(topics=bindparam("picked"))
    with folder() as place:
        with site(CONFIG, place) as app:
            _accept(app, options)
            subscribe(app, "lantern", "daily", count if way is _filled else 3)
            if way is _filled and not options.smoke:
                with app.store.write() as connection:
                    connection.execute(picked, people)
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(way, place, count, there))
        process.start()
        there.close()
        figures: dict[str, float] = json.loads(here.recv())
        process.join(60)
    return figures


def _run(way: Way, place: Path, count: int, told: Any) -> None:
    took_s = way(place, count)
    told.send(json.dumps({"s": took_s, "mb": _peak_mb()}))


def _chosen(place: Path, count: int) -> float:
    """Selections alone, of one freeze."""
    app = open_app(place / "config.toml", now=lambda: NOW)
    return _select_all(app, _frozen(app), _picks(count))


def _filled(place: Path, count: int) -> float:
    """With the people's rows."""
    app = open_app(place / "config.toml", now=lambda: NOW)
    digest_id = _frozen(app)
    took_s = seconds(lambda: fill_batches(parts(app), NOW))
    with app.store.read() as connection:
        there = len(digests.selection_rows(connection, digest_id))
    if count > BATCH and there != count:
        raise AssertionError(f"{there} selections, not {count}")
    return took_s


def _frozen(app: App) -> int:
    newsletter = app.config.newsletter("lantern")
    return compose(parts(app), newsletter, Slot(MANUAL, "benchmark", NOW), audience="", now=NOW).id


def _peak_mb() -> float:
    """Of this process alone: `ru_maxrss` begins at what the process that started it had."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1e3
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


# --- messages ---------------------------------------------------------------------------------------------


def _personalise(app: App, letter: Letter, selections: Sequence[int]) -> None:
    for number, selection_id in enumerate(selections, 1):
        _message(app, letter, number, selection_id)


def _message(app: App, letter: Letter, number: int, selection_id: int) -> bytes:
    claimed = Claimed(
        id=number, digest_id=1, batch_id=1, subscription_id=number, selection_id=selection_id,
        address=f"reader-{number}@people.example", confirmed_at=NOW - timedelta(days=number % 300), attempts=0,
        first_tried_at=None, batch_due_at=NOW, expires_at=None, covered=False, lease="")
    _, chunks = letter.message(app.keyring, claimed)
    return b"".join(chunks)


if __name__ == "__main__":
    main("compose", (__doc__ or "").splitlines()[0], measure)
