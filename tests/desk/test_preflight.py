"""check finds everything at once, before a start would meet it."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline import config
from pipeline.desk.preflight import Verdict, preflight, vanished
from pipeline.errors import StoreError
from pipeline.model.sources import SourceStanding
from pipeline.store import sources


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


def test_words_that_are_wrong_are_told_with_file_and_line(make_site: Any) -> None:
    site = make_site()
    (site.folder / "templates" / "words").mkdir(parents=True)
    (site.folder / "templates" / "words" / "sv.toml").write_text('# ours\nread_on = "Mer"\n')
    assert problems(site) == {}
    (site.folder / "templates" / "words" / "sv.toml").write_text('# ours\nred_on = "Mer"\n')
    assert problems(site)["words"].endswith("sv.toml:2: 'red_on' is not one of the words; did you mean 'read_on'?")


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


def test_a_source_that_can_t_be_asked(make_site: Any) -> None:
    site = make_site()
    with (site.folder / "config.toml").open("a") as file:
        for slug, rest in (
            ("inside", 'url = "http://192.168.1.1/feed"'), ("port", 'url = "https://x.example:25/"'),
            ("selector", 'url = "https://x.example/a"\nselector = "main >"'),
            ("fine", 'url = "http://192.168.1.1:8080/"\nallow_networks = ["192.168.0.0/16"]\nselector = "main a"'),
            ("blocked", 'url = "http://10.0.0.1/"\nblocked = true'),
        ):
            file.write(f'[[sources]]\nslug = "{slug}"\n{rest}\n')
    found = problems(site)
    assert found.keys() == {"source inside", "source port", "source selector"}
    assert "only public addresses are fetched" in found["source inside"]
    assert "port 25" in found["source port"]
    assert "'main >' is no CSS" in found["source selector"]


def test_sources_that_are_not_asked_any_more_are_named(make_site: Any, basic_config: str) -> None:
    slugs = [f"s{n:02}" for n in range(14)]
    site = make_site(basic_config + "".join(
        f'[[sources]]\nslug = "{s}"\nurl = "https://{s}.example/"\n' for s in slugs))
    with site.app.store.write() as connection:
        for slug in slugs[1:]:
            sources.record_poll(connection, sources.state(connection, slug).id, standing=SourceStanding.GONE,
                                standing_reason="it says so (410)", next_poll_at=None)
    found = [f for f in preflight(site.app.config) if f.verdict is Verdict.WARNING]
    assert [f.area for f in found] == [*(f"source {s}" for s in slugs[1:11]), "sources"]
    assert "gone, and not asked any more: it says so (410)" in found[0].text
    assert "broadsheet sources remove s01" in found[0].text
    assert "3 more are like that" in found[-1].text


def test_a_hub_that_would_never_be_asked(make_site: Any, basic_config: str) -> None:
    hub = '[publish]\nhub = "http://127.0.0.1:8080/"\n'
    site = make_site(basic_config + hub)
    (bad,) = [f for f in preflight(config.load(site.folder / "config.toml", env={})) if f.area == "hub"]
    assert bad.verdict is Verdict.PROBLEM
    assert "hub_networks" in bad.text
    fine = make_site(basic_config + hub + 'hub_networks = ["127.0.0.0/8"]\n', "fine")
    (good,) = [f for f in preflight(config.load(fine.folder / "config.toml", env={})) if f.area == "hub"]
    assert good.verdict is Verdict.OK


KEY = """[[mail.dkim]]
selector = "2026a"
key = "dkim.pem"
"""


def findings(site: Any) -> dict[str, list[tuple[Verdict, str]]]:
    found: dict[str, list[tuple[Verdict, str]]] = {}
    for one in preflight(config.load(site.folder / "config.toml", env={})):
        found.setdefault(one.area, []).append((one.verdict, one.text))
    return found


def test_a_key_that_others_may_read_or_that_proves_nothing_is_warned_of(make_site: Any) -> None:
    site = make_site()
    change(site, "[preflight]", f"{KEY}[preflight]")
    assert "line 27: mail.dkim[0].key" in problems(site)["dkim"], "there is none"
    path = site.folder / "dkim.pem"
    path.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o640)
    ((warned, text), (fine, says)) = findings(site)["dkim 2026a"]
    assert (warned, fine) == (Verdict.WARNING, Verdict.OK)
    assert f"(mode 0640), who could sign in your name: chmod 600 {path}" in text
    assert says == "signs as 2026a._domainkey.lantern.example (ed25519-sha256)"
    path.chmod(0o600)
    assert [verdict for verdict, _ in findings(site)["dkim 2026a"]] == [Verdict.OK]
    change(site, '"2026a"', '"2026a"\ndomain = "other.example"')
    assert "which is not the sender's domain lantern.example" in findings(site)["dkim 2026a"][0][1]
    change(site, '"other.example"', '"news.lantern.example"')
    assert [verdict for verdict, _ in findings(site)["dkim 2026a"]] == [Verdict.OK]
    path.write_text("-----BEGIN PRIVATE KEY-----\ncanary\n")
    assert "is no private key in PEM" in problems(site)["dkim"]
    assert "canary" not in str(findings(site))
