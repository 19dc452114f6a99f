"""Secrets come from outside and are never shown, whatever else is wrong with a config."""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path

import pytest

from pipeline.config import Config, load
from pipeline.config.lines import KeyPath
from pipeline.config.secrets import shown
from pipeline.errors import ConfigError

CANARY = "c4n4rys3cret"
TEXT = """\
[site]
title = "The Lantern"
description = "d"
public_url = "https://lantern.example"
language = "en"
timezone = "UTC"
postal_address = "Main Street 1"
[store]
url = "postgresql://me:${PASSWORD}@db.example/lantern?sslmode=require"
[paths]
feeds = "feeds"
[[sources]]
slug = "desk"
url = "https://blog.example"
topics = ["python"]
show = "full"
every = "30m"
backlog = "7d"
allow_networks = ["10.0.0.0/8"]
former = ["old"]
[[feeds]]
slug = "all"
title = "All"
select = { sources = ["desk"], topics = ["python"] }
[[newsletters]]
slug = "lantern"
title = "The Lantern"
template = "digest"
when_empty = "skip"
[[newsletters.schedules]]
slug = "daily"
at = "08:00"
timezone = "UTC"
catch_up = "all"
max_lateness = "1h"
[mail]
sender = "news@lantern.example"
transport = "smtp"
[mail.smtp]
host = "relay.example"
tls = "starttls"
user = "me"
password = "${PASSWORD}"
timeout = "30s"
[web]
listen = "127.0.0.1:8000"
trusted_proxies = ["10.0.0.1"]
[operator]
email = "desk@lantern.example"
"""
ROWS = TEXT.split("\n")
STRING_LINES = [n for n, row in enumerate(ROWS) if '"' in row]
KEY_LINES = [n for n, row in enumerate(ROWS) if " = " in row]
# mutations that put a secret where none belongs, directly or from the environment
WRONG_PLACES = ["${PASSWORD}", "x${PASSWORD}", CANARY, f"https://u:{CANARY}@h/", f"https://u:{CANARY}/?#@h/x y",
                f"postgresql://u:{CANARY}@h/d", f"ftp://h/?token={CANARY}"]


def outcome(folder: Path, text: str, env: dict[str, str] | None = None) -> tuple[Config | None, str]:
    """The config, or none; and all that anybody could print about it."""
    path = folder / "config.toml"
    path.write_text(text)
    try:
        config = load(path, {"PASSWORD": CANARY} if env is None else env)
    except ConfigError as error:
        hidden = [str(error.__cause__), str(error.__context__)]  # a logger may print these
        return None, "\n".join([str(error), repr(error), *hidden, *traceback.format_exception(error)])
    return config, "\n".join(config.warnings)


def test_a_secret_gets_there_and_is_masked(tmp_path: Path) -> None:
    config, _ = outcome(tmp_path, TEXT)
    assert config is not None
    assert config.mail is not None
    assert config.mail.smtp is not None
    assert config.mail.smtp.password.get_secret_value() == CANARY
    assert config.store.url.get_secret_value() == f"postgresql://me:{CANARY}@db.example/lantern?sslmode=require"
    assert config.store.shown == "postgresql://db.example/lantern"
    assert CANARY not in f"{config!r} {config} {config.mail.smtp.password} {config.store.model_dump_json()}"


@pytest.mark.parametrize("line", KEY_LINES)
def test_no_mutation_shows_a_secret(line: int, tmp_path: Path) -> None:
    key, _, value = ROWS[line].partition(" = ")
    for row in (f"{key}x = {value}", f"{key} = 5", f"{key} = []", f'{key} = "{{}}"', f"{key} = {value}{value}",
                f"{key} = ", f'{key} = "{CANARY}', f"{key} = {{ a = {value} }}", ""):
        _, said = outcome(tmp_path, "\n".join([*ROWS[:line], row, *ROWS[line + 1:]]))
        assert CANARY not in said


@pytest.mark.parametrize("line", STRING_LINES)
def test_a_secret_from_outside_in_any_place_is_not_shown(line: int, tmp_path: Path) -> None:
    for written in ("${PASSWORD}", "x${PASSWORD}", "${PASSWORD} <x", "${PASSWORD} 08:00", "https://${PASSWORD}/ x"):
        row = re.sub(r'"[^"]*"', lambda _: f'"{written}"', ROWS[line])  # noqa: B023  used at once
        _, said = outcome(tmp_path, "\n".join([*ROWS[:line], row, *ROWS[line + 1:]]))
        assert CANARY not in said


SECRET_LINES = [n for n, row in enumerate(ROWS) if row.startswith(("password", 'url = "postgres', "user"))]


@pytest.mark.parametrize("line", SECRET_LINES)
@pytest.mark.parametrize("written", WRONG_PLACES)
def test_a_secret_that_was_written_out_is_not_repeated(line: int, written: str, tmp_path: Path) -> None:
    key = ROWS[line].split()[0]
    for row in (f'{key} = "{written}"', f'{key}z = "{written}"', f'{key} = ["{written}"]', f'{key} = "{written}\\n"'):
        _, said = outcome(tmp_path, "\n".join([*ROWS[:line], row, *ROWS[line + 1:]]))
        assert CANARY not in said


@pytest.mark.parametrize("url", WRONG_PLACES[3:])
def test_an_address_with_a_password_in_it_is_not_repeated(url: str, tmp_path: Path) -> None:
    config, said = outcome(tmp_path, TEXT.replace("https://blog.example", url).replace("https://lantern.example", url))
    assert config is None
    assert CANARY not in said


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (('"${PASSWORD}"', '"hunter"'), 'write "${SMTP_PASSWORD}" and set that variable'),
        (("me:${PASSWORD}", "me:hunter"), "a password does not belong in the file"),
        (("me:${PASSWORD}", "me:hun${PASSWORD}"), "a password does not belong in the file"),
        (("sslmode=require", "password=hunter"), "a password does not belong in the file"),
    ],
)
def test_a_password_in_the_file_is_refused(change: tuple[str, str], hint: str, tmp_path: Path) -> None:
    config, said = outcome(tmp_path, TEXT.replace(*change))
    assert config is None
    assert hint in said
    assert "hun" not in said


@pytest.mark.parametrize(
    ("written", "env", "said"),
    [
        ("${PASSWORD}", {}, "mail.smtp.password: the environment variable PASSWORD is not set"),
        ("${PASSWORD}", {"PASSWORD": ""}, "the environment variable PASSWORD is empty"),
        ("${PASS-WORD}", {}, "what stands in ${…} is no name"),
        ("${PASSWORD", {}, "a ${ without its }"),
        ("${}", {}, "is no name"),
        ("${file:none}", {}, "can't read the file none: no such file"),
        ("${file:.}", {}, "can't read the file .: is a directory"),
        ("${file:\\u0000}", {}, "can't read the file"),
    ],
)
def test_what_is_not_there_is_named(written: str, env: dict[str, str], said: str, tmp_path: Path) -> None:
    text = TEXT.replace("me:${PASSWORD}", "me").replace('"${PASSWORD}"', f'"{written}"')
    config, told = outcome(tmp_path, text, env)
    assert config is None
    assert said in told
    assert "1 problem" in told


def test_what_could_not_be_filled_in_is_no_second_problem(tmp_path: Path) -> None:
    _, told = outcome(tmp_path, TEXT.replace("https://lantern.example", "${ADDRESS}"))
    assert "1 problem(s)" in told


@pytest.mark.parametrize("path", [("store", "url"), ("mail", "smtp", "password"), ("mail", "smtp", "user")])
def test_a_secret_place_is_masked_whatever_stands_there(path: KeyPath) -> None:
    assert shown(path, CANARY) == shown(path, 5) == "••••"
    assert shown(("site", "title"), "a title") == '"a title"'
    assert shown(("site", "title"), [CANARY]) == "a list"


def test_no_secret_is_offered_as_the_nearest_name(tmp_path: Path) -> None:
    text = TEXT.replace('topics = ["python"] }', f'topics = ["{CANARY[:-1]}"] }}')
    text = text.replace('["python"]', '["${PASSWORD}"]')
    config, said = outcome(tmp_path, text)
    assert config is not None
    assert "no source has the topic" in said
    assert CANARY not in said


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(CANARY + "\n")
    (tmp_path / "pw").chmod(0o600)
    text = TEXT.replace("${PASSWORD}", "${file:pw}")
    config, said = outcome(tmp_path, text)
    assert config is not None
    assert config.mail is not None
    assert config.mail.smtp is not None
    assert config.mail.smtp.password.get_secret_value() == CANARY
    assert said == ""
    (tmp_path / "pw").chmod(0o644)
    assert "everybody on this machine can read the file pw (chmod 600 pw)" in outcome(tmp_path, text)[1]
    (tmp_path / "pw").write_bytes(b"\xff\xfe")
    assert "is not text" in outcome(tmp_path, text)[1]
    (tmp_path / "pw").write_bytes(b"x" * 70_000)
    assert "that is no secret" in outcome(tmp_path, text)[1]
    (tmp_path / "pw").write_bytes(b"\n")
    assert "the file pw is empty" in outcome(tmp_path, text)[1]


def test_an_odd_password_does_not_break_the_database_address(tmp_path: Path) -> None:
    config, _ = outcome(tmp_path, TEXT, {"PASSWORD": "p@s/s?#:"})
    assert config is not None
    assert "//me:p%40s%2Fs%3F%23%3A@db.example/" in config.store.url.get_secret_value()
    whole, _ = outcome(tmp_path, re.sub("postgresql://.*\"", '${PASSWORD}"', TEXT), {"PASSWORD": f"postgresql://a:{CANARY}/x@h"})
    assert whole is not None
    assert whole.store.shown == "postgresql://••••"


def test_a_dollar_that_is_meant(tmp_path: Path) -> None:
    text = TEXT.replace('description = "d"', 'description = "$${X} costs $5 or ${{ y }}"')
    config, _ = outcome(tmp_path, text)
    assert config is not None
    assert config.site.description == "${X} costs $5 or ${{ y }}"


def test_an_address_of_the_site_may_come_from_outside(tmp_path: Path) -> None:
    env = {"PASSWORD": CANARY, "HOST": "lantern"}
    config, _ = outcome(tmp_path, TEXT.replace("https://lantern.", "https://${HOST}."), env)
    assert config is not None
    assert config.site.public_url == "https://lantern.example"


def test_a_logged_error_shows_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "config.toml").write_text(TEXT.replace('"starttls"', '"${PASSWORD}"').replace("8000", "${PASSWORD}"))
    try:
        load(tmp_path / "config.toml", {"PASSWORD": CANARY})
    except ConfigError:
        logging.getLogger("x").exception("start refused")
    assert "mail.smtp.tls" in caplog.text
    assert CANARY not in caplog.text


def test_the_secret_of_a_bucket_is_never_in_the_file_nor_shown(tmp_path: Path) -> None:
    bucket = TEXT.replace('feeds = "feeds"', 'feeds = "s3://bucket"') + "[publish.s3]\n"
    path = tmp_path / "config.toml"
    path.write_text(bucket + 'access_key = "AKIACANARY"\nsecret_key = "canary-sesame"\nregion = 7\n')
    with pytest.raises(ConfigError) as caught:
        load(path, {"PASSWORD": "x"})
    told = str(caught.value)
    assert "publish.s3.secret_key: a secret does not belong in the file" in told
    assert "canary" not in told.lower()
    path.write_text(bucket + 'secret_key = "${PASSWORD}"\n')
    with pytest.raises(ConfigError, match=r"publish\.s3\.secret_key: needs access_key beside it"):
        load(path, {"PASSWORD": "x"})
