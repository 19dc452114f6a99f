"""What everybody may see of a digest: what came after most people's last one, without a limit, and its corrections."""

from __future__ import annotations

from dataclasses import replace

from pipeline.model.articles import ArticleStatus
from pipeline.model.frozen import Arrangement
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import Window
from pipeline.model.selection import for_everyone
from pipeline.store import Connection, articles, digests


def public_copy(connection: Connection, digest_id: int) -> Arrangement:
    """The arrangement of a frozen digest's page, without what was taken back since."""
    facts = digests.facts(connection, digest_id)
    head = Letterhead.from_json(facts.settings)
    hows = [how for _, how in digests.frozen_articles(connection, digest_id)]
    corrections = [one.article_id for one in digests.frozen_corrections(connection, digest_id)]
    known = articles.by_ids(connection, [*(how.id for how in hows), *corrections])
    standing = {number for number, article in known.items()
                if article.status is ArticleStatus.ACCEPTED}
    shown = for_everyone([how for how in hows if how.id in standing], Window(facts.public_from_seq, facts.cut_seq),
                         head.rules)
    return head.arranged(replace(shown, corrections=tuple(i for i in corrections if i in standing)))
