"""the tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC_TIME = sa.DateTime(timezone=True)

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('counters',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('value', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('name', name='pk_counters')
    )
    op.create_table('feeds',
    sa.Column('id', ID, nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('id', name='pk_feeds'),
    sa.UniqueConstraint('slug', name='uq_feeds_slug')
    )
    op.create_table('meta',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('key', name='pk_meta')
    )
    op.create_table('newsletters',
    sa.Column('id', ID, nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('id', name='pk_newsletters'),
    sa.UniqueConstraint('slug', name='uq_newsletters_slug'),
    sqlite_autoincrement=True
    )
    op.create_table('runs',
    sa.Column('job', sa.Text(), nullable=False),
    sa.Column('due_at', UTC_TIME, nullable=False),
    sa.Column('nominal', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('result', sa.Text(), server_default='', nullable=False),
    sa.Column('worker', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.Column('started_at', UTC_TIME, nullable=True),
    sa.Column('finished_at', UTC_TIME, nullable=True),
    sa.PrimaryKeyConstraint('job', 'due_at', name='pk_runs')
    )
    op.create_index('ix_runs_status', 'runs', ['status', 'due_at'], unique=False)

    op.create_table('sources',
    sa.Column('id', ID, nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='', nullable=False),
    sa.Column('location', sa.Text(), server_default='', nullable=False),
    sa.Column('title', sa.Text(), server_default='', nullable=False),
    sa.Column('etag', sa.Text(), server_default='', nullable=False),
    sa.Column('last_modified', sa.Text(), server_default='', nullable=False),
    sa.Column('body_hash', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.Column('first_polled_at', UTC_TIME, nullable=True),
    sa.Column('last_polled_at', UTC_TIME, nullable=True),
    sa.Column('next_poll_at', UTC_TIME, nullable=True),
    sa.Column('failures', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('last_error', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id', name='pk_sources'),
    sa.UniqueConstraint('slug', name='uq_sources_slug')
    )
    op.create_table('subscribers',
    sa.Column('id', ID, nullable=False),
    sa.Column('address', sa.Text(), server_default='', nullable=False),
    sa.Column('address_key', sa.Text(), nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('id', name='pk_subscribers'),
    sa.UniqueConstraint('address_key', name='uq_subscribers_address_key'),
    sqlite_autoincrement=True
    )
    op.create_table('suppressions',
    sa.Column('address_key', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('address_key', name='pk_suppressions')
    )
    op.create_table('workers',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('process', sa.Text(), server_default='', nullable=False),
    sa.Column('host', sa.Text(), server_default='', nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.Column('started_at', UTC_TIME, nullable=False),
    sa.Column('heartbeat_at', UTC_TIME, nullable=False),
    sa.Column('ended_at', UTC_TIME, nullable=True),
    sa.PrimaryKeyConstraint('id', name='pk_workers')
    )
    op.create_table('articles',
    sa.Column('id', ID, nullable=False),
    sa.Column('source_id', ID, nullable=False),
    sa.Column('guid', sa.Text(), server_default='', nullable=False),
    sa.Column('url', sa.Text(), server_default='', nullable=False),
    sa.Column('url_key', sa.Text(), server_default='', nullable=False),
    sa.Column('content_hash', sa.Text(), server_default='', nullable=False),
    sa.Column('title', sa.Text(), server_default='', nullable=False),
    sa.Column('author', sa.Text(), server_default='', nullable=False),
    sa.Column('summary', sa.Text(), server_default='', nullable=False),
    sa.Column('html', sa.Text(), server_default='', nullable=False),
    sa.Column('language', sa.Text(), server_default='', nullable=False),
    sa.Column('rights', sa.Text(), server_default='', nullable=False),
    sa.Column('show', sa.Text(), server_default='', nullable=False),
    sa.Column('topics', sa.JSON(), nullable=False),
    sa.Column('enclosures', sa.JSON(), nullable=False),
    sa.Column('published_at', UTC_TIME, nullable=False),
    sa.Column('updated_at', UTC_TIME, nullable=False),
    sa.Column('first_seen_at', UTC_TIME, nullable=False),
    sa.Column('accepted_seq', sa.BigInteger(), nullable=True),
    sa.Column('accepted_at', UTC_TIME, nullable=True),
    sa.Column('status', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('mailable', sa.Boolean(), nullable=False),
    sa.Column('story_id', ID, nullable=True),
    sa.Column('revision', sa.Integer(), server_default='1', nullable=False),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name='fk_articles_source_id'),
    sa.ForeignKeyConstraint(['story_id'], ['articles.id'], name='fk_articles_story_id'),
    sa.PrimaryKeyConstraint('id', name='pk_articles'),
    sa.UniqueConstraint('accepted_seq', name='uq_articles_accepted_seq')
    )
    op.create_index('ix_articles_content_hash', 'articles', ['content_hash'], unique=False)
    op.create_index('ix_articles_newest', 'articles', ['status', 'published_at', 'accepted_seq'], unique=False)
    op.create_index('ix_articles_story', 'articles', ['story_id'], unique=False)
    op.create_index('ix_articles_url_key', 'articles', ['url_key'], unique=False)
    op.create_index('uq_articles_guid', 'articles', ['source_id', 'guid'], unique=True, sqlite_where=sa.text("guid <> ''"), postgresql_where=sa.text("guid <> ''"))

    op.create_table('digests',
    sa.Column('id', ID, nullable=False),
    sa.Column('newsletter_id', ID, nullable=False),
    sa.Column('schedule', sa.Text(), server_default='', nullable=False),
    sa.Column('nominal', sa.Text(), server_default='', nullable=False),
    sa.Column('uid', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('due_at', UTC_TIME, nullable=False),
    sa.Column('audience', sa.Text(), server_default='', nullable=False),
    sa.Column('from_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('public_from_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('cut_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('capped', sa.Boolean(), server_default=sa.text('(false)'), nullable=False),
    sa.Column('audience_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('selected', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('nonce', sa.Text(), server_default='', nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('notes', sa.JSON(), nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.Column('frozen_at', UTC_TIME, nullable=True),
    sa.Column('done_at', UTC_TIME, nullable=True),
    sa.ForeignKeyConstraint(['newsletter_id'], ['newsletters.id'], name='fk_digests_newsletter_id'),
    sa.PrimaryKeyConstraint('id', name='pk_digests'),
    sa.UniqueConstraint('newsletter_id', 'schedule', 'nominal', name='uq_digests_slot'),
    sqlite_autoincrement=True
    )
    op.create_index('ix_digests_status', 'digests', ['status', 'due_at'], unique=False)

    op.create_table('schedules',
    sa.Column('id', ID, nullable=False),
    sa.Column('newsletter_id', ID, nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('spec', sa.Text(), server_default='', nullable=False),
    sa.Column('since', UTC_TIME, nullable=False),
    sa.ForeignKeyConstraint(['newsletter_id'], ['newsletters.id'], name='fk_schedules_newsletter_id'),
    sa.PrimaryKeyConstraint('id', name='pk_schedules'),
    sa.UniqueConstraint('newsletter_id', 'slug', name='uq_schedules_newsletter_id_slug')
    )
    op.create_table('subscriptions',
    sa.Column('id', ID, nullable=False),
    sa.Column('subscriber_id', ID, nullable=False),
    sa.Column('newsletter_id', ID, nullable=False),
    sa.Column('status', sa.Text(), server_default='', nullable=False),
    sa.Column('schedule', sa.Text(), server_default='', nullable=False),
    sa.Column('zone', sa.Text(), server_default='', nullable=False),
    sa.Column('language', sa.Text(), server_default='', nullable=False),
    sa.Column('consent', sa.Text(), server_default='', nullable=False),
    sa.Column('start_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.Column('confirmed_at', UTC_TIME, nullable=True),
    sa.Column('unsubscribed_at', UTC_TIME, nullable=True),
    sa.ForeignKeyConstraint(['newsletter_id'], ['newsletters.id'], name='fk_subscriptions_newsletter_id'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscribers.id'], name='fk_subscriptions_subscriber_id'),
    sa.PrimaryKeyConstraint('id', name='pk_subscriptions'),
    sa.UniqueConstraint('subscriber_id', 'newsletter_id', name='uq_subscriptions_subscriber_id_newsletter_id'),
    sqlite_autoincrement=True
    )
    op.create_index('ix_subscriptions_audience', 'subscriptions', ['newsletter_id', 'status', 'schedule', 'id'], unique=False)

    op.create_table('article_revisions',
    sa.Column('article_id', ID, nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('at', UTC_TIME, nullable=False),
    sa.Column('title', sa.Text(), server_default='', nullable=False),
    sa.Column('content_hash', sa.Text(), server_default='', nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name='fk_article_revisions_article_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('article_id', 'revision', name='pk_article_revisions'),
    sa.UniqueConstraint('seq', name='uq_article_revisions_seq')
    )
    op.create_table('article_topics',
    sa.Column('article_id', ID, nullable=False),
    sa.Column('topic', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name='fk_article_topics_article_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('article_id', 'topic', name='pk_article_topics')
    )
    op.create_index('ix_article_topics_topic', 'article_topics', ['topic', 'article_id'], unique=False)

    op.create_table('batches',
    sa.Column('id', ID, nullable=False),
    sa.Column('digest_id', ID, nullable=False),
    sa.Column('due_at', UTC_TIME, nullable=False),
    sa.Column('zone', sa.Text(), server_default='', nullable=False),
    sa.Column('first_id', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('last_id', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('selected', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('filled_at', UTC_TIME, nullable=True),
    sa.Column('queued', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('claimed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('handed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('sent', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('deferred', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('bounced', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('failed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('uncertain', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('excluded', sa.BigInteger(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name='fk_batches_digest_id'),
    sa.PrimaryKeyConstraint('id', name='pk_batches')
    )
    op.create_index('ix_batches_digest', 'batches', ['digest_id', 'id'], unique=False)
    op.create_index('ix_batches_unfilled', 'batches', ['digest_id'], unique=False, sqlite_where=sa.text('filled_at IS NULL'), postgresql_where=sa.text('filled_at IS NULL'))

    op.create_table('digest_articles',
    sa.Column('digest_id', ID, nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('article_id', ID, nullable=False),
    sa.Column('accepted_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('story', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('source', sa.Text(), server_default='', nullable=False),
    sa.Column('source_title', sa.Text(), server_default='', nullable=False),
    sa.Column('title', sa.Text(), server_default='', nullable=False),
    sa.Column('summary', sa.Text(), server_default='', nullable=False),
    sa.Column('author', sa.Text(), server_default='', nullable=False),
    sa.Column('url', sa.Text(), server_default='', nullable=False),
    sa.Column('language', sa.Text(), server_default='', nullable=False),
    sa.Column('topics', sa.JSON(), nullable=False),
    sa.Column('published_at', UTC_TIME, nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='', nullable=False),
    sa.Column('told', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name='fk_digest_articles_article_id'),
    sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name='fk_digest_articles_digest_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest_id', 'position', name='pk_digest_articles')
    )
    op.create_index('ix_digest_articles_article', 'digest_articles', ['article_id'], unique=False)

    op.create_table('fragments',
    sa.Column('digest_id', ID, nullable=False),
    sa.Column('language', sa.Text(), nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('part', sa.Text(), server_default='', nullable=False),
    sa.Column('kind', sa.Text(), server_default='', nullable=False),
    sa.Column('name', sa.Text(), server_default='', nullable=False),
    sa.Column('scope', sa.Text(), server_default='', nullable=False),
    sa.Column('article_id', ID, nullable=True),
    sa.Column('body', sa.Text(), server_default='', nullable=False),
    sa.Column('qp', sa.LargeBinary(), nullable=False),
    sa.Column('sha256', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name='fk_fragments_digest_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest_id', 'language', 'ordinal', name='pk_fragments')
    )
    op.create_table('notices',
    sa.Column('id', ID, nullable=False),
    sa.Column('kind', sa.Text(), server_default='', nullable=False),
    sa.Column('subscription_id', ID, nullable=True),
    sa.Column('address', sa.Text(), server_default='', nullable=False),
    sa.Column('dedupe', sa.Text(), server_default='', nullable=False),
    sa.Column('state', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('code', sa.Integer(), server_default='0', nullable=False),
    sa.Column('message', sa.LargeBinary(), server_default=sa.text("('')"), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('lease', sa.Text(), server_default='', nullable=False),
    sa.Column('due_at', UTC_TIME, nullable=False),
    sa.Column('created_at', UTC_TIME, nullable=False),
    sa.Column('changed_at', UTC_TIME, nullable=False),
    sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name='fk_notices_subscription_id'),
    sa.PrimaryKeyConstraint('id', name='pk_notices')
    )
    op.create_index('ix_notices_limit', 'notices', ['address', 'kind', 'created_at'], unique=False)
    op.create_index('uq_notices_dedupe', 'notices', ['dedupe'], unique=True, sqlite_where=sa.text("dedupe <> ''"), postgresql_where=sa.text("dedupe <> ''"))

    op.create_table('selections',
    sa.Column('id', ID, nullable=False),
    sa.Column('digest_id', ID, nullable=False),
    sa.Column('language', sa.Text(), server_default='', nullable=False),
    sa.Column('article_ids', sa.JSON(), nullable=False),
    sa.Column('key', sa.Text(), server_default='', nullable=False),
    sa.Column('more', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('subject', sa.Text(), server_default='', nullable=False),
    sa.Column('preheader', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name='fk_selections_digest_id'),
    sa.PrimaryKeyConstraint('id', name='pk_selections'),
    sa.UniqueConstraint('digest_id', 'language', 'key', name='uq_selections_key')
    )
    op.create_table('subscription_events',
    sa.Column('seq', ID, autoincrement=False, nullable=False),
    sa.Column('subscription_id', ID, nullable=False),
    sa.Column('newsletter_id', ID, nullable=False),
    sa.Column('at', UTC_TIME, nullable=False),
    sa.Column('kind', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.Text(), server_default='', nullable=False),
    sa.Column('schedule', sa.Text(), server_default='', nullable=False),
    sa.Column('zone', sa.Text(), server_default='', nullable=False),
    sa.Column('language', sa.Text(), server_default='', nullable=False),
    sa.Column('detail', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['newsletter_id'], ['newsletters.id'], name='fk_subscription_events_newsletter_id'),
    sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name='fk_subscription_events_subscription_id'),
    sa.PrimaryKeyConstraint('seq', name='pk_subscription_events')
    )
    op.create_index('ix_subscription_events_history', 'subscription_events', ['newsletter_id', 'subscription_id', 'seq'], unique=False)

    op.create_table('deliveries',
    sa.Column('id', ID, nullable=False),
    sa.Column('digest_id', ID, nullable=False),
    sa.Column('batch_id', ID, nullable=False),
    sa.Column('subscription_id', ID, nullable=False),
    sa.Column('selection_id', ID, nullable=True),
    sa.Column('state', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('code', sa.Integer(), server_default='0', nullable=False),
    sa.Column('from_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('cut_seq', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('covered', sa.Boolean(), server_default=sa.text('(false)'), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('lease', sa.Text(), server_default='', nullable=False),
    sa.Column('due_at', UTC_TIME, nullable=False),
    sa.Column('first_tried_at', UTC_TIME, nullable=True),
    sa.Column('changed_at', UTC_TIME, nullable=False),
    sa.CheckConstraint("state IN ('queued', 'claimed', 'handed', 'sent', 'deferred', 'bounced', 'failed', 'uncertain', 'excluded')", name='ck_deliveries_known_state'),
    sa.ForeignKeyConstraint(['batch_id'], ['batches.id'], name='fk_deliveries_batch_id'),
    sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name='fk_deliveries_digest_id'),
    sa.ForeignKeyConstraint(['selection_id'], ['selections.id'], name='fk_deliveries_selection_id'),
    sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name='fk_deliveries_subscription_id'),
    sa.PrimaryKeyConstraint('id', name='pk_deliveries'),
    sa.UniqueConstraint('digest_id', 'subscription_id', name='uq_deliveries_once')
    )
    op.create_index('ix_deliveries_batch', 'deliveries', ['batch_id', 'state'], unique=False)
    op.create_index('ix_deliveries_covered', 'deliveries', ['subscription_id', 'cut_seq'], unique=False, sqlite_where=sa.text('covered'), postgresql_where=sa.text('covered'))
    op.create_index('ix_deliveries_due', 'deliveries', ['digest_id', 'state', 'due_at', 'id'], unique=False)
    op.create_index('ix_deliveries_lease', 'deliveries', ['lease'], unique=False, sqlite_where=sa.text("lease <> ''"), postgresql_where=sa.text("lease <> ''"))
    op.create_index('uq_deliveries_live', 'deliveries', ['subscription_id'], unique=True, sqlite_where=sa.text("state IN ('claimed', 'deferred', 'handed', 'queued') AND NOT covered"), postgresql_where=sa.text("state IN ('claimed', 'deferred', 'handed', 'queued') AND NOT covered"))


def downgrade() -> None:
    for table in (
        'deliveries',
        'subscription_events',
        'selections',
        'notices',
        'fragments',
        'digest_articles',
        'batches',
        'article_topics',
        'article_revisions',
        'subscriptions',
        'schedules',
        'digests',
        'articles',
        'workers',
        'suppressions',
        'subscribers',
        'sources',
        'runs',
        'newsletters',
        'meta',
        'feeds',
        'counters',
    ):
        op.drop_table(table)
