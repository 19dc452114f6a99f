"""Rules in words and as regular expressions: what they find, what is refused, and that no text makes them slow."""

from __future__ import annotations

import ast
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import patterns
from pipeline.errors import UsageError
from pipeline.patterns import MAX_TEXT, MAX_TOPICS, Field, Reading, parse_rule


def finds(rule: str, text: str) -> bool:
    return parse_rule(rule).where(Reading(text=text)) is not None


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("casino", "A CASINO, again"),
        ("casino", "casino"),
        ("Casino", "(casino)"),
        ("casino", "online-casino"),
        ("casino", "the “casino’s” owner"),
        ("casino", "ca\u00adsi\u200bno"),          # soft hyphens and invisible spaces are no way around it
        ("casino", "ＣＡＳＩＮＯ"),
        ("don't", "they don’t"),
        ("e-mail", "E‑Mail"),
        ("premier league", "The Premier\u00a0\n League"),
        ("gambl*", "gambling"),
        ("gambl*", "gambl"),
        ("gambl* sites", "a gambler sites here"),
        ("c++", "C++ and more"),
        (".net", "in .NET"),
        ("école", "l'ÉCOLE"),
        ("école", "e\u0301cole"),
        ("straße", "STRASSE"),
        ("футбол", "ФУТБОЛ!"),
        ("ποδόσφαιρο", "ΠΟΔΌΣΦΑΙΡΟ"),
        ("ΟΔΟΣ", "οδος"),
        ("قمار", "عن قمار اليوم"),
        ("क्रिकेट", "आज क्रिकेट है"),
        ("축구*", "축구는"),
        ("東京", "新東京都の"),
        ("東京", "mytokyo東京tower"),
        ("ラーメン", "東京ラーメンの"),
        ("iphone", "新しいiPhoneが"),
        ("ฟุตบอล", "ดูฟุตบอลสด"),
        ("5g", "on 5G."),
        ("/bitcoin|ether(eum)?/", "an ethereum coin"),
        ("/Bit.oin/i", "BITCOIN"),
        ("/^buy/", "buy now"),
        (r"/\d{3}-\d{4}/", "555-1234"),
        (r"/a\/b/", "a/b"),
        (r"/\p{Cyrillic}{5}/", "привет"),
        ("text: casino", "casino"),
        ("note: casino", "a note: casino"),        # no field is called note
    ],
)
def test_a_rule_finds(rule: str, text: str) -> None:
    assert finds(rule, text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("casino", "casinos"),
        ("casino", "mycasino"),
        ("casino", "casino_7"),
        ("casino", "casino7"),
        ("resume", "résumé"),
        ("école", "ecole"),
        ("premier league", "premier division league"),
        ("premier league", "league premier"),
        ("gambl*", "a gamb"),
        ("gambl*", "ungambling"),
        ("casino", ""),
        ("5g", "15g"),
        ("клуб", "клубы"),
        ("क्रिकेट", "क्रिकेटर"),
        ("축구", "축구는"),
        ("/Casino/", "casino"),
        ("/^buy/", "to buy"),
        ("title: casino", "casino"),
    ],
)
def test_a_rule_leaves_alone(rule: str, text: str) -> None:
    assert not finds(rule, text)


@pytest.mark.parametrize(
    ("rule", "place"),
    [("one", Field.TITLE), ("two", Field.TEXT), ("three", Field.TOPIC), ("four", Field.TOPIC), ("five", Field.AUTHOR),
     ("example", None), ("url: example.org/six", Field.URL), ("url: example", Field.URL), ("URL : six", Field.URL),
     ("title: one", Field.TITLE), ("title: two", None), ("topic: three", Field.TOPIC), ("topic: one", None),
     ("author: five", Field.AUTHOR), ("author: /^five$/", Field.AUTHOR), ("topic: /^four$/", Field.TOPIC),
     ("text: /^two$/", Field.TEXT), ("title: /two/", None), ("one two", None), ("three four", None),
     ("/three.*four/", None), ("url: /six$/", Field.URL)])
def test_a_rule_looks_where_it_is_told_to(rule: str, place: Field | None) -> None:
    reading = Reading(title="one", text="two", topics=("three", "four"), author="five", url="https://example.org/six")
    assert parse_rule(rule).where(reading) == place


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        ("/a", "does not end with one"),
        ("//", "nothing between its slashes"),
        ("/a/x", "something other than i after its last /"),
        ("/(?=a)b/", "a look-ahead"),
        ("/(?<!a)b/", "not linear in time"),
        (r"/(a)\1/", "a back-reference"),
        ("/[a/", "a [ that is not closed"),
        ("/[[:nothing:]]/", "names nothing"),
        (r"/\p{Nobody}/", "names nothing"),
        ("/(a/", "a ( that is not closed"),
        ("/a)/", "a ) without its ("),
        ("/a**/", "two of *, + and ?"),
        ("/*a/", "with nothing before it"),
        ("/a{1001}/", "more than 1,000 times"),
        ("/(a{100}){100}/", "more than 1,000 times"),
        (r"/[\pL]{900}/", "is too large"),
        ("/a*/", "found in every text"),
        ("/(?i)/", "found in every text"),
        ("***", "no letter and no digit"),
        ("", "no letter and no digit"),
        ("title:", "no letter and no digit"),
        ("*casino", "a * elsewhere"),
        ("ca*no", "a * elsewhere"),
        ("casino *", "a * elsewhere"),
        ("titel: casino", "the nearest is title:"),
        ("topics: casino", "the nearest is topic:"),
        ("a" * 501, "longer than 500 characters"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_reason(rule: str, cause: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_rule(rule)
    assert cause in refused.value.cause
    assert refused.value.hint
    assert rule in refused.value.subject


CANARY = "hunter2"


@pytest.mark.parametrize("rule", [f"/{CANARY}(/", f"/(?={CANARY})/", rf"/\k{CANARY}/", f"/[z-{CANARY}]/", f"*{CANARY}",
                                  f"/{CANARY}", f"/a/{CANARY}", rf"/\p{{{CANARY}}}/", f"/(?P<{CANARY}/"])
def test_a_reason_never_repeats_what_was_written(rule: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_rule(rule)
    assert CANARY not in refused.value.cause + refused.value.hint


@given(st.text(max_size=40))
def test_any_words_are_a_rule_that_finds_itself_or_are_refused(rule: str) -> None:
    try:
        pattern = parse_rule(rule)
    except UsageError:
        return
    if not pattern.regex and pattern.field is Field.ANYWHERE and "*" not in rule:
        assert finds(rule, f"so {rule} there")
        assert finds(rule, rule)


@given(st.from_regex(r"/[ab(){}|*+?.\[\]\\^$0-9]{1,25}/i?", fullmatch=True), st.text("ab1 \u0301\n", max_size=200))
def test_any_expression_is_refused_or_searched(rule: str, text: str) -> None:
    cause = ""
    try:
        parse_rule(rule).where(Reading(title=text, text=text * 50))
    except UsageError as error:
        cause = error.cause
    assert cause != "can't be understood", "RE2 said something that has no words here"


def test_no_expression_reaches_a_matcher_that_backtracks() -> None:
    """Linear time is RE2's; so whatever a rule becomes must be compiled by RE2 and by nothing else."""
    tree = ast.parse(Path(patterns.__file__).read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    used = {(f.value.id, f.attr) for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)}
    assert {pair for pair in used if pair[0] == "re"} == {("re", "compile")}
    assert [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "re.compile"
            and not isinstance(n.args[0], ast.Constant)] == []
    assert type(parse_rule("/(a+)+$/")._compiled).__module__ == type(parse_rule("a")._compiled).__module__ == "re2"


@pytest.mark.parametrize("rule", ["/(a+)+$/", "/(a|a)*b/", "/(a|aa)+$/", "/(.*a){20}b/", "/^(([a-z])+.)+[A-Z][a-z]$/"])
def test_what_takes_others_for_ever_ends(rule: str) -> None:
    """Each takes a backtracking matcher longer than anybody waits; nothing is timed, it just has to end."""
    assert not finds(rule, "a" * 50_000 + "!")


def test_a_huge_text_is_looked_at_up_to_a_limit() -> None:
    assert finds("casino", "x " * (MAX_TEXT // 2 - 10) + "casino")
    assert not finds("casino", "x " * MAX_TEXT + "casino")
    assert not finds("/casino/", "x " * MAX_TEXT + "casino")
    assert parse_rule("t9999").where(Reading(topics=(f"t{n}" for n in range(10_000)))) is None
    assert parse_rule(f"t{MAX_TOPICS - 1}").where(Reading(topics=(f"t{n}" for n in range(10_000)))) is Field.TOPIC


def test_a_long_run_of_marks_takes_no_time_to_sort() -> None:
    """NFC takes minutes for this one; here it only has to end, and the word after it still to be found."""
    assert finds("casino", "a" + "\u0315\u0300" * (MAX_TEXT // 2 - 100) + " casino")


def test_the_text_is_asked_for_once_and_only_where_a_rule_needs_it() -> None:
    asked: list[int] = []

    def text() -> str:
        asked.append(1)
        return "casino"

    reading = Reading(title="poker", text=text)
    assert parse_rule("poker").where(reading) is Field.TITLE
    assert parse_rule("author: poker").where(reading) is None
    assert not asked
    assert parse_rule("casino").where(reading) is Field.TEXT
    assert parse_rule("/casino/").where(reading) is Field.TEXT
    assert len(asked) == 1


def test_a_rule_takes_little_memory() -> None:
    tracemalloc.start()
    try:
        reading = Reading(text="a b c d " * 1_000_000)
        assert parse_rule("/a.b.c.x/").where(reading) is None
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
