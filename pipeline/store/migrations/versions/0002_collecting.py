"""collecting: manners, safety, kinds of sources, likenesses"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC_TIME = sa.DateTime(timezone=True)

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def _words(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default='0', nullable=False)


def _article(table: str, column: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    return (sa.Column(column, ID, nullable=False),
            sa.ForeignKeyConstraint([column], ['articles.id'], name=f'fk_{table}_{column}', ondelete='CASCADE'))


def upgrade() -> None:
    for column in (
        sa.Column('failing_since', UTC_TIME), sa.Column('last_new_at', UTC_TIME), _words('show'), _words('fingerprint'),
        _count('every_s'), _words('found_kind'), sa.Column('followed_at', UTC_TIME),
        _words('standing', 'active'), _words('standing_reason'), sa.Column('standing_until', UTC_TIME),
        _count('offences'), _words('feed_url'), _words('followed_url'), _words('moved_to'),
        sa.Column('moved_since', UTC_TIME), sa.Column('hints', sa.JSON(), server_default='{}', nullable=False),
        _count('rhythm_s'), _count('interval_s'), _words('interval_reason'),
        sa.Column('declared', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    ):
        op.add_column('sources', column)
    op.create_index('ix_sources_due', 'sources', ['next_poll_at'], unique=False)
    failing = sa.text("failures > 0 OR standing <> 'active'")
    op.create_index('ix_sources_failing', 'sources', ['slug'], unique=False, sqlite_where=failing,
                    postgresql_where=failing)
    # what never was polled is due since it was declared, and what was is due when it was
    op.execute("UPDATE sources SET next_poll_at = created_at WHERE next_poll_at IS NULL")

    for name in ('licence', 'image', 'text_note'):
        op.add_column('articles', _words(name))
    op.add_column('articles', sa.Column('extras', sa.JSON(), server_default='[]', nullable=False))
    op.create_index('ix_articles_source', 'articles', ['source_id', 'first_seen_at'], unique=False)
    op.add_column('articles', sa.Column('purged_at', UTC_TIME))
    op.add_column('article_revisions', _words('changed'))

    op.create_table('passed_over',
    sa.Column('source_id', ID, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    _words('state'), _words('reason'), _words('url'), _words('title'),
    sa.Column('at', UTC_TIME, nullable=False),
    sa.Column('retry_at', UTC_TIME, nullable=True),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('article_id', ID, nullable=True),
    sa.Column('draft', sa.JSON(), nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name='fk_passed_over_source_id', ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name='fk_passed_over_article_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('source_id', 'key', name='pk_passed_over')
    )
    op.create_index('ix_passed_over_retry', 'passed_over', ['retry_at', 'source_id'], unique=False)
    op.create_table('hub_subscriptions',
    sa.Column('id', ID, nullable=False),
    sa.Column('source_id', ID, nullable=False),
    _words('hub'), _words('topic'),
    sa.Column('token', sa.Text(), nullable=False),
    _words('secret'), _words('state'), _words('error'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('requested_at', UTC_TIME, nullable=False),
    sa.Column('verified_at', UTC_TIME, nullable=True),
    sa.Column('expires_at', UTC_TIME, nullable=True),
    sa.Column('renew_at', UTC_TIME, nullable=False),
    sa.Column('last_push_at', UTC_TIME, nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name='fk_hub_subscriptions_source_id',
                            ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name='pk_hub_subscriptions'),
    sa.UniqueConstraint('source_id', name='uq_hub_subscriptions_source_id'),
    sa.UniqueConstraint('token', name='uq_hub_subscriptions_token')
    )
    op.create_index('ix_hub_subscriptions_renew', 'hub_subscriptions', ['renew_at'], unique=False)
    op.create_table('robots',
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    _words('body'),
    sa.Column('fetched_at', UTC_TIME, nullable=False),
    sa.Column('expires_at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('origin', name='pk_robots')
    )
    op.create_table('article_bands',
    sa.Column('band', sa.Integer(), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    *_article('article_bands', 'article_id'),
    sa.PrimaryKeyConstraint('band', 'value', 'article_id', name='pk_article_bands')
    )
    op.create_index('ix_article_bands_article', 'article_bands', ['article_id'], unique=False)
    op.create_table('likenesses',
    *_article('likenesses', 'article_id'),
    *_article('likenesses', 'other_id'),
    sa.Column('percent', sa.Integer(), nullable=False),
    _words('state'),
    sa.Column('at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('article_id', 'other_id', name='pk_likenesses')
    )
    op.create_index('ix_likenesses_other', 'likenesses', ['other_id'], unique=False)
    op.create_index('ix_likenesses_state', 'likenesses', ['state', 'article_id'], unique=False)
