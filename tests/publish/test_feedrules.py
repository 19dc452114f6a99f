"""The rules of `feedrules/` have teeth: a good document of each format is silent, and each rule catches a bad one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("load_feedrules", Path(__file__).parent / "feedrules" / "load.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
RULES = _module.load()

RSS, ATOM, FEED = RULES.good.RSS, RULES.good.ATOM, RULES.good.FEED


def test_good_documents_are_silent() -> None:
    assert RULES.rss_problems(RSS.encode()) == []
    assert RULES.atom_problems(ATOM.encode()) == []
    assert RULES.json_problems(json.dumps(FEED).encode()) == []


def test_what_only_the_validator_does_not_know_is_tolerated_until_asked_for() -> None:
    assert [p.rpartition("(")[2] for p in RULES.rss_problems(RSS.encode(), tolerate=frozenset())] == [
        "UnknownNamespace)", "UnsupportedNamespace)"]
    linked = RSS.replace('rel="related"', 'rel="canonical"').encode()
    assert "UnregisteredAtomLinkRel" in RULES.rss_problems(linked)[0]
    assert RULES.rss_problems(linked, tolerate=RULES.tolerated | {"canonical"}) == []


TITLE, BODY = "<title>1 &lt; 2</title>", "<p>B <a"
GUID, LINK = "tag:a.example,2026:1</guid>", "https://a.example/1</link>"
BROKEN_RSS = [  # what stands in the good document, what in its place, the rule
    ("</channel>",                   "",                                    "SAXError"),
    ('"1.0" enc',                    '"1.1" enc',                           "BadXmlVersion"),
    ("UTF-8",                        "ISO-8859-1",                          "ObscureEncoding"),
    ("<itunes:title>",               "<media:hash>x</media:hash><itunes:title>", "InvalidMediaHash"),
    ("<ttl>60</ttl>", '<p:updatePeriod xmlns:p="http://purl.org/rss/1.0/modules/syndication/">x</p:updatePeriod>',
     "InvalidUpdatePeriod"),
    ("<ttl>60</ttl>",                "<atom:icon>http:i.png</atom:icon>",   "InvalidLink"),
    ('version="2.0"',                'version="3.0"',                       "InvalidRSSVersion"),
    ('<rss version="2.0"',           "<rss",                                "MissingAttribute"),
    ("<ttl>60</ttl>",                "<ttl>0</ttl>",                        "InvalidPositiveInteger"),
    ("<ttl>60</ttl>",                "<ttl>60</ttl><ttl>60</ttl>",          "DuplicateElement"),
    ("<ttl>60</ttl>",                "<tll>60</tll>",                       "UndefinedElement"),
    ("<ttl>60</ttl>",                "<ttl>60</ttl>60",                     "UnexpectedText"),
    ("<ttl>60</ttl>",                '<ttl x="1">60</ttl>',                 "UnexpectedAttribute"),
    ("<ttl>60</ttl>",                '<ttl xmlns:x="http://x.example/" x:y="">60</ttl>', "UseOfExtensionAttr"),
    ("<ttl>60</ttl>",                '<x:y xmlns:x="http://x.example/"/>',  "UnknownNamespace"),
    ("<ttl>60</ttl>",                '<x:y xmlns:x="http://x.example/"><z/></x:y>', "NotInANamespace"),
    ("<ttl>60</ttl>",                '<p xmlns="http://www.w3.org/1999/xhtml"/>', "MisplacedXHTMLContent"),
    ("com/mrss/",                    "com/mrss",                            "MediaRssNamespace"),
    ("purl.org/dc/",                 "x.example/dc/",                       "ReservedPrefix"),
    ("<title>A &amp; B</title>\n",   "",                                    "MissingTitle"),
    ("<title>A &amp; B</title>\n",   "<title> </title>",                    "NotBlank"),
    ("<link>https://a.example/</link>\n", "",                               "MissingLink"),
    ("<link>https://a.example/</link>\n", "<link>/a</link>",                "InvalidFullLink"),
    ("<description>All of A &lt; B</description>", "",                      "MissingDescription"),
    (">All of A &lt; B<",            ">&lt;b>All&lt;/b><",                  "ContainsHTML"),
    (">en-GB<",                      ">english<",                           "InvalidLanguage"),
    (">en-GB<",                      ">qq<",                                "InvalidLanguage"),
    ("<category>x",                  "<category> ",                         "NotBlank"),
    ("12:00:00 GMT",                 "12:00:00 +0545",                      "ProblematicalRFC822Date"),
    ("12:00:00 GMT",                 "25:00:00 GMT",                        "InvalidRFC2822Date"),
    ("Sun, 22 Nov 2026 12:00:00 GMT", "2026-11-22",                         "InvalidRFC2822Date"),
    ("Sun, 22 Nov 2026 12:00:00 GMT", "Mon, 22 Nov 2026 12:00:00 GMT",      "IncorrectDOW"),
    ("Sun, 22 Nov 2026 12:00:00 GMT", "01 Jan 1970 00:00:00 GMT",           "ImplausibleDate"),
    ("<copyright>CC BY</copyright>", "<copyright/><dc:rights/>",            "DuplicateSemantics"),
    ("<copyright>CC BY</copyright>", "<managingEditor>Bo</managingEditor>", "InvalidContact"),
    ("<copyright>CC BY</copyright>", "<managingEditor>a@a.example</managingEditor>", "MissingRealName"),
    ("<copyright>CC BY</copyright>", "<managingEditor>Bo a@a.example</managingEditor>", "EmailFormat"),
    ("<copyright>CC BY</copyright>", "<atom:rights>CC</atom:rights>",       "DuplicateDescriptionSemantics"),
    ("<width>88",                    "<width>145",                          "InvalidWidth"),
    ("<height>31",                   "<height>401",                         "InvalidHeight"),
    ("<title>A &amp; B</title><link>", "<title>A</title><link>",            "ImageTitleDoesntMatch"),
    ("example/</link><width>",       "example/x</link><width>",             "ImageLinkDoesntMatch"),
    ("<title>A &amp; B</title><link>", "<link>",                            "MissingTitle"),
    ("i.png</url>",                  "i.webp</url>",                        "ImageUrlFormat"),
    ('rel="self"',                   'rel="via"',                           "MissingAtomSelfLink"),
    ('"application/rss+xml"',        '"text/html"',                         "SelfNotAtom"),
    ('"application/rss+xml"',        '"rss"',                               "InvalidMIMEType"),
    ('href="https://a.example/f/2.xml"', 'href="2.xml"',                    "RelativeSelf"),
    ('href="https://a.example/f/2.xml"', "",                                "MissingHref"),
    ('rel="hub" href="https://hub.example/"/>', 'rel="hub" href="/hub"/>',  "WebSub 4"),
    ('rel="hub" href="https://hub.example/"/>', 'rel="hub" href="https://h.example/">x</atom:link>',
     "AtomLinkNotEmpty"),
    ('rel="hub"',                    'rel=""',                              "AttrNotBlank"),
    ('rel="hub"',                    'rel="shop"',                          "UnregisteredAtomLinkRel"),
    ('title="C"',                    'title=""',                            "AttrNotBlank"),
    ('title="C"',                    'length="big"',                        "InvalidNonNegativeInteger"),
    ('title="C"',                    'hreflang="english"',                  "InvalidLanguage"),
    ("<fh:archive/>",                "<fh:archive>yes</fh:archive>",        "UnexpectedText"),
    ("<fh:archive/>",                "<fh:complete/>",                      "FeedRelInCompleteFeed"),
    ("<fh:archive/>",                "<fh:complete/>",                      "CurrentNotSelfInCompleteFeed"),
    ('rel="prev-archive"',           'rel="via"',                           "ArchiveIncomplete"),
    ('rel="current"',                'rel="via"',                           "MissingCurrentInArchive"),
    ('rel="first" href="https://a.example/f/rss.xml"/>',
     'rel="first" href="https://a.example/f/2.xml"/><atom:link rel="previous" href="https://a.example/x"/>',
     "LinkPastEnd"),
    ('rel="next" href="https://a.example/f/1.xml"', 'rel="next" href="https://a.example/f/2.xml"', "RFC 5005 3"),
    ('rel="related"',                'rel="next"',                          None),
    ("</item>\n<item>",              "</item><ttl>60</ttl><item>",          "MisplacedItem"),
    ("<item><title>Two</title>",     "<item>",                              "ItemMustContainTitleOrDescription"),
    (TITLE,                          "<title></title>",                     "NotBlank"),
    (TITLE,                          "<title>&amp;nbsp;</title>",           "ContainsHTML"),
    (TITLE,                          "<title>The &lt;b tag</title>",        "CharacterData"),
    (TITLE,                          "<title>\ufffd</title>",               "BadCharacters"),
    (TITLE,                          "<title>Ã¤</title>",                   "BadCharacters"),
    (LINK,                           "https://a.example/å</link>",          "UriNotIri"),
    (LINK,                           "https://a.example/a b</link>",        "InvalidUriChar"),
    (LINK,                           "https:///1</link>",                   "InvalidFullLink"),
    (LINK,                           "https://a.example/%zz</link>",        "RFC 3986 2.1"),
    (LINK,                           "gemini://a.example/</link>",          "SchemeNotIANARegistered"),
    (GUID,                           " </guid>",                            "NotBlank"),
    (GUID,                           "123</guid>",                          "NotSufficientlyUnique"),
    (GUID,                           "https://a.example/2</guid>",          "DuplicateValue"),
    (' isPermaLink="false"',         "",                                    "InvalidPermalink"),
    ("<guid>https://a.example/2</guid>", "<guid>two</guid>",                "InvalidHttpGUID"),
    ("<guid>https://a.example/2</guid>", "",                                "MissingGuid"),
    ('isPermaLink="false"',          'isPermaLink="no"',                    "InvalidBooleanAttribute"),
    ('length="0" type',              'length="-1" type',                    "UseZeroForUnknown"),
    ('length="0" type',              "type",                                "MissingAttribute"),
    ('"audio/mpeg"',                 '"mp3"',                               "InvalidMIMEType"),
    ('"https://a.example/1.mp3"',    '"https://localhost/1.mp3"',           "InvalidURLAttribute"),
    ('"https://a.example/1.mp3"',    '"https://a.example/1.mp3?x=1"',       "UnsupportedItunesFormat"),
    ("<dc:creator>Bo",
     '<enclosure url="https://a.example/1.mp3" length="0" type="audio/mpeg"/><dc:creator>Bo', "DuplicateEnclosure"),
    ("<dc:language>sv",              "<dc:language>",                       "InvalidLanguage"),
    ("<dc:creator>Bo",               "<dc:subject/><dc:creator>Bo",         "DuplicateItemSemantics"),
    ("<dc:creator>Bo",               "<dc:date>2026-13</dc:date><dc:creator>Bo", "InvalidW3CDTFDate"),
    ('<source url="https://s.example/f.xml">', "<source>",                  "MissingAttribute"),
    ("<source url",                  "<dc:source/><source url",             "DuplicateItemSemantics"),
    ("2026-11-22T12:00:00Z<",        "2026-11-22<",                         "InvalidRFC3339Date"),
    ("<description>&lt;p&gt;S &amp;amp; s&lt;/p&gt;</description>", "",     "NeedDescriptionBeforeContent"),
    (BODY, "<script>x</script><p>B <a", "SecurityRisk"), (BODY, "<object></object><p>B <a", "SecurityRisk"),
    (BODY, "<iframe></iframe><p>B <a", "SecurityRisk"), (BODY, "<?import x><p>B <a", "SecurityRisk"),
    (BODY, '<p onclick="x">B <a', "SecurityRiskAttr"), (BODY, '<p aria-label="x">B <a', "SecurityRiskAttr"),
    (BODY, '<p style="position: fixed">B <a', "DangerousStyleAttr"), (BODY, '<p style="color: red">B <a', None),
    (BODY, '<p style="width: expression(1)">B <a', "DangerousStyleAttr"), (BODY, '<p data-x="1">B <a', None),
    (BODY, '<img src="/x.png"><p>B <a', "ContainsRelRef"), (BODY, '<a href="x">x</a><p>B <a', "ContainsRelRef"),
    ("media:content url", "media:content href", "Media RSS, media:content"),
    ('medium="image"', 'medium="picture"', "InvalidMediaMedium"), ('fileSize="9"', 'fileSize="0"', "InvalidPositive"),
    ('width="640"', 'width="0"', "InvalidPositiveInteger"), ('medium="image"', 'isDefault="yes"', "InvalidTrueFalse"),
    ('medium="image"', 'expression="part"', "InvalidMediaExpression"),
    ('medium="image"', 'duration="x"', "InvalidFloat"),
    ('role="photographer"', 'role="Photographer"', "InvalidCreditRole"),
    ('type="plain"', 'type="text"', "MediaTextType"),
    ("&lt;p&gt;Of it&lt;/p&gt;", "&lt;b&gt;Of it", "NotHtml"), (">M<", ">&lt;b&gt;M&lt;/b&gt;<", "ContainsUndeclared"),
    ("nonadult", "all", "InvalidMediaRating"), ("12:05:01.123", "5 s", "InvalidNPTTime"),
    ("1:02:03", "PT1H", "InvalidDuration"), (">full<", ">whole<", "InvalidItunesEpisodeType"),
    ("<itunes:title>", "<media:group/><itunes:title>", "MediaGroupWithoutAlternatives"),
    ("<itunes:title>", "<itunes:order>1</itunes:order><itunes:title>", "UndefinedElement"),
    (">episodic<", ">daily<", "InvalidItunesChannelType"), ("Daily News", "Old News", "InvalidItunesCategory"),
    ("<itunes:email>a@a.example</itunes:email>", "", "MissingElement"), (">a@a.ex", ">a a.ex", "InvalidAddrSpec"),
    ("<itunes:explicit>false</itunes:explicit><itunes:type>", "<itunes:type>", "MissingItunesElement"),
    ("<itunes:owner><itunes:name>A</itunes:name><itunes:email>a@a.example</itunes:email></itunes:owner>", "",
     "MissingItunesEmail"),
    ("<language>en-GB</language>", "", "MissingItunesElement"),
    (">no</itunes:block>", ">x</itunes:block>", "YesNoClean"),
    (">S</itunes:summary>", f">{'x' * 4001}</itunes:summary>", "TooLong"),
    ("<itunes:block>no</itunes:block>", "<itunes:keywords>a b</itunes:keywords>", "InvalidKeywords"),
    ("917393e3", "917393E3", "podcast namespace"), (">podcast<", ">radio<", "podcast namespace"),
    (' type="text/vtt"', "", "MissingAttribute"), ('url="https://a.example/give"', 'url=""', "podcast namespace"),
    ("<podcast:locked>no</podcast:locked>", "<podcast:lock/>", "Undefined"),
]
BROKEN_HTML = [
    "<b>a", "a</p>", "<b><i>a</b></i>", "<p><div>a</div></p>", "a < b", "a <3", "&foo;", "&nbsp", "a?b=1&copy=2",
    "&#128;",
    "&#xD800;", "<br></br>", "<p/>", '<p id="a" id="b">a</p>', "<a><a>a</a></a>", "<li><b><li>a</li></b></li>",
    "<tr><td>a</td></tr>", "<table>a</table>", "<table><td>a</td></table>", "<h1><h2>a</h2></h1>", "<!-- a -- b -->",
    "<!DOCTYPE html>", "<body>a</body>", "<foo>a</foo>", "<svg></svg>", "a\x0cb\x0b", "<p",
    "<ruby><b><rt>a</rt></b></ruby>",
]
BROKEN_ATOM = [
    ('xmlns="http://www.w3.org/2005/Atom"', 'xmlns="http://purl.org/atom/ns#"', "ObsoleteNamespace"),
    ('xmlns="http://www.w3.org/2005/Atom"', 'xmlns="http://x.example/"',    "InvalidNamespace"),
    ('xml:lang="en"',                'xml:lang="en" xmlns:atom="http://www.w3.org/2005/Atom"', "AvoidNamespacePrefix"),
    ('xml:lang="en"',                'xml:lang="english"',                  "InvalidLanguage"),
    ("https://a.example/f/\" xmlns", "https://a.example/\" xmlns",          "SameDocumentReference"),
    ("https://a.example/f/\" xmlns", "a b\" xmlns",                         "InvalidUriChar"),
    ("<id>tag:a.example,2026:feed</id>", "",                                "MissingElement"),
    ("<id>tag:a.example,2026:feed</id>", "<id>feed</id>",                   "InvalidFullLink"),
    ("<id>tag:a.example,2026:feed</id>", "<id> tag:a.example,2026:feed</id>", "UnexpectedWhitespace"),
    ("tag:a.example,2026:feed",      "tag:a.example,26:feed",               "InvalidTAG"),
    ("tag:a.example,2026:feed",      "urn:uuid:1",                          "InvalidUUID"),
    ("tag:a.example,2026:feed",      "urn:x",                               "InvalidURN"),
    ("tag:a.example,2026:feed",      "https://A.example:443",               "NonCanonicalURI"),
    ("tag:a.example,2026:feed",      "tag:a.example,2026:%7efeed",          "NonCanonicalURI"),
    ("<author><name>A</name><uri>",  "<author><name/><uri>",                "NotBlank"),
    ("<author><name>A</name><uri>",  "<author><uri>",                       "MissingElement"),
    ("<author><name>A</name><uri>",  "<author><name>A &lt;a@a.example&gt;</name><uri>", "ContainsEmail"),
    ("<uri>https://a.example/</uri>", "<uri/>",                             "NotBlank"),
    ("<author><name>A</name><uri>https://a.example/</uri><email>a@a.example</email></author>", "", "MissingElement"),
    ("<icon>/i.png</icon>",          "<icon>/i png</icon>",                 "InvalidUriChar"),
    ('<category term="news"',        "<category",                           "MissingAttribute"),
    ('<category term="news"',        '<category term=""',                   "NotBlank"),
    ('scheme="https://a.example/topics"', 'scheme="topics"',                "InvalidFullLink"),
    ('label="News"',                 'label="&amp;lt;"',                    "ContainsHTML"),
    ('uri="https://g.example/"',     'uri="g h"',                           "InvalidUriChar"),
    ('rel="self" type',              'rel="via" type',                      "MissingSelf"),
    ('href="https://hub.example/"/>', 'href="https://hub.example/"/><link href="x" type="text/html"/>',
     "DuplicateAtomLink"),
    ("b.example/blå",                f"b.example/blå{'x' * 70}",            "InvalidIRI"),
    ('rel="related"',                'rel="next"',                          "FeedHistoryRelInEntry"),
    ("<fh:archive/>",                "<fh:complete/>",                      "FeedRelInCompleteFeed"),
    ('rel="current"',                'rel="via"',                           "MissingCurrentInArchive"),
    ("</entry>\n<at:",               "</entry><icon>/i.png</icon><at:",     "MisplacedMetadata"),
    ("<title>A &amp; B</title>",     "<title/>",                            "NotBlank"),
    ("<title>A &amp; B</title>",     "<title>&lt;b>A&lt;/b></title>",       "ContainsUndeclaredHTML"),
    ("<title>A &amp; B</title>",     "<title>&amp;amp;</title>",            "ContainsUndeclaredHTML"),
    ("<title>A &amp; B</title>",     '<title type="text/html">A</title>',   "InvalidTextType"),
    ("<title>A &amp; B</title>",     "<title>A<b/></title>",                "UndefinedElement"),
    ('type="html">1 &amp;lt; 2',     'type="html">1 &lt; 2',                "NotHtml"),
    ('type="html">1 &amp;lt; 2',     'type="html">&lt;script>&lt;/script>', "SecurityRisk"),
    ("2026-11-22T12:00:00.25+01:30", "2026-11-22T12:00:00",                 "InvalidRFC3339Date"),
    ("2026-11-22T12:00:00.25+01:30", "2026-02-30T12:00:00Z",                "InvalidRFC3339Date"),
    ("2026-11-22T12:00:00.25+01:30", "1970-01-01T00:00:00Z",                "ImplausibleDate"),
    ("2026-11-22T12:00:00.25+01:30", "2026-11-22T12:00:01Z",                "DuplicateUpdated"),
    ("<id>tag:a.example,2026:1</id>", "<id>urn:uuid:917393e3-1b1e-5cef-ace4-edaa54e1f810</id>", "DuplicateEntries"),
    ('<content type="html" xml:lang="sv">', '<content src="x">',            "MissingTypeAttr"),
    ('<content type="html" xml:lang="sv">', '<content src="x" type="text/html">', "RFC 4287 4.1.3.2"),
    ('<content type="html" xml:lang="sv">', '<content type="html5">',       "InvalidMIMEType"),
    ('<content type="html" xml:lang="sv">', '<content type="multipart/alternative">', "InvalidMIMEType"),
    ('<summary>S</summary>\n<content type="html"', '<content type="image/png"', "MissingSummary"),
    ('<content type="xhtml"><div',   '<content type="xhtml">X<div',         "MissingXhtmlDiv"),
    ("<p>X</p>",                     '<p xmlns="">X</p>',                   "NotHtml"),
    ("<p>X</p>",                     '<p onclick="x">X</p>',                "SecurityRiskAttr"),
    ('<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>X</p></div></content>', "",
     "MissingContentOrAlternate"),
    ('<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>X</p></div></content>', '<link href="x"/>',
     "MissingTextualContent"),
    ("<source><id>https://s.example/f.xml</id>", "<source>",                "MissingSourceElement"),
    ("<updated>2026-11-21T12:00:00Z</updated>", "",                         "MissingSourceElement"),
    ("<summary>S</summary>",         "<summary>S</summary><summary>S</summary>", "DuplicateElement"),
    ('ref="tag:a.example,2026:0"',   "",                                    "MissingAttribute"),
    ('ref="tag:a.example,2026:0"',   'ref=""',                              "RFC 6721 3"),
    ('ref="tag:a.example,2026:0"',   'ref="tag:a.example,2026:1"',          "RFC 6721 3 SHOULD"),
    ('when="2026-11-22T12:00:00Z"',  'when="2026"',                         "InvalidRFC3339Date"),
    ("<at:by><name>A</name></at:by>", "<at:by/>",                           "MissingElement"),
    ("</at:deleted-entry>",
     '</at:deleted-entry><at:deleted-entry ref="tag:a.example,2026:0" when="2026-11-22T12:00:00Z"/>', "RFC 6721 3"),
]
DROP = object()
BROKEN_JSON = [  # where, what is put there, what the message says
    (("version",), "https://jsonfeed.org/version/1", "feed.version: is"), (("version",), DROP, "has no version"),
    (("title",), DROP, "has no title"), (("title",), "", "feed.title: is empty"), (("items",), DROP, "has no items"),
    (("items",), {}, "is no list"), (("items", 0), [], "is no object"), (("feed_url",), DROP, "has no feed_url"),
    (("home_page_url",), DROP, "has no home_page_url"), (("icon",), "/i.png", "InvalidFullLink"),
    (("next_url",), "https://a.example/feed.json", "has itself"), (("expired",), "no", "neither true nor false"),
    (("language",), "english", "InvalidLanguage"), (("author",), {"name": "A"}, "has author"),
    (("authors", 0), {}, "has neither name nor url"), (("authors",), {"name": "A"}, "is no list"),
    (("hubs", 0, "type"), DROP, "has no type"), (("hubs", 0, "url"), DROP, "has no url"), (("x",), 1, "no key of JSON"),
    (("_1",), {}, "is not an underscore"), (("_ours",), 1, "is no object"), (("_ours", "a.b"), 1, "has a dot"),
    (("items", 0, "id"), DROP, "has no id"), (("items", 0, "id"), 1, "is no string"),
    (("items", 0, "content_html"), "<b>", "NotHtml"), (("items", 0, "content_html"), "<a href='x'>x</a>", "RelRef"),
    (("items", 0, "date_published"), "2026-11-22", "InvalidRFC3339Date"),
    (("items", 0, "tags"), ["x", 1], "is no string"),
    (("items", 0, "url"), "x", "InvalidFullLink"), (("items", 0, "image"), None, "is no string"),
    (("items", 0, "attachments", 0, "url"), DROP, "has no url"), (("items", 0, "language"), "", "InvalidLanguage"),
    (("items", 0, "attachments", 0, "mime_type"), DROP, "has no mime_type"),
    (("items", 0, "attachments", 0, "mime_type"), "mp3", "InvalidMIMEType"),
    (("items", 0, "attachments", 0, "size_in_bytes"), 1.5, "is no whole number"),
    (("items", 0, "attachments", 0, "size_in_bytes"), "1", "is no whole number"),
    (("items", 0, "attachments", 0, "duration_in_seconds"), -1, "is no number"),
]


def _holds(found: list[str], rule: str | None) -> None:
    if rule is None:
        assert found == []
    else:
        assert any(rule in problem for problem in found), found


@pytest.mark.parametrize(("good", "bad", "rule"), BROKEN_RSS)
def test_each_rule_of_rss_catches_something(good: str, bad: str, rule: str | None) -> None:
    assert good in RSS
    _holds(RULES.rss_problems(RSS.replace(good, bad, 1).encode()), rule)


@pytest.mark.parametrize("html", BROKEN_HTML)
def test_broken_html_is_found(html: str) -> None:
    feed = {**FEED, "items": [{"id": "1", "content_html": html}]}
    _holds(RULES.json_problems(json.dumps(feed).encode()), "NotHtml")


@pytest.mark.parametrize(("good", "bad", "rule"), BROKEN_ATOM)
def test_each_rule_of_atom_catches_something(good: str, bad: str, rule: str) -> None:
    assert good in ATOM
    _holds(RULES.atom_problems(ATOM.replace(good, bad, 1).encode()), rule)


@pytest.mark.parametrize(("path", "value", "message"), BROKEN_JSON)
def test_each_rule_of_json_feed_catches_something(path: tuple[Any, ...], value: Any, message: str) -> None:
    feed = json.loads(json.dumps(FEED))
    place = feed
    for step in path[:-1]:
        place = place[step]
    if value is DROP:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    _holds(RULES.json_problems(json.dumps(feed).encode()), message)


@pytest.mark.parametrize(("data", "message"), [
    (b"\xff", "RFC 8259"), (b"[]", "is no object"), (b'{"title": NaN}', "RFC 8259"), (b"{}", "has no version"),
    (b'{"title": "a", "title": "b"}', "has title twice"), (b'{"title": "a", "version": 1}', "begin with its version"),
    (json.dumps({**FEED, "items": FEED["items"] * 2}).encode(), "2 items with id"),
    (b" " * 5_000_001, "ValidatorLimit"),
])  # fmt: skip
def test_what_is_no_json_feed_at_all(data: bytes, message: str) -> None:
    _holds(RULES.json_problems(data), message)


def test_a_warning_says_so() -> None:
    assert all(p.startswith("warning: ") for p in RULES.rss_problems(RSS.replace('rel="self"', 'rel="via"').encode()))
    assert not RULES.rss_problems(RSS.replace("<ttl>60", "<ttl>0").encode())[0].startswith("warning: ")


def test_a_hexadecimal_reference_says_that_markup_in_a_title_is_meant() -> None:
    """The RSS profile's way to write it, which the validator knows by the source line."""
    assert RULES.rss_problems(RSS.replace("1 &lt; 2", "The &#x3C;b&#x3E; tag &#x26;amp;").encode()) == []
