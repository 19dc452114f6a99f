"""More than a thousand ways to smuggle a script, through a feed into feed, mail and web, with Chromium as the judge.

The strings are made here, from carriers, spellings and ways of breaking out. Each goes into a title, a text, an author,
a topic and an address. The control shows the same strings to the same judge as they are: he must find hundreds.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from lxml import etree

from pipeline.web.app import build

pytestmark = pytest.mark.browser

AT_ONCE = 60          # documents before the judge
EACH_FEED = 700
HIT = "top.__hit({n})"

SPELLINGS = (
    "javascript:{hit}", "JaVaScRiPt:{hit}", "java\tscript:{hit}", "java\nscript:{hit}", "java\rscript:{hit}",
    "&#106;avascript:{hit}", "&#x6A;avascript:{hit}", "&#0000106avascript:{hit}", "java&Tab;script:{hit}",
    "java&NewLine;script:{hit}", "javascript&colon;{hit}", " &#14; javascript:{hit}", "\x01javascript:{hit}",
    "javascript://%0a{hit}", "javascript:/*--></title></style></script>*/{hit}", "vbscript:{hit}",
    "data:text/html,<script>{hit}</script>", "data:text/html;base64,{base64}", "livescript:{hit}",
    "feed:javascript:{hit}", "view-source:javascript:{hit}",
)
CARRIERS = (
    '<a href="{url}">x</a>', "<a href='{url}'>x</a>", "<a href={url}>x</a>", '<area href="{url}">',
    '<form action="{url}"><button>x</button></form>', '<button formaction="{url}">x</button>',
    '<iframe src="{url}"></iframe>', '<frameset><frame src="{url}"></frameset>', '<embed src="{url}">',
    '<object data="{url}"></object>', '<img src="{url}">',
    '<svg><a xlink:href="{url}"><text y="9">x</text></a></svg>', '<math href="{url}">x</math>',
    '<base href="{url}//">', '<meta http-equiv="refresh" content="0;url={url}">', '<body background="{url}">',
    '<table background="{url}"><tr><td>x</table>', '<input type="image" src="{url}">',
    '<video poster="{url}"><source src="{url}"></video>', '<svg><use href="{url}"/></svg>',
    '<svg><animate attributeName="href" values="{url}"/></svg>', '<link rel="stylesheet" href="{url}">',
    '<iframe srcdoc="&lt;a href=&quot;{url}&quot;&gt;"></iframe>', '<p cite="{url}">x</p>', '<q cite="{url}">x</q>',
)
HANDLERS = (
    '<img src=x onerror={q}{hit}{q}>', '<svg onload={q}{hit}{q}>', '<svg/onload={q}{hit}{q}>',
    '<body onload={q}{hit}{q}>', '<iframe src="about:blank" onload={q}{hit}{q}></iframe>',
    '<details open ontoggle={q}{hit}{q}>', '<video src=x onerror={q}{hit}{q}></video>',
    '<audio src=x onerror={q}{hit}{q}></audio>', '<video><source onerror={q}{hit}{q}></video>',
    '<object data=x onerror={q}{hit}{q}></object>', '<input autofocus onfocus={q}{hit}{q}>',
    '<select autofocus onfocus={q}{hit}{q}></select>', '<textarea autofocus onfocus={q}{hit}{q}></textarea>',
    '<a id=x tabindex=1 autofocus onfocus={q}{hit}{q}>x</a>', '<marquee onstart={q}{hit}{q}>x</marquee>',
    '<style onload={q}{hit}{q}></style>', '<link rel=stylesheet href="data:text/css," onload={q}{hit}{q}>',
    '<script src="data:text/javascript,1" onload={q}{hit}{q}></script>',
    '<div style="animation:a 1ms" onanimationend={q}{hit}{q}></div><style>@keyframes a{{}}</style>',
    '<img src=x:x onerror\n=\n{q}{hit}{q}>', '<image src=x onerror={q}{hit}{q}>', '<IMG SRC=x ONERROR={q}{hit}{q}>',
    '<img/src=x/onerror={q}{hit}{q}>', '<img src=x onerror={q}{hit}{q}//',
    '<img src="x" title="a" onerror={q}{hit}{q} alt="b">', '<isindex type=image src=x onerror={q}{hit}{q}>',
    '<x onclick={q}{hit}{q}>x</x>', '<math><mtext><img src=x onerror={q}{hit}{q}></mtext></math>',
    '<table><td><img src=x onerror={q}{hit}{q}></table>',
    '<svg><foreignObject><img src=x onerror={q}{hit}{q}></foreignObject></svg>', '<svg><script>{hit}</script></svg>',
    '<noscript><img src=x onerror={q}{hit}{q}></noscript>', '<template><img src=x onerror={q}{hit}{q}></template>',
)
SCRIPTS = (
    "<script>{hit}</script>", "<ScRiPt>{hit}</sCrIpT>", "<script/x>{hit}</script>", "<<script>{hit}//<</script>",
    "<script\x0c>{hit}</script>", "<script\n>{hit}</script\n>", "<scr<script>ipt>{hit}</scr</script>ipt>",
    "<script>{hit}", '<script src="data:text/javascript,{hit}"></script>', '<script type="module">{hit}</script>',
    "<script>/*<!--*/{hit}/*-->*/</script>", "<![CDATA[<script>{hit}</script>]]>", "<!--><script>{hit}</script>-->",
    "<!--[if gte IE 4]><script>{hit}</script><![endif]-->", "<?xml ?><script>{hit}</script>",
    "<title><script>{hit}</script></title>", "<textarea></textarea><script>{hit}</script>",
    "<xmp><script>{hit}</script></xmp>", "<plaintext><script>{hit}</script>",
    "<listing>&lt;script&gt;{hit}&lt;/script&gt;</listing>", "<script>\u2028{hit}</script>",
    '<noscript><p title="</noscript><img src=x onerror={hit}>">',
    '<style><img title="</style><img src=x onerror={hit}>">',
    '<svg></p><style><a id="</style><img src=x onerror={hit}>">',
    '<math></p><style><!--</style><img title="--&gt;&lt;img src=x onerror={hit}&gt;">',
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=x onerror={hit}&gt;\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror={hit}>",
    '<svg><style><img src="</style><img src=x onerror={hit}>">',
    '<iframe><img title="</iframe><img src=x onerror={hit}>">',
    '<select><template><style><!--</style><a rel="--></style></template></select><img src=x onerror={hit}>">',
    "<table><caption><svg><desc><table><caption></svg><img src=x onerror={hit}>",
    "<a><svg><p><style><g title=\"</style><img src=x onerror={hit}>\">",
    '<p style="background:url(javascript:{hit})">x</p>', '<p style="width:expression({hit})">x</p>',
    "<style>@import 'javascript:{hit}';</style>", '<p style="behavior:url(#default#time2)" onbegin="{hit}">x</p>',
    '<object type="text/html" data="data:text/html,<script>{hit}</script>"></object>',
    '<embed src="data:image/svg+xml,<svg xmlns=\'http://www.w3.org/2000/svg\' onload=\'{hit}\'/>">',
    '<svg><set attributeName="onmouseover" to="{hit}"/></svg>',
    '<svg><animate onbegin="{hit}" attributeName="x" dur="1s"/></svg>',
    '<div id="x" onpointerrawupdate="{hit}">x</div>', '<meta charset="x-mac-farsi"><script>{hit}</script>',
    "{{{{constructor.constructor('{hit}')()}}}}",
)
BREAKS = ("{x}", '">{x}', "'>{x}", "</title>{x}", "</textarea>{x}", "]]>{x}", "-->{x}", "</script>{x}",
          "</p></div>{x}", "</style>{x}")


def corpus() -> list[str]:
    """Each string hits with its own number."""
    made: list[str] = []

    def add(form: str, **more: str) -> None:
        hit = HIT.format(n=len(made))
        coded = base64.b64encode(f"<script>{hit}</script>".encode()).decode()
        made.append(form.format(hit=hit, base64=coded, **more))

    for carrier, spelling in product(CARRIERS, SPELLINGS):
        add(carrier.replace("{url}", spelling))
    for handler, quote in product(HANDLERS, ('"', "'", "", "`")):
        add(handler, q=quote)
    for script, around in product(SCRIPTS, BREAKS):
        add(around.replace("{x}", script))
    for script in (*SCRIPTS, '<img src=x onerror="{hit}">'):
        hit = HIT.format(n=len(made))
        made.append(html.escape(script.format(hit=hit)))             # escaped once more by whoever wrote the feed
        made.append(html.escape(html.escape(script.format(hit=hit))))
    return made


def feed_of(strings: list[str], first: int) -> bytes:
    """An Atom feed; each entry has one string in every place that a reader shows."""
    entries = "".join(
        f"<entry><id>urn:x:{n}</id><title type='html'>T{n} {escape(s)}</title><link href={quoteattr(s)}/>"
        f"<link rel='alternate' href='https://s.example/{n}'/>"
        f"<link rel='enclosure' type='audio/mpeg' href={quoteattr(s)}/>"
        f"<author><name>{escape(s)}</name></author><category term={quoteattr(s)}/><rights>{escape(s)}</rights>"
        f"<updated>2026-05-31T12:00:00Z</updated><summary type='html'>{escape(s)}</summary>"
        f"<content type='html'>{escape(f'<p>Text {n}.</p>' + s)}</content></entry>"
        for n, s in enumerate((legal(s) for s in strings), first))
    own = "S &lt;script&gt;top.__hit(0)&lt;/script&gt;"
    return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>{own}</title><id>urn:x</id>{entries}</feed>".encode()


def legal(text: str) -> str:
    return "".join(c for c in text if c in "\t\n\r" or c >= " ")


JUDGE = """async ({documents, wait}) => {
  const found = [];
  top.__hits = new Set();
  window.__hit = n => top.__hits.add(n);
  window.alert = window.confirm = window.prompt = () => window.__hit("alert");
  const scripts = ["javascript:", "vbscript:", "livescript:", "data:"];
  await Promise.all(documents.map(text => new Promise(done => {
    const frame = document.createElement("iframe");
    let settled = false;
    const look = () => {
      if (settled) return;
      settled = true;
      try {
        for (const element of frame.contentDocument.querySelectorAll("*")) {
          if (["SCRIPT", "IFRAME", "OBJECT", "EMBED", "FORM", "BASE"].includes(element.tagName.toUpperCase()))
            found.push(["element", element.tagName]);
          for (const {name, value} of element.attributes) {
            if (name.toLowerCase().startsWith("on")) found.push(["handler", name]);
            if (["href", "src", "action", "formaction", "data", "poster", "background", "xlink:href", "cite", "values",
                 "to", "srcset"].includes(name.toLowerCase())) {
              let protocol = "";
              try { protocol = new URL(value, "https://base.example/").protocol; } catch {}
              if (scripts.includes(protocol)) found.push(["address", value]);
            }
          }
        }
      } catch (error) { found.push(["elsewhere", String(error)]); }
      frame.remove();
      done();
    };
    frame.onload = () => setTimeout(look, wait);
    setTimeout(look, wait + 2500);
    frame.srcdoc = text;
    document.body.appendChild(frame);
  })));
  return {hits: [...top.__hits], found};
}"""


def _no_network(route: Any) -> None:
    if route.request.url.startswith("about:"):
        route.continue_()
    else:
        route.abort()


def judged(browser: Any, documents: list[str], wait: int = 40) -> tuple[set[Any], list[list[str]]]:
    """What ran, and what could: every document in a frame of its own, in which nothing is forbidden."""
    hits: set[Any] = set()
    found: list[list[str]] = []
    for start in range(0, len(documents), AT_ONCE):
        page = browser.new_page()
        page.route("**/*", _no_network)
        page.set_content("<!doctype html><body></body>")
        answer = page.evaluate(JUDGE, {"documents": documents[start : start + AT_ONCE], "wait": wait})
        hits |= set(answer["hits"])
        found += answer["found"]
        page.close()
    return hits, found


@pytest.fixture(scope="module")
def browser(chromium: str, need: Any) -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        need(None, "Playwright is not installed: sh .ci/setup requirements-ci.txt")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def served() -> Iterator[Callable[[list[bytes]], int]]:
    servers: list[ThreadingHTTPServer] = []

    def serve(bodies: list[bytes]) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/atom+xml")
                self.end_headers()
                self.wfile.write(bodies[int(self.path.strip("/"))])

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[feeds]]
slug = "all"
title = "Everything"
select = { limit = 1000 }
[[newsletters]]
slug = "lantern"
title = "The Lantern"
select = { limit = 1000 }
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
[preflight]
links = false
spam = "off"
[mail]
sender = "The Lantern <news@lantern.example>"
"""
SOURCE = """
[[sources]]
slug = "s{n}"
url = "http://127.0.0.1:{port}/{n}"
allow_networks = ["127.0.0.0/8"]
show = "full"
backlog = "all"
"""


def test_no_script_of_a_source_reaches_feed_mail_or_web(
    browser: Any, served: Callable[[list[bytes]], int], make_site: Any
) -> None:
    strings = corpus()
    assert len(strings) >= 1_000
    bodies = [feed_of(strings[at : at + EACH_FEED], at) for at in range(0, len(strings), EACH_FEED)]
    port = served(bodies)
    site = make_site(CONFIG + "".join(SOURCE.format(n=n, port=port) for n in range(len(bodies))))
    site.subscribe("reader@lantern.example", start_seq=0)
    report = site.run()
    taken = sum(poll.new for poll in report.polls)
    assert not [p.error for p in report.polls if p.failed]
    assert taken >= 0.9 * len(strings), "the same words twice are one article; the others are all there"
    site.advance(hours=3)
    site.run()
    built = (site.folder / "feeds/all/atom.xml").read_text()
    assert sum(f"Text {n}." in built for n in range(len(strings))) >= 900, "they got there"
    places = {"feeds": _in_feeds(site), "mail": _mails(site), "web": _pages(site, taken)}
    control, could = judged(browser, [f"<!doctype html><p>{s}" for s in strings])
    print(f"\ncontrol: {len(strings)} strings as they are: {len(control)} ran, {len(could)} elements, handlers or "
          f"addresses could run a script")
    assert len(control) > 200
    for place, documents in places.items():
        hits, found = judged(browser, documents)
        print(f"{place}: {len(documents)} documents: {len(hits)} ran, {len(found)} could")
        assert (hits, found) == (set(), []), place


def _in_feeds(site: Any) -> list[str]:
    """What each built feed holds as HTML, and every address, as a link. Titles, names and topics are text in Atom and
    JSON Feed; RSS says "HTML or text, nobody knows", so they are taken for HTML there."""
    texts: list[str] = []
    for path in sorted((site.folder / "feeds").rglob("*")):
        if path.suffix == ".xml":
            root = etree.parse(path).getroot()
            rss = root.tag == "rss"
            for element in root.iter("{*}*"):
                name = etree.QName(element).localname
                html_in = ("description", "encoded", "title", "creator", "source") if rss else ()
                if element.get("type") == "html" or name in html_in:
                    texts.append(element.text or "")
                texts += _addresses(element)
        elif path.suffix == ".json":
            texts += [str(v) for v in _values(json.loads(path.read_text())) if str(v).strip()]
    texts = [text for text in texts if text.strip()]
    assert len(texts) > 1_000
    by_size = [texts[n : n + 20] for n in range(0, len(texts), 20)]
    return ["<!doctype html>" + "".join(f"<div>{text}</div>" for text in some) for some in by_size]


def _addresses(element: Any) -> list[str]:
    """A reader makes links of these."""
    name = etree.QName(element).localname
    found = [element.get(key) or "" for key in ("href", "url", "src")]
    if name in ("link", "guid", "id", "comments", "docs") and (element.text or "").strip():
        found.append(element.text.strip())
    return [f'<a href="{html.escape(value)}">x</a>' for value in found if value]


def _values(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        for value in node.values():
            yield from _values(value)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value)
    elif isinstance(node, str):
        yield node


def _mails(site: Any) -> list[str]:
    parts = [part.get_content() for mail in site.mails() for part in mail.walk()
             if part.get_content_type() == "text/html"]
    assert parts
    return parts


def _pages(site: Any, articles: int) -> list[str]:
    application = build(site.app)
    addresses = ["/", "/feeds/all/", "/n/lantern/", *(f"/a/{n}" for n in range(1, articles + 1, 3))]
    _, listed = _get(application, "/n/lantern/")
    addresses += sorted(set(re.findall(r'href="(?:https://lantern\.example)?(/n/lantern/[^"#?]+)"', listed)))
    shown = [text for status, text in (_get(application, address) for address in addresses) if status == 200]
    assert len(shown) > articles / 4
    return shown


def _get(application: Any, path: str) -> tuple[int, str]:
    """A page of the web application, asked for without a socket."""
    answer: dict[str, Any] = {"body": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answer["status"] = message.get("status", answer.get("status"))
        answer["body"] += message.get("body", b"")

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
             "root_path": "", "scheme": "https", "http_version": "1.1", "server": ("lantern.example", 443),
             "client": ("127.0.0.1", 1), "headers": [(b"host", b"lantern.example")]}
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright has a loop of its own in this thread
        elsewhere.submit(asyncio.run, application(scope, receive, send)).result()
    return answer["status"], answer["body"].decode()
