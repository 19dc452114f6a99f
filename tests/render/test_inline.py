"""premailer's traps, each with a control that shows the trap is real."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cssutils
import cssutils._fetch
import cssutils.util
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from premailer import merge_style, premailer

from pipeline.errors import TemplateError
from pipeline.render.inline import comment_parents, inline, mark_matches


def page(body: str, head: str = "") -> str:
    return f'<!DOCTYPE html>\n<html lang="en"><head><title>t</title>{head}</head><body>{body}</body></html>'


def test_rules_go_into_elements_and_all_else_stays() -> None:
    out = inline(page('<!--[if mso]><b><![endif]--><p class="a" title="ä">x &amp; y</p>'), "p.a{color:#333;width:5px}")
    assert out == page('<!--[if mso]><b><![endif]--><p class="a" title="ä" style="color:#333; width:5px">x &amp; y</p>')


def test_a_kept_sheet_is_kept_byte_for_byte() -> None:
    sheet = "\n@media (prefers-color-scheme: dark) { .a > p { color: #fff !important; } }\n[data-ogsc] .b { x: y }\n"
    out = inline(page("<p>x</p>", f'<style data-premailer="ignore">{sheet}</style>'), "p{margin:0}")
    assert f"<style>{sheet}</style>" in out
    assert '<p style="margin:0">' in out


def test_a_style_that_equals_a_selector_breaks_nothing_now_or_later() -> None:
    body = '<p style="head">x</p><h1 style="h1">y</h1>'
    for _ in range(2):
        assert "<p" in inline(page(body), "h1{color:red} p{margin:0} head{color:blue}")
    assert '<h1 style="color:red">' in inline(page("<h1>y</h1>"), "h1{color:red}")


def test_control_the_shared_cache_does_break() -> None:
    program = (
        "from premailer import transform\n"
        "try: transform('<html><head></head><body><p style=\"head\">x</p></body></html>', css_text='p{margin:0}')\n"
        "except TypeError: print('crashed')"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "crashed\n"


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server that must hear nothing."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/css")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()
    thread.join()


def poisons(url: str) -> list[tuple[str, str]]:
    """(html, css) that ask for a style sheet from elsewhere in every way there is."""
    return [
        (page("<p>x</p>"), f"@import url({url}/css); p{{margin:0}}"),
        (page("<p>x</p>", f'<style>@import "{url}/style";</style>'), ""),
        (page("<p>x</p>", f'<link rel="stylesheet" href="{url}/link">'), ""),
        (page(f"<style>@import url('{url}/body');</style><p>x</p>"), ""),
        (page(f'<p style="background:url({url}/style-attribute)">x</p>'), "p{margin:0}"),
    ]


def test_no_style_sheet_is_fetched(canary: tuple[str, list[str]]) -> None:
    url, heard = canary
    for html, css in poisons(url):
        inline(html, css)
    assert heard == []


def test_control_the_library_s_own_fetcher_does_fetch(
    canary: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, heard = canary
    monkeypatch.setattr(cssutils.util, "_defaultFetcher", cssutils._fetch._defaultFetcher)
    for html, css in poisons(url):
        inline(html, f"{css}/* another text, past the cache of parsed sheets */")
    assert "/css" in heard


TAGS = ("p", "DIV", "td", "th", "h4", "b")
simple = st.builds("{}{}".format, st.sampled_from(["", "p", "div", "TD", "h4", "body"]),
                   st.sampled_from(["", ".a", ".b-c", ".a.b", "#i", "[title]"])).filter(bool)
selectors = st.lists(simple, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" ", ">", " + "]).map(lambda between: between.join(parts)))
elements = st.builds(
    "<{0} {1}>x".format, st.sampled_from(TAGS),
    st.sampled_from(["", 'class="a"', "class=b-c", "class='A b'", 'class="&#97;"', 'CLASS = "q &#98;-c"', 'title="a b"',
                     'id="i"']))


@pytest.mark.parametrize(("selector", "element"), [
    (".a", '<b class="&#97;">x</b>'), (".b-c", "<b CLASS = 'q b-&#99;'>x</b>"), ("div", "<DIV>x</DIV>"),
    ("td > p.a", '<td><p class="a">x</p></td>'), ("body b", "<b>x</b>"),
    ("h4.b-c .a", '<h4 class="z b-c"><b class=a>x</b></h4>'),
])
def test_a_rule_that_matches_is_never_left_out(selector: str, element: str) -> None:
    assert inline(page(element), f"{selector} {{ margin:7px }}").count('style="margin:7px"') == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(selectors, min_size=1, max_size=6), st.lists(elements, max_size=5))
def test_rules_that_are_left_out_would_have_changed_nothing(chosen: list[str], parts: list[str]) -> None:
    css = "".join(f"{selector} {{ margin:{n}px; text-align:left }}" for n, selector in enumerate(chosen))
    document = page("".join(parts))
    plain = premailer.Premailer(
        css_text=css, allow_network=False, disable_validation=True,
        disable_basic_attributes=["width", "height", "align", "valign", "bgcolor"])
    assert inline(document, css) == plain.transform(document, pretty_print=False)


def test_what_can_t_be_inlined_is_one_kind_of_error() -> None:
    with pytest.raises(TemplateError, match="CSS inlining"):
        inline("", "p{margin:0}")


def test_nothing_is_said_about_rules_the_library_does_not_know(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    inline(page("<p>x</p>"), "p{mso-line-height-rule:exactly; aspect-ratio: 1/2; color: rgb(0 0 0 / 50%)} p{{")
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


def test_the_caches_hold_a_rich_sheet() -> None:
    for function in (merge_style.csstext_to_pairs, premailer._create_cssselector):
        assert function.cache_info().maxsize >= 5000


def test_comments_say_whether_whole_elements_stand_between_them() -> None:
    found = dict(comment_parents(page("<!--a--><p>x</p><!--b--><div><!--c--></div>")))
    assert found["a"] == found["b"]
    assert found["a"] != found["c"]


def test_marking_what_selectors_match() -> None:
    out = mark_matches(page('<p class="a">x</p><p class="a">y</p>'), [".a + .a", "p:nth-child(1)", "]["])
    assert '<p class="a" data-bs="1">x</p><p class="a" data-bs="0">y</p>' in out
