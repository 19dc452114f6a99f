"""What was read on a page: a value, without what reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PageRead:
    """What a page holds. Text is as the page wrote it, HTML is untrusted; addresses are absolute http(s), or ""."""

    url: str                          # where it was read from
    html: str = ""                    # the article, links and pictures absolute; "" where `refused` is not
    title: str = ""
    author: str = ""                  # names, with commas between
    description: str = ""             # the page's own words about itself
    published_at: datetime | None = None
    updated_at: datetime | None = None
    image: str = ""
    language: str = ""
    licence: str = ""
    rights: str = ""
    canonical_url: str = ""           # what the page says is its address; anybody can claim anything
    site_name: str = ""
    topics: tuple[str, ...] = ()
    refused: str = ""                 # why there is no text: it forbids to be kept, is no HTML, holds no article
