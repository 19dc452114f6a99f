"""What a start relies on when it does not load Alembic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.script import ScriptDirectory

from pipeline.store.engine import Store
from pipeline.store.migrate import HEAD, alembic_config, migrate


def test_the_known_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD


def test_a_second_start_loads_no_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/site.db"
    store = Store(url)
    assert migrate(store) == HEAD
    store.close()
    again = ("import sys; from pipeline.store.engine import Store; from pipeline.store.migrate import migrate; "
             f"assert migrate(Store({url!r})) == {HEAD!r}; print('alembic' in sys.modules)")
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run([sys.executable, "-c", again], cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
