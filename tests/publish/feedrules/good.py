"""Good documents with one of everything that a publisher of ours may write. All names and addresses are made up."""

from __future__ import annotations

from typing import Any

SPACES = (
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:creativeCommons="http://backend.userland.com/creativeCommonsRssModule" '
    'xmlns:fh="http://purl.org/syndication/history/1.0" xmlns:media="http://search.yahoo.com/mrss/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:at="http://purl.org/atompub/tombstones/1.0" '
    'xmlns:podcast="https://podcastindex.org/namespace/1.0"'
)
MODULES = """\
<media:content url="https://a.example/1.jpg" type="image/jpeg" medium="image" width="640" height="480" fileSize="9">
  <media:title type="plain">A picture</media:title><media:credit role="photographer">Bo</media:credit>
  <media:description type="html">&lt;p&gt;Of it&lt;/p&gt;</media:description></media:content>
<media:thumbnail url="https://a.example/1s.jpg" width="75" height="50" time="12:05:01.123"/>
<media:rating scheme="urn:simple">nonadult</media:rating><media:title>M</media:title>
<media:player url="https://a.example/play?id=1" height="200" width="400"/>
<itunes:title>One</itunes:title><itunes:duration>1:02:03</itunes:duration><itunes:episode>1</itunes:episode>
<itunes:season>2</itunes:season><itunes:episodeType>full</itunes:episodeType><itunes:explicit>false</itunes:explicit>
<itunes:image href="https://a.example/cover.jpg"/><itunes:author>Bo</itunes:author>
<podcast:transcript url="https://a.example/1.vtt" type="text/vtt" language="en" rel="captions"/>
<podcast:chapters url="https://a.example/1.json" type="application/json+chapters"/>
<podcast:person role="guest" href="https://a.example/bo">Bo</podcast:person>
<podcast:season name="Two">2</podcast:season>
<podcast:episode>1.5</podcast:episode><podcast:soundbite startTime="73.0" duration="60.0">Hear</podcast:soundbite>
<dc:source>A press agency</dc:source>
"""
APPLE = """\
<itunes:author>A</itunes:author><itunes:explicit>false</itunes:explicit><itunes:type>episodic</itunes:type>
<itunes:category text="News"><itunes:category text="Daily News"/></itunes:category>
<itunes:owner><itunes:name>A</itunes:name><itunes:email>a@a.example</itunes:email></itunes:owner>
<itunes:image href="https://a.example/cover.jpg"/><itunes:summary>S</itunes:summary><itunes:block>no</itunes:block>
<podcast:guid>917393e3-1b1e-5cef-ace4-edaa54e1f810</podcast:guid><podcast:locked>no</podcast:locked>
<podcast:medium>podcast</podcast:medium><podcast:funding url="https://a.example/give">Give</podcast:funding>
"""
RSS = f"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" {SPACES}><channel>
<title>A &amp; B</title>
<link>https://a.example/</link>
<description>All of A &lt; B</description>
<language>en-GB</language>
<copyright>CC BY</copyright>
<pubDate>Sun, 22 Nov 2026 12:00:00 +0000</pubDate>
<lastBuildDate>Sun, 22 Nov 2026 12:00:00 GMT</lastBuildDate>
<category domain="https://a.example/topics">news</category>
<generator>G</generator>
<docs>https://www.rssboard.org/rss-specification</docs>
<ttl>60</ttl>
<image><url>https://a.example/i.png</url><title>A &amp; B</title><link>https://a.example/</link>\
<width>88</width><height>31</height></image>
<atom:link rel="self" type="application/rss+xml" href="https://a.example/f/2.xml"/>
<atom:link rel="hub" href="https://hub.example/"/>
<atom:link rel="license" href="https://creativecommons.org/licenses/by/4.0/"/>
<atom:link rel="prev-archive" href="https://a.example/f/1.xml"/>
<atom:link rel="current" href="https://a.example/f/rss.xml"/>
<atom:link rel="next" href="https://a.example/f/1.xml"/>
<atom:link rel="first" href="https://a.example/f/rss.xml"/>
<fh:archive/>
<creativeCommons:license>https://creativecommons.org/licenses/by/4.0/</creativeCommons:license>
{APPLE}
<item>
<title>1 &lt; 2</title>
<link>https://a.example/1</link>
<description>&lt;p&gt;S &amp;amp; s&lt;/p&gt;</description>
<content:encoded><![CDATA[<p>B <a href="https://b.example/?a=1&amp;b=2">b</a>
<img src="https://b.example/b.png" alt=""></p>]]>\
</content:encoded>
<guid isPermaLink="false">tag:a.example,2026:1</guid>
<pubDate>Sun, 22 Nov 2026 12:00:00 +0130</pubDate>
<category>x</category><category>y</category>
<enclosure url="https://a.example/1.mp3" length="0" type="audio/mpeg"/>
<dc:creator>Bo</dc:creator><dc:creator>Cy</dc:creator><dc:language>sv</dc:language><dc:rights>CC BY</dc:rights>
<creativeCommons:license>https://creativecommons.org/licenses/by/4.0/</creativeCommons:license>
<atom:link rel="related" href="https://c.example/1" title="C"/>
<atom:updated>2026-11-22T12:00:00Z</atom:updated>
{MODULES}
</item>
<item><title>Two</title><guid>https://a.example/2</guid><source url="https://s.example/f.xml">S</source></item>
</channel></rss>"""
ATOM = f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en" xml:base="https://a.example/f/" {SPACES}>
<id>tag:a.example,2026:feed</id>
<title>A &amp; B</title>
<subtitle type="html">&lt;b&gt;All&lt;/b&gt;</subtitle>
<updated>2026-11-22T12:00:00Z</updated>
<author><name>A</name><uri>https://a.example/</uri><email>a@a.example</email></author>
<generator uri="https://g.example/" version="1">G</generator>
<icon>/i.png</icon>
<rights>CC BY</rights>
<category term="news" label="News" scheme="https://a.example/topics"/>
<link rel="self" type="application/atom+xml" href="https://a.example/f/2.xml"/>
<link rel="alternate" type="text/html" href="https://a.example/"/>
<link rel="hub" href="https://hub.example/"/>
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/"/>
<link rel="prev-archive" href="1.xml"/>
<link rel="current" href="atom.xml"/>
<fh:archive/>
{APPLE}
<entry>
<id>tag:a.example,2026:1</id>
<title type="html">1 &amp;lt; 2</title>
<updated>2026-11-22T12:00:00.25+01:30</updated>
<published>2026-11-22T12:00:00Z</published>
<link rel="alternate" type="text/html" href="https://b.example/blå"/>
<link rel="enclosure" type="audio/mpeg" length="0" href="https://a.example/1.mp3"/>
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/"/>
<link rel="related" title="C" hreflang="sv" href="https://c.example/1"/>
<summary>S</summary>
<content type="html" xml:lang="sv">&lt;p&gt;B&lt;a href="x"&gt;b&lt;/a&gt;&lt;/p&gt;</content>
<contributor><name>Cy</name></contributor>
<rights>R</rights>
<source><id>https://s.example/f.xml</id><title>S</title><updated>2026-11-21T12:00:00Z</updated>
<link rel="self" href="https://s.example/f.xml"/></source>
{MODULES}
</entry>
<entry><id>urn:uuid:917393e3-1b1e-5cef-ace4-edaa54e1f810</id><title>2</title><updated>2026-11-22T12:00:01Z</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>X</p></div></content></entry>
<at:deleted-entry ref="tag:a.example,2026:0" when="2026-11-22T12:00:00Z"><at:by><name>A</name></at:by>\
<at:comment>Gone</at:comment></at:deleted-entry>
</feed>"""
FEED: dict[str, Any] = {
    "version": "https://jsonfeed.org/version/1.1", "title": "A", "home_page_url": "https://a.example/",
    "feed_url": "https://a.example/feed.json", "description": "All", "user_comment": "Hi", "language": "en-GB",
    "next_url": "https://a.example/2.json", "icon": "https://a.example/i.png", "favicon": "https://a.example/f.png",
    "authors": [{"name": "A", "url": "mailto:a@a.example", "avatar": "https://a.example/a.png"}], "expired": False,
    "hubs": [{"type": "WebSub", "url": "https://hub.example/"}], "_ours": {"about": "https://a.example/about"},
    "items": [{
        "id": "tag:a.example,2026:1", "url": "https://a.example/1", "external_url": "https://b.example/1",
        "title": "1 < 2", "content_html": "<p>B</p>", "content_text": "B", "summary": "S", "tags": ["x"],
        "image": "https://a.example/1.png", "banner_image": "https://a.example/1b.png", "language": "sv",
        "date_published": "2026-11-22T12:00:00Z", "date_modified": "2026-11-22T12:00:00.5+01:30",
        "authors": [{"name": "Bo"}], "_ours": {"rights": "CC BY"},
        "attachments": [{"url": "https://a.example/1.mp3", "mime_type": "audio/mpeg", "title": "One",
                         "size_in_bytes": 1, "duration_in_seconds": 1.5}],
    }],
}
