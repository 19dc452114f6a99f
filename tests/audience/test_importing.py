"""People from a CSV: each line by itself, no surprise for anybody who is there already."""

from __future__ import annotations

import pytest

from pipeline.audience.choices import choices
from pipeline.audience.importing import CHUNK, import_csv
from pipeline.audience.subscriptions import Request, add, unsubscribe
from pipeline.errors import UsageError
from pipeline.store import subscribers, suppressions

GOOD = {"ada@example.org": ("confirmed", "weekly"), "bo@example.org": ("confirmed", "weekly")}


@pytest.mark.parametrize("text", [
    "address\nada@example.org\nbo@example.org\n",
    "address\r\nada@example.org\r\nbo@example.org",
    b"\xef\xbb\xbfaddress\nada@example.org\nbo@example.org\n",
    "email,name\nada@example.org,Ada\nbo@example.org,\"B, o\"\n",
    "Name;E-Mail\r\nAda;ada@example.org\r\nB, o;bo@example.org\r\n",
    "\ufeffName;Email Address;\r\nAda;ada@example.org;\r\n\"B;o\";bo@example.org;\r\n",
    "address\n\n  ada@example.org  \n,\nbo@example.org\n\n",
    " Address , consent\nada@example.org,at the fair\nbo@example.org,\n",
])
def test_shapes_of_files(bring, people, text: str | bytes) -> None:
    done = bring(text)
    assert done.problems == []
    assert people() == GOOD
    assert bring(text).joined == {"already subscribed": 2}, "run twice, it changes nothing"
    assert people() == GOOD


def test_bad_lines_are_named_and_stop_no_other(bring, people) -> None:
    done = bring("address,schedule\nada@example.org,\nnot an address,\n\nbo@example.org,dayly\ncy@example.org,daily\n"
                 ",daily\n\"di@exam\nple.org\",daily\n")
    assert [number for number, _ in done.problems] == [3, 5, 7, 9]
    words = [text for _, text in done.problems]
    assert words[0].startswith("not an address: is no e-mail address")
    assert words[1] == 'schedule \'dayly\': there is none (did you mean "daily"?)'
    assert words[2].startswith("(empty): ")
    assert words[3].startswith("di@exam�ple.org: ")
    assert people() == {"ada@example.org": ("confirmed", "weekly"), "cy@example.org": ("confirmed", "daily")}
    assert done.joined == {"added": 2}


def test_a_schedule_that_is_like_none(bring) -> None:
    ((_, text),) = bring("address,schedule\nada@example.org,xyz\n").problems
    assert text == "schedule 'xyz': there is none (there is daily, weekly)"


def test_the_same_person_twice_in_a_file(bring, people) -> None:
    done = bring("address\nada@example.org\nada@EXAMPLE.org\n")
    assert done.joined == {"added": 1, "already subscribed": 1}
    assert len(people()) == 1


@pytest.mark.parametrize(("text", "said"), [
    ("ada@example.org\nbo@example.org\n", r"names no column for addresses \(the first line"),
    ("", "names no column for addresses"),
    ("name,phone\nAda,1\n", "names no column for addresses"),
    (b"address\nfran\xe7ois@example.org\n", r"is not UTF-8 text \(byte 12\)"),
    ("address\n\"" + "x" * 200_000 + "\"\n", "people.csv, line 2: is no CSV"),
])
def test_a_file_that_can_not_be_read(bring, people, text: str | bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        bring(text)
    assert people() == {}


def test_no_such_file(site, tmp_path) -> None:
    newsletter = site.app.config.newsletters[0]
    offered = choices(site.app.config, newsletter)
    with pytest.raises(UsageError, match=r"none\.csv: can't be read: No such file"):
        import_csv(site.app.store, tmp_path / "none.csv", newsletter, offered, consent="x", now=site.now)


def test_consent_is_asked_for_and_kept(bring, site) -> None:
    done = bring("address,consent\nada@example.org,at the fair\nbo@example.org,\n", consent="")
    assert [number for number, _ in done.problems] == [3]
    assert "has no consent" in done.problems[0][1]
    with site.app.store.read() as connection:
        (ada,) = subscribers.by_address(connection, "ada@example.org")
    assert ada.consent == "at the fair"


def test_nobody_who_left_comes_back(bring, site, people) -> None:
    bring("address\nada@example.org\n")
    with site.app.store.read() as connection:
        (ada,) = subscribers.by_address(connection, "ada@example.org")
    unsubscribe(site.app.store, ada.id, site.now, "a test")
    done = bring("address,schedule\nADA@example.org,daily\nada@example.org,daily\n")
    assert people()["ada@example.org"] == ("unsubscribed", "weekly")
    assert done.joined == {"unsubscribed before, and stays so": 2}, "however they spell themselves"


def test_a_suppressed_address_stays_out(bring, site, people) -> None:
    with site.app.store.write() as connection:
        suppressions.suppress(connection, "ada@example.org", "complained", site.now)
    assert bring("address\nada@example.org\n").joined == {"suppressed, and stays so": 1}
    assert people() == {}


def test_a_choice_of_schedule_is_only_changed_by_a_line_that_names_one(bring, people) -> None:
    bring("address\nada@example.org\nbo@example.org\n", schedule="daily")
    assert bring("address\nada@example.org\n").joined == {"already subscribed": 1}
    assert people()["ada@example.org"] == ("confirmed", "daily"), "the default is no wish of theirs"
    assert bring("address,schedule\nada@example.org,weekly\n").joined == {"switched to another schedule": 1}
    assert bring("address\nbo@example.org\n", schedule="weekly").joined == {"switched to another schedule": 1}
    assert {on for _, on in people().values()} == {"weekly"}


def test_columns_that_are_not_used_are_named(bring) -> None:
    assert bring("name,address,age\nAda,ada@example.org,9\n").notes == ["columns not used: name, age"]


def test_more_than_one_transaction(bring, people) -> None:
    text = "address\n" + "".join(f"reader{n}@example.org\n" for n in range(CHUNK + 3)) + "bad\n"
    done = bring(text)
    assert done.joined == {"added": CHUNK + 3}
    assert [number for number, _ in done.problems] == [CHUNK + 5]
    assert len(people()) == CHUNK + 3


def test_windows_start_where_they_are_told_to(bring, site) -> None:
    site.accept(["One", "Two"])
    bring("address\nada@example.org\n")
    bring("address\nbo@example.org\n", start_seq=0)
    with site.app.store.read() as connection:
        assert [subscribers.by_address(connection, f"{n}@example.org")[0].start_seq for n in ("ada", "bo")] == [2, 0]


def test_joining_by_hand(site, people) -> None:
    def join(address: str, schedule: str = "daily", *, revive: bool = True) -> str:
        with site.app.store.write() as connection:
            return str(add(connection, Request(address, "lantern", schedule, "a test"), site.now, revive=revive))

    assert join("ada@example.org") == "added"
    assert join("ada@example.org") == "already subscribed"
    assert join("ada@example.org", "weekly") == "switched to another schedule"
    with site.app.store.read() as connection:
        (ada,) = subscribers.by_address(connection, "ada@example.org")
    assert unsubscribe(site.app.store, ada.id, site.now, "x") is not None
    assert unsubscribe(site.app.store, ada.id, site.now, "x") is not None, "twice is once"
    assert unsubscribe(site.app.store, 999, site.now, "x") is None
    assert join("ada@example.org", revive=False) == "unsubscribed before, and stays so"
    assert join("ada@example.org") == "added"
    assert people() == {"ada@example.org": ("confirmed", "daily")}


# --- topics and language ----------------------------------------------------------------------------------


@pytest.fixture
def offering(copy_site, basic_config):
    """The site, whose newsletter has topics and a second language."""
    text = basic_config.replace("select = { limit = 500 }",
                                'select = { limit = 500, topics = ["Health", "city"] }\nlanguages = ["sv"]')
    return copy_site(declared, text)


def declared(site) -> None:
    assert site.app


def test_columns_for_topics_and_language(offering, tmp_path) -> None:
    def bring(text: str):
        path = tmp_path / "people.csv"
        path.write_text(text)
        newsletter = offering.app.config.newsletters[0]
        return import_csv(offering.app.store, path, newsletter, choices(offering.app.config, newsletter),
                          consent="a test", now=offering.now)

    def theirs() -> dict[str, tuple[tuple[str, ...], str]]:
        with offering.app.store.read() as connection:
            return {s.address.partition("@")[0]: (s.topics, s.language) for s in subscribers.listed(connection)}

    done = bring("Language,Topics,address\nsv,Health; CITY ;,ada@example.org\n,,bo@example.org\nen,*,cy@example.org\n"
                 "sv,helth,di@example.org\nfi,health,ed@example.org\n")
    assert done.problems == [(5, 'topic \'helth\': there is none (did you mean "Health"?)'),
                             (6, "language 'fi': there is none (there is en, sv)")]
    assert done.notes == []
    assert theirs() == {"ada": (("city", "health"), "sv"), "bo": ((), ""), "cy": ((), "")}
    assert bring("address\nada@example.org\n").joined == {"already subscribed": 1}
    assert bring("address,topics,language\nada@example.org,,\n").joined == {"already subscribed": 1}
    assert theirs()["ada"] == (("city", "health"), "sv"), "an empty cell is no wish of theirs"
    assert bring("address;topics\nada@example.org;\"city;health\"\n").joined == {"already subscribed": 1}
    assert bring("address,topics\nada@example.org,*\n").joined == {"given other topics or another language": 1}
    assert theirs()["ada"] == ((), "sv")


def test_what_a_newsletter_offers(make_site, basic_config) -> None:
    def topics(select: str, sources: str = "", languages: str = "") -> tuple[list[str], tuple[str, ...]]:
        text = basic_config.replace("select = { limit = 500 }", f"select = {{ {select} }}\n{languages}") + sources
        config = make_site(text, name=f"site{len(list_of_sites)}").app.config
        list_of_sites.append(config)
        found = choices(config, config.newsletters[0])
        return [topic.title for topic in found.topics], found.languages

    list_of_sites: list[object] = []
    more = """
[[sources]]
slug = "one"
url = "https://one.example/"
topics = ["Health", "python"]
[[sources]]
slug = "two"
url = "https://two.example/"
topics = ["health", "City"]
[[sources]]
slug = "off"
url = "https://off.example/"
topics = ["gone"]
blocked = true
"""
    assert topics('topics = ["*"]', more) == (["Health", "python", "City"], ("en",))
    assert topics('topics = ["*"], sources = ["two"]', more)[0] == ["health", "City"]
    assert topics('topics = ["B", "a", "b"]', more)[0] == ["B", "a"]
    assert topics("limit = 5", "", 'languages = ["sv", "en"]') == ([], ("en", "sv"))
    assert topics("limit = 5", "", 'language = "sv"\nlanguages = ["en"]')[1] == ("sv", "en")


def test_where_nothing_is_named_a_topic_can_not_be_checked(make_site) -> None:
    config = make_site().app.config
    with pytest.raises(UsageError, match=r"there is none \(config.toml names no topics"):
        choices(config, config.newsletters[0]).chosen_topics(["health"])
