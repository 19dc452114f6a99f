"""The steps that a cycle consists of, each over an App: what `once` does in a row and the service does on its clock."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.app import App
from pipeline.errors import BroadsheetError
from pipeline.jobs.collecting import collect_due, failing_sources
from pipeline.jobs.outgoing import deliver_due, recover_dead
from pipeline.jobs.report import UNWATCHED, Report, Watch
from pipeline.jobs.returning import read_returns
from pipeline.jobs.sends import compose_due
from pipeline.jobs.worker import Worker
from pipeline.publish.published import Published
from pipeline.publish.stage import publish
from pipeline.publish.websub import tell_hub


def cycle(app: App, worker: Worker, *, watch: Watch = UNWATCHED) -> Report:
    """Everything that is due now, once: recover, collect, publish, compose, deliver."""
    report = Report()
    watch.step("looking after what was interrupted")
    report.recovered = recover_dead(app, worker)
    watch.step("collecting")
    report.polls = collect_due(app, watch=watch)
    report.problems += failing_sources(app, {poll.source for poll in report.polls if not poll.pages_only})
    watch.step("publishing")
    report.published = publish_all(app)
    watch.step("reading what came back")
    report.returned = read_returns(app)   # before anything is sent: who asked to leave gets no more
    watch.step("composing")
    compose_due(app, worker, report, watch)
    if report.digests:  # their pages are in the sitemap
        report.published.written += publish_all(app).written
    watch.step("delivering")
    report.delivered = deliver_due(app, worker, watch=watch)
    return report


def publish_all(app: App, slugs: Collection[str] = (), *, everything: bool = False) -> Published:
    """Build what is new, and tell the hub where there is one. Where feeds can't be built at all that is said, and mail
    goes its way all the same."""
    try:
        done = publish(app.publishing(), app.now(), slugs, everything=everything)
    except BroadsheetError as error:
        return Published(failed={"": str(error)})
    if app.config.publish.hub:
        fetcher = app.fetcher()
        try:
            told = tell_hub(app.store, app.config, fetcher, app.now())
        finally:
            fetcher.close()
        if told.problem:
            done.failed["hub"] = told.problem
        done.notes += [told.waiting] if told.waiting else []
    return done
