"""delivering: announcements, expiry, notices that wait, what came back, stopped destinations, allowances"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
UTC_TIME = sa.DateTime(timezone=True)

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default='', nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default='0', nullable=False)


def upgrade() -> None:
    op.add_column('digests', _words('kind'))
    op.add_column('batches', sa.Column('expires_at', UTC_TIME))
    op.drop_index('ix_deliveries_batch', 'deliveries')
    op.drop_index('ix_deliveries_due', 'deliveries')
    due = sa.text("state IN ('queued', 'deferred')")
    op.create_index('ix_deliveries_due', 'deliveries', ['digest_id', 'state', 'due_at', 'id'], unique=False,
                    sqlite_where=due, postgresql_where=due)
    op.drop_index('ix_deliveries_covered', 'deliveries')
    op.create_index('ix_deliveries_person', 'deliveries', ['subscription_id', 'cut_seq'], unique=False)
    for name in ('sender', 'message_id', 'subject'):
        op.add_column('notices', _words(name))
    for name in ('expires_at', 'first_tried_at'):
        op.add_column('notices', sa.Column(name, UTC_TIME))
    op.create_index('ix_notices_due', 'notices', ['state', 'due_at', 'id'], unique=False)
    op.create_table('recipients',
    sa.Column('digest_id', ID, nullable=False),
    sa.Column('subscription_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name='fk_recipients_digest_id', ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name='fk_recipients_subscription_id'),
    sa.PrimaryKeyConstraint('digest_id', 'subscription_id', name='pk_recipients')
    )
    op.create_table('returned',
    sa.Column('id', ID, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('at', UTC_TIME, nullable=False),
    _words('kind'), _words('via'),
    sa.Column('delivery_id', ID), sa.Column('notice_id', ID), sa.Column('subscription_id', ID),
    _words('address_key'), _words('status'), _words('detail'), _words('outcome'),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name='fk_returned_delivery_id'),
    sa.ForeignKeyConstraint(['notice_id'], ['notices.id'], name='fk_returned_notice_id'),
    sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name='fk_returned_subscription_id'),
    sa.PrimaryKeyConstraint('id', name='pk_returned'),
    sa.UniqueConstraint('key', name='uq_returned_key')
    )
    op.create_index('ix_returned_address', 'returned', ['address_key', 'kind', 'at'], unique=False)
    op.create_index('ix_returned_delivery', 'returned', ['delivery_id'], unique=False)
    op.create_index('ix_returned_kind', 'returned', ['kind', 'at'], unique=False)
    op.create_table('destinations',
    sa.Column('name', sa.Text(), nullable=False),
    _words('reason'), _number('code'), _number('times'),
    sa.Column('stopped_at', UTC_TIME, nullable=False),
    sa.Column('until', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('name', name='pk_destinations')
    )
    op.create_table('allowances',
    sa.Column('day', sa.Text(), nullable=False),
    sa.Column('given', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('day', name='pk_allowances')
    )
