"""People to a CSV file, such as `importing` reads: who is subscribed now, and what they chose."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from pipeline.audience.importing import COLUMNS, PART
from pipeline.model.subscribers import Subscription, SubscriptionStatus

WARM_UP = "warm_up:"
"""What the reason begins with for which a warm-up leaves people out of a digest."""


def export_csv(people: Iterable[Subscription]) -> str:
    """The file's text. Who has left, or never confirmed, is not in it: nobody may come back by way of a file.

    An empty cell of topics means all of them, one of language the newsletter's own.
    """
    out = io.StringIO()
    written = csv.writer(out, lineterminator="\n")
    written.writerow(COLUMNS)
    written.writerows(
        (one.address, one.schedule, PART.join(one.topics), one.language, one.consent)
        for one in people if one.status is SubscriptionStatus.CONFIRMED)
    return out.getvalue()
