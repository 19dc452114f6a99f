from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.audience.choices import choices
from pipeline.audience.importing import Imported, import_csv


@pytest.fixture
def site(copy_site: Callable) -> Any:
    """A site with its newsletter declared and nobody subscribed."""
    return copy_site(opened)


def opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def bring(site: Any, tmp_path: Path) -> Callable[..., Imported]:
    """`bring("address\\nada@example.org\\n")` imports a file with this text (or these bytes)."""
    def run(text: str | bytes, **values: Any) -> Imported:
        path = tmp_path / "people.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        newsletter = site.app.config.newsletters[0]
        offered = choices(site.app.config, newsletter)
        return import_csv(site.app.store, path, newsletter, offered,
                          **{"consent": "a test", "now": site.now, **values})

    return run


@pytest.fixture
def people(site: Any) -> Callable[[], dict[str, tuple[str, str]]]:
    """address -> (status, schedule) of everybody."""
    from pipeline.store import subscribers

    def read() -> dict[str, tuple[str, str]]:
        with site.app.store.read() as connection:
            return {s.address: (str(s.status), s.schedule) for s in subscribers.listed(connection)}

    return read
