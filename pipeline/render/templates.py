"""Templates: found by a naming rule, compiled in a sandbox, rendered a block at a time. The only Jinja2.

    templates/NAME/body.html.j2   blocks `shell` and `article`, may have `group`, `toc_entry`, `correction`
    templates/NAME/body.txt.j2    the same in plain text
    templates/NAME/digest.css     inlined
    templates/NAME/subject.txt.j2 one line

The operator's folder comes before the shipped one, file by file. What a folder lacks is taken from the template that it
extends, in the end from `digest`. A template of one's own is short, because it can extend a shipped one and replace one
block of it. Blocks are rendered apart from each other, each with what it may know: the shell gets `page`, `words`,
`tokens`, `slots`, `begin`, `end`; an article gets `page`, `words` and `article`. Titles, HTML and all else that comes
from sources is data here, never template text.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from markupsafe import Markup

from pipeline.errors import TemplateError
from pipeline.model.frozen import DigestPage
from pipeline.render import contract
from pipeline.render.dates import format_date, format_weekday
from pipeline.render.faults import cause_of, line_of, translated
from pipeline.render.limits import Bounded, Counted, joined, limited
from pipeline.render.pictures import PictureView
from pipeline.render.views import (
    AlsoIn,
    ArticleView,
    CorrectionView,
    GroupView,
    one_line,
    underline,
    wrap,
)
from pipeline.render.wording import Wording, Words, filled, filled_html

FALLBACK = "digest"
BLOCKS = ("shell", "article", "group", "toc_entry", "correction")
REQUIRED = ("shell", "article")
MAX_TEMPLATE = 1_000_000   # bytes of one file
MAX_CSS = 100_000          # characters of a style sheet that is inlined
MAX_SUBJECT = 400          # characters


@dataclass(frozen=True, slots=True)
class DigestTemplate:
    """One loaded template. Get it from `Templates.digest`, which has checked it."""

    name: str
    css: str
    html_file: str
    text_file: str
    subject_source: str
    _html: jinja2.Environment
    _text: jinja2.Environment
    _wording: Wording

    def blocks(self, part: str, page: DigestPage) -> Blocks:
        """The blocks of "html" or "text" for one digest, in its language."""
        words = self._wording.words(page.language)
        if part == "html":
            return Blocks(self._html, self.html_file, page, words)
        return Blocks(self._text, self.text_file, page, words)

    def subject(self, source: str, *, page: DigestPage, articles: Sequence[ArticleView]) -> str:
        """A subject line from the operator's template text, or the template's own where `source` is empty."""
        return _subject(self._text, source or self.subject_source, page, articles, self._wording)


class Templates:
    """The templates under `folders`, the first folder first."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._files = _Files(folders)
        self._wording = Wording(folders)
        self._html = _environment(self._files, markup=True)
        self._text = _environment(self._files, markup=False)
        self._checked: dict[str, tuple[frozenset[tuple[str, int, int]], DigestTemplate]] = {}
        self._subject_files: dict[str, str] = {}   # source -> its file, for what is said of its errors

    def names(self) -> list[str]:
        return self._files.names()

    def digest(self, name: str) -> DigestTemplate:
        """A template that can be frozen. Raises TemplateError with file, line and cause for the first thing wrong.

        It is checked once, and again when any template file has changed.
        """
        stamp = self._files.stamp()
        known = self._checked.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        template = self._load(name)
        for problem in self._problems(template, everything=False):
            raise problem
        self._checked[name] = (stamp, template)
        return template

    def check(self, name: str) -> list[str]:
        """Everything that is wrong with a template, in words; also what only a trial with sample articles shows."""
        try:
            template = self._load(name)
        except TemplateError as error:
            return [str(error)]
        return [str(problem) for problem in self._problems(template, everything=True)]

    def check_words(self) -> list[str]:
        """Everything that is wrong with the files of words, in words."""
        return [str(problem) for problem in self._wording.problems()]

    def languages(self) -> list[str]:
        """The languages that there are words of, by their tags."""
        return self._wording.languages()

    def subject(self, source: str, *, page: DigestPage, articles: Sequence[ArticleView]) -> str:
        """Render the `subject = "…"` of a newsletter to one line. Raises TemplateError."""
        return _subject(self._text, source, page, articles, self._wording, self._subject_files.get(source, ""))

    def _load(self, name: str) -> DigestTemplate:
        if name not in self.names():
            near = get_close_matches(name, self.names(), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self.names()) or 'none'}"
            raise TemplateError(f"template {name!r}", f"there is no {name}/body.html.j2 in {self._files}", hint=hint)
        chain = [*self._extended(name), FALLBACK]
        text_file, css_file, subject_file = (
            next((f"{folder}/{file}" for folder in chain if self._files.find(f"{folder}/{file}")), f"{FALLBACK}/{file}")
            for file in ("body.txt.j2", "digest.css", "subject.txt.j2")
        )
        css = self._files.read(css_file)
        if len(css) > MAX_CSS:
            raise TemplateError(str(self._files.find(css_file)), f"is longer than {MAX_CSS:,} characters: inlining it "
                                "would take minutes", hint="a letter needs a few hundred rules at the most")
        subject_source = self._files.read(subject_file).strip()
        self._subject_files[subject_source] = str(self._files.find(subject_file))
        return DigestTemplate(
            name=name, css=css, html_file=f"{name}/body.html.j2", text_file=text_file,
            subject_source=subject_source, _html=self._html, _text=self._text,
            _wording=self._wording,
        )

    def _extended(self, name: str) -> list[str]:
        """The folders of a template and of those it extends, nearest first, as far as they can be read."""
        folders = [name]
        while self._files.find(f"{folders[-1]}/body.html.j2"):
            extends = _EXTENDS.search(self._files.read(f"{folders[-1]}/body.html.j2"))
            if extends is None or extends[1] in folders:
                break
            folders.append(extends[1])
        return folders

    def _problems(self, template: DigestTemplate, *, everything: bool) -> list[TemplateError]:
        found: list[TemplateError] = []
        for part, file, environment in (
            ("html", template.html_file, self._html), ("text", template.text_file, self._text)
        ):
            try:
                new = _reading_problems(environment, file)
                found += new or contract.rendering_problems(template.blocks(part, contract.SAMPLE_PAGE), part, file)
            except TemplateError as error:
                found.append(error)
        if not found:
            blocks = template.blocks("html", contract.SAMPLE_PAGE)
            found += contract.order_problems(blocks, template.css, template.html_file, everything=everything)
        return found


class Blocks:
    """The blocks of one template file and of those it extends, ready to be rendered one at a time."""

    def __init__(self, environment: jinja2.Environment, file: str, page: DigestPage, words: Words) -> None:
        self._environment = environment
        self._file = file
        with translated(environment, file):
            template = environment.get_template(file)
            said = Markup(page.introduction)  # noqa: S704 - cleaned when it was made of Markdown
            self._context = template.new_context({"page": replace(page, introduction=said), "words": words})
            # A pass over the top level, for its imports and settings and for the blocks of the templates it
            # extends, which Jinja2 collects on the way; the contract's blocks stand aside while it runs.
            for name in BLOCKS:
                self._context.blocks.setdefault(name, []).insert(0, _nothing)
            with limited():
                joined(template.root_render_func(self._context))
            for name in BLOCKS:
                del self._context.blocks[name][0]
        missing = [name for name in REQUIRED if name not in self]
        if missing:
            raise TemplateError(file, f"has no block {missing[0]!r}", hint=_EXTEND)

    def __contains__(self, name: str) -> bool:
        return bool(self._context.blocks.get(name))

    def render(self, name: str, **values: Any) -> str:
        with translated(self._environment, self._file), limited():
            context = self._context.derived(values)
            return joined(context.blocks[name][0](context))


class _Files(jinja2.BaseLoader):
    """Files under the folders and nowhere else: no "..", and no link that leads out of its folder."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder.resolve() for folder in folders]

    def __str__(self) -> str:
        return " or ".join(map(str, self._folders)) or "no folder"

    def names(self) -> list[str]:
        found = {path.parent.name for folder in self._folders for path in folder.glob("*/body.html.j2")}
        return sorted(name for name in found if self.find(f"{name}/body.html.j2"))

    def stamp(self) -> frozenset[tuple[str, int, int]]:
        """Changes whenever a file does: (path, time of its last change, size) of each."""
        return frozenset(
            (file.path, file.stat().st_mtime_ns, file.stat().st_size)
            for folder in self._folders for inner in _entries(folder) if inner.is_dir()
            for file in _entries(inner) if file.is_file())

    def find(self, name: str) -> Path | None:
        pure = PurePosixPath(name)
        if pure.is_absolute() or "\\" in name or "\0" in name or ".." in pure.parts:
            return None
        for folder in self._folders:
            path = folder / name
            try:
                resolved = path.resolve(strict=True)
                if resolved.is_relative_to(folder) and stat.S_ISREG(resolved.stat().st_mode):
                    return resolved
            except OSError:
                continue
        return None

    def read(self, name: str) -> str:
        path = self.find(name)
        if path is None:
            raise TemplateError(name, f"is not in {self}")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TemplateError(str(path), f"can't be read: {error.strerror}") from error
        if len(data) > MAX_TEMPLATE:
            raise TemplateError(str(path), f"is larger than {MAX_TEMPLATE:,} bytes")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise TemplateError(f"{path}:{line}", "is not UTF-8") from error

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        path = self.find(template)
        if path is None or template.endswith(".txt.j2") == bool(environment.autoescape):
            raise jinja2.TemplateNotFound(template)
        source, stamp = self.read(template), path.stat().st_mtime_ns
        return source, str(path), lambda: path.is_file() and path.stat().st_mtime_ns == stamp


def _entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


class _Sandbox(Bounded):
    """Says at once of our own views what it would find out: they are no internals of Python's, and can't be changed."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if type(obj) in _VIEWS:
            return not attr.startswith("_")
        return super().is_safe_attribute(obj, attr, value)


def _environment(files: _Files, *, markup: bool) -> jinja2.Environment:
    environment = _Sandbox(
        loader=files, autoescape=markup, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals = {"range": Counted, "namespace": environment.globals["namespace"]}
    environment.filters.update(
        date=format_date, weekday=format_weekday, wrap=wrap, underline=underline, one_line=one_line,
        fill=_fill_html if markup else _fill,
    )
    del environment.filters["center"]  # to any width
    return environment


def _fill(phrase: str, **values: object) -> str:
    return filled(phrase, values)


def _fill_html(phrase: str, **values: object) -> Markup:
    return filled_html(phrase, values)


def _reading_problems(environment: jinja2.Environment, file: str) -> list[TemplateError]:
    """What can be seen without rendering, in a template and in those it extends."""
    found = []
    chain: list[str] = []
    while file not in chain:
        asking = chain[-1] if chain else file
        chain.append(file)
        with translated(environment, asking):
            loader = environment.loader
            source, path, _ = loader.get_source(environment, file) if loader else ("", None, None)
            tree = environment.parse(source, file, path)
        for block in tree.find_all(nodes.Block):
            if block.name in BLOCKS:
                found += [TemplateError(f"{path}:{line}", cause) for line, cause in _outside_names(block)]
        for extends in tree.find_all(nodes.Extends):
            if isinstance(extends.template, nodes.Const):
                file = extends.template.value
            else:
                found.append(TemplateError(f"{path}:{extends.lineno}", "extends a template whose name is computed"))
    return found


def _outside_names(block: nodes.Block) -> Iterator[tuple[int, str]]:
    """Names in a block that belong to a loop over the articles, which nobody runs."""
    queue: list[tuple[nodes.Node, bool]] = [(block, False)]
    while queue:
        node, looping = queue.pop()
        if isinstance(node, nodes.Name) and node.ctx == "load":
            if node.name == "loop" and not looping:
                yield node.lineno, f"block {block.name!r} uses `loop`: each article is rendered by itself, in no loop"
            if node.name == "articles":
                yield node.lineno, f"block {block.name!r} uses `articles`: who gets which differs; use slots.articles"
        looping = looping or isinstance(node, nodes.For)
        queue += [(child, looping) for child in node.iter_child_nodes()]


def _subject(
    environment: jinja2.Environment, source: str, page: DigestPage, articles: Sequence[ArticleView], wording: Wording,
    file: str = "",
) -> str:
    """`file`: where the source stands; "" where it is a line of the config, or the operator's own for one digest."""
    named = file or f"subject {source!r}"
    try:
        words = wording.words(page.language)
        with limited():
            text = joined(_compiled(environment, source).generate(page=page, articles=list(articles), words=words))
    except Exception as error:
        line_number = line_of(error) if file else 0
        raise TemplateError(f"{named}:{line_number}" if line_number else named, cause_of(error)) from error
    line = one_line(text)
    if not line:
        raise TemplateError(named, "gives an empty line")
    return line[:MAX_SUBJECT]


@functools.lru_cache(64)
def _compiled(environment: jinja2.Environment, source: str) -> jinja2.Template:
    return environment.from_string(source)


def _nothing(_context: Context) -> Iterator[str]:
    return iter(())


_EXTEND = f'begin with {{% extends "{FALLBACK}/body.html.j2" %}} and replace only what should differ'
_EXTENDS = re.compile(r"""\{%[-+]?\s*extends\s+["']([\w-]+)/body\.html\.j2["']""")
_VIEWS = frozenset({ArticleView, AlsoIn, CorrectionView, DigestPage, GroupView, PictureView})
