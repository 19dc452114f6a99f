"""Two validators on the HTML that people get, in every design, language and place: no errors, but for what mail
programs need and HTML does not know. Needs Java, Node and `npm ci --ignore-scripts --prefix tests/judges`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.services

Complaint = tuple[str, str, str]
"""The document, the rule ("" for vnu, which has none), what is wrong."""

ALLOWED_BY_VNU = {
    r"CSS: “mso-[a-z-]+”: Property “mso-[a-z-]+” doesn't exist":
        "Outlook's own: keeps the preheader hidden. All others skip it",
}
ALLOWED_BY_HTML_VALIDATE = {
    r'no-deprecated-attr: Attribute "cellspacing" is deprecated on <table> element':
        "Outlook knows no border-spacing",
    "prefer-native-element: Prefer to use the native <(article|main)> element":
        "mail programs drop or rename elements that they don't know; a role on a <div> comes through",
    r"wcag/h63: <th> element must have a valid scope attribute":
        "a table of somebody else's article: which way its headings go is not known, and browsers guess well",
}
NOBODY = "allowed, and no letter does it any more: take it off the list"
PRESETS = ["html-validate:standard", "html-validate:a11y"]
"""What HTML and accessibility ask for; not html-validate's advice on writing style, like no style attributes."""


@pytest.fixture(scope="session")
def vnu(program: Callable[..., str], judge: Callable[[str], Path]) -> Callable[[Sequence[Path]], list[Complaint]]:
    """Errors by the W3C's checker; one Java for all documents."""
    command = [program("java"), "-Xss4m", "-jar", str(judge("vnu-jar/build/dist/vnu.jar")), "--format", "json",
               "--stdout", "--exit-zero-always"]

    def vnu(paths: Sequence[Path]) -> list[Complaint]:
        said = json.loads(_run([*command, *map(str, paths)]))
        return [(Path(m["url"]).stem, "", m["message"]) for m in said["messages"] if m["type"] != "info"]

    return vnu


@pytest.fixture(scope="session")
def html_validate(
    program: Callable[..., str], judge: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Sequence[Path]], list[Complaint]]:
    """Errors by html-validate; one Node for all documents."""
    folder = tmp_path_factory.mktemp("html-validate")
    config, report = folder / "config.json", folder / "report.json"
    config.write_text(json.dumps({"root": True, "extends": PRESETS}))
    # Into a file: it ends before a pipe has taken more than 64 KB.
    command = [program("node", "nodejs"), str(judge("html-validate/bin/html-validate.mjs")), "--config", str(config),
               "--formatter", f"json={report}"]

    def html_validate(paths: Sequence[Path]) -> list[Complaint]:
        _run([*command, *map(str, paths)])
        said = json.loads(report.read_text())
        report.unlink()
        return [(Path(one["filePath"]).stem, m["ruleId"], m["message"]) for one in said for m in one["messages"]]

    return html_validate


@pytest.fixture(scope="session")
def documents(copies: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("documents")
    for copy in copies:
        (folder / f"{copy.name}.html").write_text(copy.html)
    return sorted(folder.iterdir())


def test_vnu_finds_no_error(vnu: Any, documents: list[Path]) -> None:
    found = vnu(documents)
    assert _told(_not_allowed(found, ALLOWED_BY_VNU)) == ""
    assert _unused(found, ALLOWED_BY_VNU) == [], NOBODY


def test_html_validate_finds_no_error(html_validate: Any, documents: list[Path]) -> None:
    found = html_validate(documents)
    assert _told(_not_allowed(found, ALLOWED_BY_HTML_VALIDATE)) == ""
    assert _unused(found, ALLOWED_BY_HTML_VALIDATE) == [], NOBODY


def test_both_see_a_mistake(vnu: Any, html_validate: Any, documents: list[Path], tmp_path: Path) -> None:
    """Positive control: one of the very documents, with one mistake each."""
    whole = documents[0].read_text()
    for name, broken in {
        "twice": whole.replace("</body>", '<p id="same"></p><p id="same"></p></body>'),
        "inside": whole.replace("</body>", "<ul><p>a paragraph</p></ul></body>"),
    }.items():
        assert broken != whole
        (tmp_path / f"{name}.html").write_text(broken)
    paths = sorted(tmp_path.iterdir())
    for found, allowed in ((vnu(paths), ALLOWED_BY_VNU), (html_validate(paths), ALLOWED_BY_HTML_VALIDATE)):
        assert {document for document, _, _ in _not_allowed(found, allowed)} == {"twice", "inside"}


def _not_allowed(found: Iterable[Complaint], allowed: Iterable[str]) -> list[Complaint]:
    return [one for one in found if not any(re.match(pattern, _line(one)) for pattern in allowed)]


def _unused(found: Sequence[Complaint], allowed: Iterable[str]) -> list[str]:
    return [pattern for pattern in allowed if not any(re.match(pattern, _line(one)) for one in found)]


def _line(complaint: Complaint) -> str:
    _, rule, message = complaint
    return f"{rule}: {message}" if rule else message


def _told(found: Sequence[Complaint]) -> str:
    """Each complaint once, with the documents that it is about."""
    about: dict[str, list[str]] = {}
    for one in found:
        about.setdefault(_line(one), []).append(one[0])
    return "\n".join(f"{line} [{len(names)}: {', '.join(sorted(set(names))[:3])} …]" for line, names in about.items())


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert not done.stderr.strip(), done.stderr[-2000:]
    return done.stdout
