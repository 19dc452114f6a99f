"""The furniture of a web page, as it stands in text taken from one: which lines are no part of an article.

Three degrees of certainty: what is furniture wherever it stands alone; what is so only above or below the
article ("Search", "Related": either may head a section); and what ends an article. All match whole lines.
"""

from __future__ import annotations

import re

MAX_LINE = 140  # characters; furniture is short

_NAMELIKE = r"[^\W\d_a-z][\w.’'-]*(?:\s+(?:[^\W\d_a-z][\w.’'-]*|de|van|von|der|and|&|/)){0,6}"
_NETWORK = r"(?:facebook|twitter|x|linkedin|pinterest|whatsapp|reddit|telegram|tumblr|pocket|mastodon|bluesky|e-?mail)"

_ANYWHERE = re.compile(
    r"photo of (?:the )?author"
    r"|author(?:'s|’s)? (?:photo|avatar|image)"
    r"|advertisements?|advertising|sponsored(?: content)?"
    r"|\d{1,3}[ -]?min(?:ute)?s?(?: read)?(?: time)?"
    r"|(?:estimated )?read(?:ing)? time:? (?:about )?\d{1,3} ?min(?:ute)?s?"
    r"|share (?:this(?: (?:post|article|story|page|entry))?|on " + _NETWORK + r"|via " + _NETWORK + r")\s*:?"
    r"|click to (?:share|email|print)\b.{0,80}"
    r"|(?:tweet|pin|share)(?: (?:it|this))"
    r"|like this:?|like loading\.*|loading(?:\.{2,}|…)"
    r"|(?:skip|jump) to (?:main )?(?:content|navigation)"
    r"|back to (?:the )?top|scroll to top"
    r"|cancel reply|leave a (?:comment|reply)(?: cancel reply)?|(?:post|add) a? ?comment"
    r"|your email address will not be published\..{0,80}"
    r"|(?:no|\d{1,5}) (?:comments?|responses?|replies)(?: yet)?|comments are closed\.?"
    r"|subscribe to (?:our|the|my) (?:newsletter|mailing list|blog)|sign up for (?:our|the|my) newsletter\.?"
    r"|you (?:may|might) also (?:like|enjoy|be interested in):?"
    r"|post navigation|related (?:posts?|articles?|stories|reading):?"
    r"|\(opens in (?:a )?new (?:window|tab)\)"
    r"|(?:©|\(c\)|copyright\b).{0,100}|all rights reserved\.?",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"(?i:(?:(?:featured|header|cover|hero) )?(?:image|photo|picture|photograph|illustration)s?"
    r"(?: credits?| source| courtesy(?: of)?)?\s*(?::| courtesy of|(?<=credit)|(?<=source)))\s*.{1,90}"
    rf"|(?i:image|photo|picture|photograph) by {_NAMELIKE}(?: (?:on|via|from|at) {_NAMELIKE})?"
)
_POSTED_IN = re.compile(
    r"(?i:posted (?:in|under)|filed under|tagged(?: (?:with|as))?|(?:tags|categor(?:y|ies)|topics?)(?=:))"
    r"(?::\s*|\s+)(.{1,110})"
)
_EDGE = re.compile(
    r"menu|search|home|close|print|e-?mail|save|share|tweet|pin|copy link|follow(?: us)?|subscribe|sign up|sign in"
    r"|log ?in|comments?|related|trending|popular|next|previous"
    r"|(?:next|previous|older|newer) (?:posts?|article|story|entries):?.{0,100}"
    r"|about the author|more from .{1,60}|table of contents|read more|read next|continue reading.{0,80}|recent posts"
    r"|(?:home|blog)(?: ?[/»›>] ?[^.!?]{1,40}){1,5}|news(?:letter)?|blog|contents|" + _NETWORK,
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"leave a (?:comment|reply)(?: cancel reply)?|cancel reply|post navigation|(?:post|add) a comment"
    r"|comments?|\d{1,5} comments?"
    r"|related(?: (?:posts?|articles?|stories|reading))?:?|you (?:may|might) also (?:like|enjoy|be interested in):?"
    r"|recent posts|read next|more from .{1,60}|share (?:this(?: \w+)?):?|about the author",
    re.IGNORECASE,
)
_FORM = re.compile(r"leave a (?:comment|reply)(?: cancel reply)?|cancel reply|post navigation", re.IGNORECASE)


def anywhere(text: str) -> bool:
    """Is it furniture wherever it stands alone?"""
    if len(text) > MAX_LINE:
        return False
    if _ANYWHERE.fullmatch(text):
        return True
    if _CREDIT.fullmatch(text):
        return not text.endswith(".") or len(text.split()) <= 6
    posted = _POSTED_IN.fullmatch(text)
    return posted is not None and not text.endswith((".", "!", "?")) and _is_a_row_of_names(posted[1])


def at_the_edge(text: str) -> bool:
    """Is it furniture where it stands above or below the article?"""
    return anywhere(text) or (len(text) <= MAX_LINE and not text.endswith(".") and bool(_EDGE.fullmatch(text)))


def ends_article(text: str) -> bool:
    """Does an article end here, where no prose follows?"""
    return len(text) <= MAX_LINE and bool(_ENDS.fullmatch(text))


def form(text: str) -> bool:
    """Does what follows belong to the page's form for comments, whatever it says?"""
    return bool(_FORM.fullmatch(text))


def before_a_name(text: str) -> bool:
    """Does the author's name stand on the next line?"""
    return bool(re.fullmatch(r"photo of (?:the )?author|(?:written |posted )?by:?|author:?", text, re.IGNORECASE))


def _is_a_row_of_names(names: str) -> bool:
    """"Posted in Health, Long Reads" and not "Posted in 1943, the letter took a year"."""
    return all(0 < len(name.split()) <= 4 and not name.strip()[0].isdigit() for name in names.split(","))
