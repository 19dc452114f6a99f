"""A site's robots.txt as it was last found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Robots:
    """What was found at an origin's /robots.txt. Times are aware UTC."""

    origin: str            # scheme://host:port, the port always written
    status: int            # of the answer; 0: it could not be reached
    body: str              # "" unless the status is 2xx
    fetched_at: datetime   # when the body came
    expires_at: datetime   # from then on it is asked for again
