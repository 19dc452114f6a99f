"""composing: drafts and what operators change in them, corrections, groups, languages, pictures"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC_TIME = sa.DateTime(timezone=True)

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default='', nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default='0', nullable=False)


def _json(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), server_default=default, nullable=False)


def _ref(table: str, column: str, target: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    return (sa.Column(column, ID, nullable=False),
            sa.ForeignKeyConstraint([column], [f'{target}.id'], name=f'fk_{table}_{column}', ondelete='CASCADE'))


def upgrade() -> None:
    added: dict[str, list[sa.Column[Any]]] = {
        'subscriptions': [_json('topics', '[]')],
        'digests': [_words('held_by'), _json('edits', '{}'), _json('findings', '[]'),
                    sa.Column('proofed_at', UTC_TIME),
                    sa.Column('version', sa.BigInteger(), server_default='0', nullable=False),
                    sa.Column('drafted_at', UTC_TIME), sa.Column('approved_at', UTC_TIME)],
        'digest_articles': [_number('rank'), _json('score', '{}'), _number('size')],
        'selections': [_json('groups', '[]'), _json('corrections', '[]')],
    }
    for table, columns in added.items():
        for column in columns:
            op.add_column(table, column)
    op.execute("UPDATE digests SET held_by = 'error' WHERE status = 'held'")  # nobody else could hold one until now

    op.create_table('digest_corrections',
    *_ref('digest_corrections', 'digest_id', 'digests'),
    *_ref('digest_corrections', 'article_id', 'articles'),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    _number('size'),
    sa.PrimaryKeyConstraint('digest_id', 'article_id', name='pk_digest_corrections')
    )
    op.create_index('ix_digest_corrections_article', 'digest_corrections', ['article_id'], unique=False)
    op.create_table('pictures',
    sa.Column('key', sa.Text(), nullable=False),
    _words('url'), _words('name'), _number('width'), _number('height'),
    sa.Column('size', sa.BigInteger(), server_default='0', nullable=False),
    _words('reason'),
    sa.Column('fetched_at', UTC_TIME, nullable=False),
    sa.Column('retry_at', UTC_TIME),
    sa.PrimaryKeyConstraint('key', name='pk_pictures')
    )
    op.create_index('ix_pictures_name', 'pictures', ['name'], unique=False)
    op.create_table('link_checks',
    sa.Column('url', sa.Text(), nullable=False),
    _number('status'), _words('reason'),
    sa.Column('checked_at', UTC_TIME, nullable=False),
    sa.PrimaryKeyConstraint('url', name='pk_link_checks')
    )
