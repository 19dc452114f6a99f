"""publishing: what changed, what entered which feed, what was built"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC_TIME = sa.DateTime(timezone=True)

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def _words(name: str, default: str = '') -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default='0', nullable=False)


def _ref(table: str, column: str, target: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    return (sa.Column(column, ID, nullable=False),
            sa.ForeignKeyConstraint([column], [f'{target}.id'], name=f'fk_{table}_{column}', ondelete='CASCADE'))


def upgrade() -> None:
    of_articles: list[sa.Column[Any]] = [
        _words('correction'), sa.Column('corrected_at', UTC_TIME), sa.Column('withdrawn_at', UTC_TIME),
        _count('changed_seq'),
    ]
    for column in of_articles:
        op.add_column('articles', column)
    op.add_column('sources', _words('public_url'))
    op.add_column('sources', sa.Column('titled_at', UTC_TIME))
    op.create_index('ix_articles_changed', 'articles', ['changed_seq'], unique=False)
    for name in ('withdrawn', 'corrected'):
        there = sa.text(f"{name}_at IS NOT NULL")
        op.create_index(f'ix_articles_{name}', 'articles', [f'{name}_at'], unique=False, sqlite_where=there,
                        postgresql_where=there)
    op.execute("UPDATE articles SET withdrawn_at = COALESCE(purged_at, updated_at) WHERE status = 'withdrawn'")

    of_feeds: list[sa.Column[Any]] = [
        _words('uid'), sa.Column('parent_id', ID, nullable=True), _words('topic'), sa.Column('ended_at', UTC_TIME),
        _words('selected'), _count('entries'), _count('archive_size'), _count('archived'), _words('fingerprint'),
        _count('built_seq'), sa.Column('updated_at', UTC_TIME),
        _words('files', '{}'), _words('folders', '[]'),
        sa.Column('ping_due_at', UTC_TIME), _count('ping_failures'), _words('ping_error'),
    ]
    for column in of_feeds:
        op.add_column('feeds', column)
    op.execute("UPDATE feeds SET uid = slug")  # as it stood in their ids until now
    op.create_index('uq_feeds_uid', 'feeds', ['uid'], unique=True)
    op.create_index('ix_feeds_parent', 'feeds', ['parent_id', 'topic'], unique=False)
    op.create_index('ix_feeds_ping', 'feeds', ['ping_due_at'], unique=False)

    op.create_table('feed_entries',
    *_ref('feed_entries', 'feed_id', 'feeds'),
    *_ref('feed_entries', 'article_id', 'articles'),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('published_at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('feed_id', 'article_id', name='pk_feed_entries'),
    sa.UniqueConstraint('feed_id', 'position', name='uq_feed_entries_position')
    )
    op.create_index('ix_feed_entries_newest', 'feed_entries', ['feed_id', 'published_at', 'position'], unique=False)
    op.create_index('ix_feed_entries_article', 'feed_entries', ['article_id'], unique=False)
    op.create_table('feed_versions',
    *_ref('feed_versions', 'feed_id', 'feeds'),
    sa.Column('number', sa.BigInteger(), nullable=False),
    _count('seq'), _words('rss'), _words('atom'), _words('json'),
    sa.Column('article_ids', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('feed_id', 'number', name='pk_feed_versions')
    )
