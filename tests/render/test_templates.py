"""Finding, compiling and rendering templates, and what a template may not do."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import TemplateError
from pipeline.render.contract import SAMPLE_PAGE, sample_article
from pipeline.render.cut import Markers
from pipeline.render.templates import Templates

SHIPPED = Path(__file__).resolve().parents[2] / "templates"
Write = Callable[[str, str], Path]

EXTENDS = '{% extends "digest/body.html.j2" %}\n'
TINY = (
    "{% block shell %}<!DOCTYPE html><html><head><title>t</title></head><body>{{ slots.articles }}"
    '{{ begin.mail }}<p><a href="{{ tokens.unsubscribe_url }}">leave</a></p>{{ end.mail }}</body></html>{% endblock %}'
    '{% block article %}<h2 class="t">{{ article.title }}</h2>{% endblock %}'
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def templates(tmp_path: Path) -> Templates:
    (tmp_path / "own").mkdir(exist_ok=True)
    return Templates([tmp_path / "own", SHIPPED])


def article_html(templates: Templates, name: str = "mine") -> str:
    return templates.digest(name).blocks("html", SAMPLE_PAGE).render("article", article=sample_article(1))


def shell_html(templates: Templates, name: str = "mine") -> str:
    context = Markers("html", "nonce0000").context()
    return templates.digest(name).blocks("html", SAMPLE_PAGE).render("shell", **context)


def test_the_shipped_designs_are_in_order(templates: Templates) -> None:
    assert templates.names() == ["digest", "gallery", "headlines"]
    for name in templates.names():
        assert templates.check(name) == [], name
        assert templates.digest(name).css
    assert len({templates.digest(name).css for name in templates.names()}) == 3, "each has a look of its own"


def test_a_template_of_one_s_own_is_ten_lines(templates: Templates, write: Write) -> None:
    cell = "<tr><td><b>{{ article.title }}</b></td></tr>"
    write("mine/body.html.j2", f"{EXTENDS}{{% block article %}}{cell}{{% endblock %}}")
    assert templates.check("mine") == []
    assert article_html(templates) == "<tr><td><b>Title 1</b></td></tr>"
    assert "slots" not in shell_html(templates)
    assert "Sample newsletter" in shell_html(templates)
    assert templates.digest("mine").css == templates.digest("digest").css, "files it lacks come from digest"


def test_what_a_template_lacks_comes_from_the_one_that_it_extends(templates: Templates, write: Write) -> None:
    write("mine/body.html.j2", '{% extends "headlines/body.html.j2" %}{% block more %}{% endblock %}')
    write("again/body.html.j2", '{%- extends "mine/body.html.j2" -%}')
    write("mine/subject.txt.j2", "Mine")
    for name in ("mine", "again"):
        assert templates.check(name) == []
        template = templates.digest(name)
        assert template.css == templates.digest("headlines").css != templates.digest("digest").css
        assert template.text_file == "headlines/body.txt.j2"
        assert template.subject("", page=SAMPLE_PAGE, articles=[sample_article(1)]) == "Mine"


def test_words_and_what_fills_them(templates: Templates, write: Write) -> None:
    filling = "{{ words.sent_by|fill(newsletter='R&D <x>', site='<b>S</b>'|safe) }}"
    write("mine/body.html.j2", EXTENDS + f"{{% block article %}}{filling}{{% endblock %}}")
    write("mine/body.txt.j2", '{% extends "digest/body.txt.j2" %}' + f"{{% block article %}}{filling}{{% endblock %}}")
    assert article_html(templates) == "R&amp;D &lt;x&gt; is sent by <b>S</b>."
    blocks = templates.digest("mine").blocks("text", SAMPLE_PAGE)
    assert blocks.render("article", article=sample_article(1)) == "R&D <x> is sent by <b>S</b>."
    german = replace(SAMPLE_PAGE, language="de")
    assert templates.subject("{{ words.note }}", page=german, articles=[]) == "Anmerkung der Redaktion"


def test_inherited_blocks_supers_imports_and_inner_blocks_work(templates: Templates, write: Write) -> None:
    write("middle/body.html.j2", EXTENDS + "{% block footer %}<tr><td>{{ super() }}MIDDLE</td></tr>{% endblock %}")
    write("mine/m.html.j2", "{% macro shout(x) %}<i>{{ x }}</i>{% endmacro %}")
    write(
        "mine/body.html.j2",
        '{% extends "middle/body.html.j2" %}{% import "mine/m.html.j2" as m %}{% set mark = "!" ~ page.language %}'
        "{% block article %}{{ m.shout(article.title) }}{{ mark }}{{ super() }}{% endblock %}",
    )
    html = article_html(templates)
    assert html.startswith("<i>Title 1</i>!en")
    assert 'class="headline"' in html
    assert "MIDDLE" in shell_html(templates)
    assert "Unsubscribe" in shell_html(templates)


def test_the_operator_s_file_wins_and_changes_at_once(templates: Templates, write: Write) -> None:
    path = write("digest/body.html.j2", TINY)
    assert article_html(templates, "digest") == '<h2 class="t">Title 1</h2>'
    path.write_text(TINY.replace("<h2", "<h3").replace("</h2", "</h3"))
    os.utime(path, (1, 1))
    assert article_html(templates, "digest") == '<h3 class="t">Title 1</h3>'


def test_text_from_sources_is_data_and_html_is_escaped(templates: Templates, write: Write) -> None:
    everything = "{{ article.title }}{{ article.author }}{{ article.html }}"
    write("mine/body.html.j2", TINY.replace("{{ article.title }}", everything))
    hostile = replace(sample_article(1), title="{{ 7*7 }}<script>", author='"><b>')
    html = templates.digest("mine").blocks("html", SAMPLE_PAGE).render("article", article=hostile)
    assert "{{ 7*7 }}&lt;script&gt;" in html
    assert "&#34;&gt;&lt;b&gt;" in html
    assert "<p>First.</p>" in html, "sanitised HTML is the one thing that is not escaped"


def test_plain_text_is_not_escaped(templates: Templates) -> None:
    article = replace(sample_article(1), title="R&D <now>")
    assert "R&D <now>\n" in templates.digest("digest").blocks("text", SAMPLE_PAGE).render("article", article=article)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{% block shell %}\n{% if %}{% endblock %}", ":2"),
        ("{% block shell %}x{% endblock %}", "no block 'article'"),
        (EXTENDS + "{% block article %}\n{{ article.titel }}{% endblock %}", ":3"),
        (EXTENDS + "{% block article %}\n{{ words.red_on }}{% endblock %}", ":3: there is no `words.red_on`; did you"),
        (EXTENDS + "{% block article %}\n{{ words.more|fill(number=1) }}{% endblock %}", "to be filled with: count"),
        (EXTENDS + "{% block article %}\n\n{{ loop.index }}{% endblock %}", ":4: block 'article' uses `loop`"),
        (EXTENDS + "{% block shell %}{% for a in articles %}{{ a }}{% endfor %}{% endblock %}", "use slots.articles"),
        (EXTENDS + "{% block article %}{{ tokens.address }}{% endblock %}", "'tokens' is undefined"),
        (TINY.replace("{{ slots.articles }}", ""), "slots.articles once"),
        (TINY.replace("{{ slots.articles }}", "{{ slots.articles }}" * 2), "does so 2 times"),
        (TINY.replace("{{ slots.articles }}", "{{ begin.mail }}{{ slots.articles }}{{ end.mail }}"), "outside of"),
        (TINY.replace("{{ tokens.unsubscribe_url }}", ""), "no tokens.unsubscribe_url"),
        (TINY.replace("{{ begin.mail }}", "").replace("{{ end.mail }}", ""), "it is personal"),
        (TINY.replace("{{ end.mail }}", ""), "begin.mail is never closed"),
        (TINY.replace("{{ begin.mail }}", ""), "closes no begin"),
        (TINY.replace("{{ end.mail }}", "{{ end.web }}"), "closes no begin"),
        (TINY.replace("{{ slots.articles }}", "{{ slots.articles }}{{ slots.toc }}"), "no block 'toc_entry'"),
        (TINY.replace("<title>", "<style>a{color:{{ tokens.count }}}</style><title>"), "no value is safe"),
        ('{% extends "mine/body.html.j2" %}', "extends, includes or calls itself"),
        ('{% extends "nowhere/body.html.j2" %}', "'nowhere/body.html.j2', which is not there"),
        ('{% extends "digest/body.txt.j2" %}', "which is not there"),
        ('{% extends "../own/mine/body.html.j2" %}', "which is not there"),
        ('{% extends page.language %}', "whose name is computed"),
        ("{{ page.wrong }}" + TINY, "wrong"),
        ("{{ undefined_name }}" + TINY, "undefined_name"),
        (EXTENDS + "{% block article %}{{ 1 // 0 }}{% endblock %}", "ZeroDivisionError"),
    ],
)
def test_what_can_t_work_is_refused_with_file_and_cause(
    templates: Templates, write: Write, body: str, says: str
) -> None:
    write("mine/body.html.j2", body)
    problems = templates.check("mine")
    assert any(says in problem for problem in problems), problems
    assert all("body.html.j2" in problem for problem in problems)
    with pytest.raises(TemplateError):
        templates.digest("mine")


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ article.__class__ }}",
        "{{ article.html.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ lipsum.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ page.date.__reduce__() }}",
        "{{ ''|attr('__class__') }}",
        "{{ article.topics.append(1) }}",
        "{{ config }}",
        "{{ env }}",
        "{{ '{0.__class__}'.format(article) }}",
        "{{ range(10000000)|list }}",
    ],
)
def test_the_sandbox_holds(templates: Templates, write: Write, escape: str) -> None:
    write("mine/body.html.j2", EXTENDS + f"{{% block article %}}{escape}{{% endblock %}}")
    with pytest.raises(TemplateError):
        templates.digest("mine")


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        (".t + .t", False), ("h2 ~ h2", False), ("h2:first-child", False), ("h2.t:last-of-type", False),
        ("h2:nth-child(2n)", False), ("i:first-child", True), ("h2.t", True), ("h2:hover", True), ("i + i", True),
    ],
)
def test_styles_that_depend_on_the_neighbours_are_refused(
    templates: Templates, write: Write, selector: str, kept: bool
) -> None:
    write("mine/body.html.j2", TINY.replace("</h2>", "<span><i>x</i><i>y</i></span></h2>"))
    write("mine/digest.css", f"h2 {{ margin: 0 }} {selector} {{ color: red }}")
    assert [selector in problem for problem in templates.check("mine")] == ([] if kept else [True])
    if not kept:
        with pytest.raises(TemplateError, match="depends on which articles"):
            templates.digest("mine")


def test_styles_within_the_page_count_too(templates: Templates, write: Write) -> None:
    write("mine/body.html.j2", TINY.replace("</head>", "<style>h2:first-of-type{color:red}</style></head>"))
    assert any("first-of-type" in problem for problem in templates.check("mine"))


def test_an_unknown_template_names_the_nearest(templates: Templates) -> None:
    with pytest.raises(TemplateError, match="did you mean 'digest'"):
        templates.digest("digset")
    assert "there are: digest" in templates.check("x")[0]


@pytest.mark.parametrize("name", ["../digest", "/etc", "digest/../digest", "a\0b", "..", ""])
def test_names_can_t_lead_out(templates: Templates, name: str) -> None:
    with pytest.raises(TemplateError):
        templates.digest(name)


def test_links_out_of_the_folder_are_not_followed(templates: Templates, write: Write, tmp_path: Path) -> None:
    outside = tmp_path / "outside.j2"
    outside.write_text(TINY)
    inside = write("mine/real.html.j2", TINY)
    (inside.parent / "body.html.j2").symlink_to(outside)
    with pytest.raises(TemplateError, match="no mine/body"):
        templates.digest("mine")
    (inside.parent / "body.html.j2").unlink()
    (inside.parent / "body.html.j2").symlink_to(inside)
    assert templates.digest("mine").name == "mine"


def test_files_that_are_no_text_are_named(templates: Templates, write: Write) -> None:
    write("mine/body.html.j2", TINY).write_bytes(b"ok\nok \xff")
    with pytest.raises(TemplateError, match=r"body\.html\.j2:2: is not UTF-8"):
        templates.digest("mine")
    write("mine/body.html.j2", "x" * 1_000_001)
    with pytest.raises(TemplateError, match="larger than"):
        templates.digest("mine")


def test_subjects(templates: Templates) -> None:
    articles = [sample_article(1), sample_article(2)]
    source = "{{ articles[0].title }}{% if articles|length > 1 %} and {{ articles|length - 1 }} more{% endif %}"
    assert templates.subject(source, page=SAMPLE_PAGE, articles=articles) == "Title 1 and 1 more"
    assert templates.subject(source, page=SAMPLE_PAGE, articles=articles[:1]) == "Title 1"
    assert templates.digest("digest").subject("", page=SAMPLE_PAGE, articles=articles) == "Title 1 and 1 more"
    assert templates.subject("a\n & {{ page.language }}", page=SAMPLE_PAGE, articles=[]) == "a & en"
    assert len(templates.subject("{{ 'x' * 9000 }}", page=SAMPLE_PAGE, articles=[])) == 400
    for wrong in ("{{ articles[0].titel }}", "{% if %}", "  ", "{{ articles[0].title }}", "{{ ''.__class__ }}"):
        with pytest.raises(TemplateError, match="subject"):
            templates.subject(wrong, page=SAMPLE_PAGE, articles=articles if "titel" in wrong else [])
