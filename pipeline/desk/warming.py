"""What an operator hears of a warm-up that is on."""

from __future__ import annotations

from pipeline.app import App
from pipeline.compose.warming import warm_up_of
from pipeline.config import Config
from pipeline.model.warmup import WarmUp, day_of, left_of
from pipeline.store import allowances


def warm_up_line(app: App) -> str:
    """ "A warm-up is on, day 2 of 8: 100 mails today, 40 of them not given away yet; …", or "" where none is."""
    plan, zone = warm_up_of(app.config), app.config.site.timezone
    if plan is None:
        return ""
    today = day_of(app.now(), zone)
    limit = plan.allowance(today)
    if limit is None:
        return coming(app.config, plan) if today < plan.since else ""
    with app.store.read() as connection:
        left = left_of(limit, allowances.given(connection, [today]).get(today, 0))
    return (f"A warm-up is on, day {plan.number(today)} of {len(plan.days)}: {limit:,} mails today, {left:,} of them "
            f"not given away yet; there is no limit from {plan.free_from} on.")


def coming(config: Config, plan: WarmUp) -> str:
    return (f"A warm-up begins on {plan.since}, with {plan.days[0]:,} mails ({config.site.timezone}); until then there "
            "is no limit.")
