"""The preflight of a digest: what most people would get, in each of its languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from pipeline.app import App
from pipeline.compose.fill import that_fit
from pipeline.compose.press import Pressed
from pipeline.compose.stage import Parts, Proofed
from pipeline.config import Preflight
from pipeline.desk.proof.finding import Finding, Letter, holding
from pipeline.desk.proof.reading import outside, proof
from pipeline.desk.sheet import MADE_UP, Reader, Sheet, sheet_of
from pipeline.model.selection import Selection

MOST_NAMED = 3   # findings that a reason names


def parts(app: App) -> Parts:
    """What composing needs, with this preflight in it."""
    return Parts(app.store, app.config, app.templates(), app.darkroom(), partial(prove, app))


def prove(app: App, pressed: Pressed) -> Proofed:
    """What is found, and for what it must not go, if for anything. Follows the letter's links where the operator lets
    it: call it outside of any transaction."""
    selection = largest(pressed)
    found: list[Finding] = []
    for language in pressed.frozen:
        sheet = sheet_of(app, pressed, selection, Reader(MADE_UP, language=language), sign=False)
        known = {(one.check, one.text, one.place) for one in found}
        found += [one for one in look_at(app, sheet, language or pressed.head.page.language)
                  if (one.check, one.text, one.place) not in known]
    return Proofed([one.to_json() for one in found], reason(found, app.config.preflight))


def largest(pressed: Pressed) -> Selection:
    """What most people get, with all the corrections that anybody could have in it."""
    plan, room = pressed.plan, pressed.head.room
    corrections = that_fit([one for _, one in plan.corrections], room)
    wide = replace(plan, room=max(1, room - sum(one.size for one in corrections)))
    return replace(wide.selection(plan.most), corrections=tuple(one.article_id for one in corrections))


def look_at(app: App, sheet: Sheet, language: str) -> list[Finding]:
    """What is found in one message."""
    site = app.config.site
    letter = Letter(sheet.html, sheet.text, sheet.eml, sheet.subject, language, site.public_url, site.postal_address)
    return list(dict.fromkeys(proof(letter, outside(app), app.config.preflight)))


def reason(found: Iterable[Finding], settings: Preflight) -> str:
    """For what a digest is held, in words; "" where it may go."""
    holds = holding(found, settings)
    named = "; ".join(f"{one.check}: {one.text}" for one in holds[:MOST_NAMED])
    more = len(holds) - MOST_NAMED
    return f"{named}; and {more} more" if more > 0 else named
