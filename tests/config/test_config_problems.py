"""Every problem of a config is told at once: by line, key path and what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import load
from pipeline.errors import ConfigError

FULL = Path(__file__).with_name("full.toml").read_text()
SMALL = '[site]\ntitle = "A"\npublic_url = "https://a.example"\n'
NEWSLETTER = SMALL + """[mail]
sender = "a@a.example"
[[newsletters]]
slug = "n"
title = "N"
"""
REQUIRED = {  # line of FULL, without blanks -> where it is missed then
    'title="TheLantern"': "title", 'public_url="https://lantern.example/"': "site.public_url",
    'slug="neighbour"': "sources[0].slug", 'slug="desk"': "sources[1].slug", 'slug="all"': "feeds[0].slug",
    'title="Everything"': "feeds[0].title", 'slug="lantern"': "newsletters[0].slug",
    'slug="daily"': "newsletters[0].schedules[0].slug", 'slug="weekly"': "newsletters[0].schedules[1].slug",
    'sender="TheLantern<news@lantern.example>"': "mail.sender",
    'url="https://blog.example/feed.xml"': "sources[0]", 'folder="articles"': "sources[1]",
    'at="08:00"': "newsletters[0].schedules[0]", 'cron="08**1"': "newsletters[0].schedules[1]",
    'host="relay.example"': "mail.smtp.host", 'postal_address="MainStreet1"': "site.postal_address",
    'password="${SMTP_PASSWORD}"': "mail.smtp.user", 'user="lantern"': "mail.smtp.password",
    'email="desk@lantern.example"': "operator.email", 'category="News"': "feeds[0].podcast.category",
}
KEY_LINES = [n for n, row in enumerate(FULL.split("\n"), 1) if " = " in row]
Write = Callable[[str], Path]
Problems = Callable[[str], list[str]]


def changed(number: int, change: Callable[[str], str], text: str = FULL) -> str:
    rows = text.split("\n")
    rows[number - 1] = change(rows[number - 1])
    return "\n".join(rows)


def renamed(row: str) -> str:
    return re.sub(r"^(\s*\w+)", r"\1x", row)


def retyped(row: str) -> str:
    """The row with a value that its key can't have."""
    key, _, value = row.partition(" = ")
    return f"{key} = " + ("5" if value[0] in '"[{' else '"text"')


@pytest.mark.parametrize("number", KEY_LINES)
def test_a_renamed_key_is_named_with_its_line(number: int, problems: Problems) -> None:
    text = changed(number, renamed)
    key = text.split("\n")[number - 1].split()[0]
    own = [p for p in problems(text) if p.startswith(f"line {number}: ") and "unknown key" in p]
    assert len(own) == 1, own
    assert own[0].endswith(f'did you mean "{key[:-1]}"?')
    assert re.search(rf"\b{key}: unknown key", own[0])


@pytest.mark.parametrize("number", KEY_LINES)
def test_a_wrong_type_is_named_with_its_line(number: int, problems: Problems) -> None:
    text = changed(number, retyped)
    key = text.split("\n")[number - 1].split()[0]
    told = problems(text)
    assert any(re.match(rf"line {number}: (\S*\.)?{key}: ", p) for p in told), told
    assert len([p for p in told if re.match(rf"line {number}: (\S*\.)?{key}: ", p)]) == 1


@pytest.mark.parametrize("number", KEY_LINES)
def test_a_required_key_is_missed_and_no_other(number: int, problems: Problems) -> None:
    row = FULL.split("\n")[number - 1].replace(" ", "")
    told = problems(changed(number, lambda _: ""))
    place = REQUIRED.get(row)
    assert bool(told) == bool(place), told
    assert not place or any(f"{place}: " in p for p in told)


@given(st.dictionaries(st.sampled_from(KEY_LINES), st.sampled_from([renamed, retyped]), min_size=1))
@settings(max_examples=40)
def test_all_problems_come_at_once(problems: Problems, changes: dict[int, Callable[[str], str]]) -> None:
    text = FULL
    for number, change in changes.items():
        text = changed(number, change, text)
    told = problems(text)
    lines = [int(p.split()[1].rstrip(":")) for p in told]
    assert set(changes) <= set(lines), told
    assert lines == sorted(lines)
    assert len(told) == len(set(told))


S = '[[sources]]\nslug = "s"\nfolder = "f"\n'
N = '[[newsletters.schedules]]\nslug = "d"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SMALL + S + S, 'line 8: sources[1].slug: "s" is already sources[0].slug on line 5'),
        (SMALL + S + S.replace('"s"', '"t"') + 'former = ["s"]', 'former[0]: "s" is already sources[0].slug'),
        (SMALL + S + "evry = 1", 'line 7: sources[0].evry: unknown key, did you mean "every"?'),
        (SMALL + S + 'listen = "a"', "line 7: sources[0].listen: unknown key, it belongs in [web]"),
        (SMALL + S + "qqqq = 1", "unknown key, known here: slug, title, url, folder,"),
        (SMALL + S.replace('"s"', '"My Source"'), 'sources[0].slug: "My Source" is no slug'),
        (SMALL + S.replace('"s"', '"My Source"'), 'for example "my-source"'),
        (SMALL + S + 'url = "https://x.example"', "sources[0].folder: a source has either url or folder, not both"),
        (SMALL + '[[sources]]\nslug = "s"', "line 4: sources[0]: needs a url"),
        (SMALL + S + 'every = "90x"', 'sources[0].every: "90x" is no duration'),
        (SMALL + S + 'every = "10s"', "at least 1m"),
        (SMALL + S + 'every = "999999w"', "out of range"),
        (SMALL + S + 'show = "ful"', 'sources[0].show: "ful" is not "summary" or "full", did you mean "full"?'),
        (SMALL + S + "flood = 0", "sources[0].flood: must be at least 1"),
        (SMALL + S + "flood = true", "must be a whole number without quotes, not true or false"),
        (SMALL + S + 'allow_networks = ["192.168.1.5/24"]', 'allow_networks[0]: "192.168.1.5/24" is no address or'),
        (SMALL + '[[sources]]\nslug = "s"\nurl = "ftp://x.example"', '"ftp://x.example" is no web address'),
        (SMALL + '[[sources]]\nslug = "s"\nurl = "https://[x"', "is no web address"),
        (SMALL + "[sources]\na = 1", "line 4: sources: write [[sources]] with two brackets"),
        (SMALL + "[[web]]", "line 4: web: must be a table, not a list"),
        (SMALL + '[[feeds]]\nslug = "f"\ntitle = "F"\nselect = { sources = ["dsek"] }\n' + S.replace('"s"', '"desk"'),
         'line 7: feeds[0].select.sources[0]: no source is called "dsek", did you mean "desk"?'),
        (SMALL.replace("title", "postal_address = true\ntitle"), "site.postal_address: must be text in quotes"),
        (SMALL + 'timezone = "Europe/Stokholm"', 'line 4: site.timezone: "Europe/Stokholm": no such time zone, did'),
        (SMALL + 'language = "english!"', 'site.language: "english!" is no language tag'),
        (SMALL.replace("https://a.example", "a.example"), 'site.public_url: "a.example" is no web address'),
        (SMALL.replace("a.example", "a.example/?x"), "must end before any ? or #"),
        (SMALL.replace('"A"', '""'), "site.title: must not be empty"),
        (SMALL.replace('"A"', '"A\\nB"'), "site.title: must be one line"),
        ('config_version = 2\n' + SMALL, "line 1: config_version: this Broadsheet reads version 1"),
        ('title = "A"', "line 1: title: unknown key, it belongs in [site]"),
        ("", "line 1: site: is missing; add a table [site]"),
        (SMALL + '[web]\nlisten = "8000"', 'web.listen: "8000" is no host and port'),
        (SMALL + '[web]\nlisten = "::1:8000"', "is no host and port"),
        (SMALL + '[web]\nlisten = "a:99999"', "is no host and port"),
        (SMALL + '[web]\ntrusted_proxies = "10.0.0.1"', 'web.trusted_proxies: must be a list like ["…"], not text'),
        (SMALL + '[operator]\nemail = "root@localhost"', 'operator.email: "root@localhost" is no mail address'),
        (SMALL + '[operator]\nemail = "a@b.example, c@d.example"', "is no mail address"),
        (SMALL + '[mail]\nsender = "Lantern news@a.example"', '"Lantern news@a.example" is no mail address'),
        (SMALL + '[mail]\nsender = "L\\r\\nBcc: x <a@b.example>"', "is no mail address"),
        (SMALL + '[mail]\nsender = "a@b.example"\ntransport = "smpt"', 'did you mean "smtp"?'),
        (SMALL + '[mail]\nsender = "a@b.example"\ntransport = "smtp"', "mail.transport: needs a [mail.smtp] table"),
        (SMALL + '[mail]\nsender = "a@b.example"\ntransport = "smtp"', "line 1: site.postal_address: is missing"),
        (SMALL + "demo = true\n[web]\nlisten = \"0.0.0.0:80\"", "line 6: web.listen: a demo shows its mailbox"),
        (SMALL + "demo = true\n[mail]\nsender = \"a@b.example\"\ntransport = \"smtp\"", "a demo never sends real mail"),
        (SMALL + '[store]\nurl = "mysql://x"', "line 5: store.url: must be"),
        (NEWSLETTER, "line 6: newsletters[0]: has no schedule"),
        (NEWSLETTER.replace("[mail]\nsender", "[operator]\nemail"), "mail: is missing; newsletters need a [mail]"),
        (NEWSLETTER + N, "line 9: newsletters[0].schedules[0]: needs at"),
        (NEWSLETTER + N + 'at = "8am"', 'newsletters[0].schedules[0].at: "8am": no time that at understands, write'),
        (NEWSLETTER + N + 'cron = "0 25 * * *"', 'schedules[0].cron: "0 25 * * *": bad cron line: bad hour'),
        (NEWSLETTER + N + 'at = "08:00"\ncron = "0 8 * * *"', "cron: a schedule has either at or cron, not both"),
        (NEWSLETTER + N + 'at = "08:00"\ntimezone = "Stockholm"', 'time zone, did you mean "Europe/Stockholm"?'),
        (NEWSLETTER + N.replace('"d"', '"manual"') + 'at = "08:00"', "is what digests made by hand are called"),
        (NEWSLETTER + (N + 'at = "08:00"\ndefault = true\n') * 2, "default: only one schedule can be the default, and"),
        (NEWSLETTER + (N + 'at = "08:00"\n') * 2, 'schedules[1].slug: "d" is already newsletters[0].schedules[0].slug'),
        (NEWSLETTER + N + 'at = "08:00"\ntemplate = "x"', "template: unknown key, it belongs in [newsletters]"),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str, problems: Problems) -> None:
    assert told in "\n".join(problems(text))


def test_one_cause_is_told_once(problems: Problems) -> None:
    # the site's wrong zone is not also every schedule's
    assert len(problems(FULL.replace("Europe/Stockholm", "Europe/Stokholm"))) == 1
    assert len(problems(NEWSLETTER + N + 'at = "08:00"\nzone = "x"')) == 1


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (FULL.replace('["health", "python"]', '["helth"]'), 'no source has the topic "helth", did you mean "health"?'),
        (FULL.replace('["health", "python"]', '["opera"]'), 'no source has the topic "opera"'),
        (FULL.replace("192.168.1.0/24", "0.0.0.0/0"), "lets this source reach nearly every address"),
        (FULL.replace("https://lantern", "http://lantern"), "one-click unsubscribing only over https"),
        (FULL.replace('"starttls"', '"none"'), "sends the password readable"),
    ],
)
def test_what_is_odd_is_a_warning(text: str, warned: str, write: Write, env: dict[str, str]) -> None:
    warnings = load(write(text), env).warnings
    assert len(warnings) == 1
    assert warned in warnings[0]
    assert warnings[0].startswith("line ")


def test_articles_may_bring_their_own_topics(write: Write, env: dict[str, str]) -> None:
    text = FULL.replace('["health", "python"]', '["opera"]').replace('topics = ["python"]\n', "")
    assert load(write(text), env).warnings == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('a = "x\nb = 1', "line 1, column 7: the quotes are not closed on this line"),
        ("a = b", "line 1, column 5: here should be a value; text needs quotes"),
        ("a = 1\na = 2", "line 2: this key was given before"),
        ("[a]\n[a]", "line 2, column 3: this table was given before"),
        ("a 1", "line 1, column 3: a key must be followed by ="),
        ('a = "\\d"', 'a backslash in "…" must be doubled'),
        ("a = [1", "a [ is not closed"),
        ("[a", "a table's name must end with ]"),
        ("a = 1 b = 2", "each key needs a line of its own"),
        ('a = """x', "end of the file: the quotes are not closed"),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_broken_toml_is_told_in_plain_words(text: str, told: str, problems: Problems) -> None:
    assert told in problems(text)[0]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="broadsheet init"):
        load(tmp_path / "config.toml", {})
    with pytest.raises(ConfigError, match="is a directory"):
        load(tmp_path, {})
    (tmp_path / "latin.toml").write_bytes(b"a = 1\nb = '\xe9'")
    with pytest.raises(ConfigError, match="line 2: is not UTF-8"):
        load(tmp_path / "latin.toml", {})


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load(tmp_path / "c.toml", {}).site.title == "A"
