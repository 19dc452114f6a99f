"""What a cycle did, and who looks on while it does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.audience.returns.counted import Ingested
from pipeline.deliver.stage import Delivered
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import Digest
from pipeline.publish.published import Published

if TYPE_CHECKING:
    from pipeline.collect.accept import Poll


@dataclass(slots=True)
class Report:
    """What a cycle did, for people and for the exit status."""

    polls: list[Poll] = field(default_factory=list)
    published: Published = field(default_factory=Published)
    digests: list[Digest] = field(default_factory=list)
    delivered: Delivered = field(default_factory=Delivered)
    missed: list[str] = field(default_factory=list)
    recovered: dict[DeliveryState, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    returned: Ingested = field(default_factory=Ingested)

    @property
    def partly_failed(self) -> bool:
        states = self.delivered.numbers
        unsent = sum(states.get(s, 0) for s in (DeliveryState.FAILED, DeliveryState.BOUNCED, DeliveryState.UNCERTAIN))
        return bool(self.problems or self.returned.problem or self.published.failed or self.delivered.stopped or unsent
                    or any(p.failed for p in self.polls))

    @property
    def idle(self) -> bool:
        """Nothing was new: no article, no page, no file, no mail."""
        return not (any(p.new or p.updated or p.held or p.pages for p in self.polls) or self.published.written
                    or self.digests or self.delivered.total or self.returned.total)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who hears how far it is; each is called from the thread that does the work."""

    polled: Callable[[Poll], None] = lambda _poll: None
    composed: Callable[[Digest], None] = lambda _digest: None
    sent: Callable[[DeliveryState], None] = lambda _state: None
    step: Callable[[str], None] = lambda _words: None


UNWATCHED = Watch()
