"""check finds everything at once, before a start would meet it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pipeline import config
from pipeline.desk.preflight import Verdict, preflight, vanished
from pipeline.errors import StoreError


def problems(site: Any) -> dict[str, str]:
    found = preflight(config.load(site.folder / "config.toml", env={"PASSWORD": "hunter2-canary"}))
    assert "hunter2-canary" not in str(found)
    return {f.area: f.text for f in found if f.verdict is Verdict.PROBLEM}


def change(site: Any, old: str, new: str) -> None:
    path = site.folder / "config.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_a_site_in_order_has_no_problem_and_gets_no_database(make_site: Any) -> None:
    site = make_site()
    assert problems(site) == {}
    assert not (site.folder / "broadsheet.db").exists()
    assert site.app.store is not None
    site.close()
    assert problems(site) == {}


def test_everything_wrong_is_found_at_once(make_site: Any) -> None:
    site = make_site()
    (site.folder / "broadsheet.db").write_bytes(b"no database at all" * 100)
    (site.folder / "articles").rmdir()
    (site.folder / "feeds").write_text("a file")
    (site.folder / "mailbox").write_text("a file")
    change(site, 'title = "The Lantern"\n  [[',
           'title = "The Lantern"\ntemplate = "digset"\nsubject = "{{ nothing }}"\n  [[')
    found = problems(site)
    assert found.keys() == {"source desk", "feeds", "template digset", "newsletter lantern", "database", "mail"}
    assert "did you mean 'digest'" in found["template digset"]


def test_a_mail_server_that_is_not_there(make_site: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        site = make_site()
        change(site, "[mail]\n", '[site_]\n')
        change(site, '[site_]\n', '[mail]\ntransport = "smtp"\n')
        change(site, 'public_url', 'postal_address = false\npublic_url')
        with (site.folder / "config.toml").open("a") as file:
            file.write(f'[mail.smtp]\nhost = "127.0.0.1"\nport = {taken.getsockname()[1]}\ntls = "none"\n'
                       'user = "me"\npassword = "${PASSWORD}"\n')
        found = problems(site)
    assert found.keys() == {"mail"}
    assert "can't be reached" in found["mail"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('slug = "lantern"', 'slug = "lamp"', "newsletter 'lantern'"),
        ('slug = "daily"', 'slug = "dawn"', "schedule 'daily'"),
    ],
)
def test_a_config_that_would_forget_people_is_refused_and_former_allows_it(
    make_site: Any, old: str, new: str, named: str
) -> None:
    site = make_site()
    site.subscribe("ann@here.example", "daily")
    change(site, old, new)
    renamed = config.load(site.folder / "config.toml", env={})
    with pytest.raises(StoreError) as refused:
        vanished(site.app.store, renamed)
    assert refused.value.subject.startswith(named)
    assert named in problems(site)["database"]
    change(site, new, f"{new}\nformer = [{old.partition('= ')[2]}]")
    vanished(site.app.store, config.load(site.folder / "config.toml", env={}))
