"""An article's page after the operator said what was wrong in it, or took it back."""

from __future__ import annotations

from typing import Any

from lxml import html as lxml_html

from pipeline import config
from pipeline.desk.corrections import clear, correct
from pipeline.desk.takedown import named_articles, withdraw


def note_of(page: str) -> Any:
    found = lxml_html.document_fromstring(page).find_class("correction")
    return found[0] if found else None


def test_a_correction_stands_above_the_text(house: Any) -> None:
    assert note_of(house.get("/a/1").text) is None
    correct(house.app, 1, 'It leaves at <b>two</b> & not at "midnight".')
    page = house.get("/a/1").text
    note = note_of(page)
    assert note.text_content() == ('Correction, 23 November 2026: It leaves at <b>two</b> & not at "midnight".')
    assert note.find("b") is None, "it is plain text"
    assert note.find("time").get("datetime") == house.app.now().isoformat()
    assert page.index("<h1>") < page.index('class="correction"') < page.index('class="prose"')
    clear(house.app, 1)
    assert note_of(house.get("/a/1").text) is None


def test_it_is_in_the_sites_language_whatever_the_articles(house: Any) -> None:
    path = house.folder / "config.toml"
    path.write_text(path.read_text().replace("demo = true", 'demo = true\nlanguage = "ar"'))
    app = type(house.app)(config.load(path), house.app.store, house.app.keyring, house.app.now)
    correct(app, 1, "Words of the operator.")
    note = note_of(type(house)(app, house.folder).get("/a/1").text)
    assert note.get("lang") == "en", "the word before it is ours"
    assert note.find("span").get("lang") == "ar"
    assert note.find("span").get("dir") == "auto"


def test_of_what_was_withdrawn_no_page_says_a_word(house: Any) -> None:
    paths = ["/", "/a/1", house.digest_path, "/n/beacon/"]
    title = "The last ferry"
    assert [title in house.get(path).text for path in paths[:3]] == [True] * 3
    withdraw(house.app, named_articles(house.app, [1]), "it was a hoax")
    page = house.get("/a/1")
    assert page.status == 410
    assert "taken back" in page.text
    for path in paths:
        text = house.get(path).text
        for words in (title, "hoax", "Ines Holm", "leaves at"):
            if not (path == "/" and words != "hoax"):  # the demo's mailbox keeps what was delivered
                assert words not in text, (path, words)
    front = house.get("/").text.partition('id="articles"')[2].partition("<aside")[0]
    assert title not in front
    assert "A tide table made by hand" in front
