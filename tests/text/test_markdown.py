from __future__ import annotations

from pipeline.text.clean import clean_html
from pipeline.text.markdown import markdown_html


def test_headings_lists_tables_and_code() -> None:
    source = "## A\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx < 1\n```\n"
    html = clean_html(markdown_html(source))
    assert "<h2>A</h2>" in html
    assert html.count("<li>") == 2
    assert "<td>1</td>" in html
    assert "<pre><code>x &lt; 1\n</code></pre>" in html


def test_html_in_markdown_goes_through_the_same_door() -> None:
    html = clean_html(markdown_html('<script>alert(1)</script>\n\n[x](javascript:alert(1)) <b onclick="x">b</b>'))
    assert "<script" not in html
    assert "onclick" not in html
    assert "<b>b</b>" in html


def test_endless_nesting_ends() -> None:
    assert clean_html(markdown_html("> " * 3000 + "x")).count("<blockquote>") <= 100
