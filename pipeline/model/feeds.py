"""Published feeds: a selection of articles under an address of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Everything a builder needs to make one feed's documents; same values, same bytes."""

    slug: str
    title: str
    description: str
    language: str
    site_title: str
    public_url: str          # no trailing slash
    created_at: datetime     # stands in for "updated" while the feed is empty
