"""Tokens of programs, and answers that are given once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=48), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("expires_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("used_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.Column("revoked_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name=op.f("fk_api_tokens_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
    )
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_tokens_user"), ["user"], unique=False)

    op.create_table(
        "answers_once",
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("created_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("media_type", sa.String(length=80), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("holder", "key", name=op.f("pk_answers_once")),
    )
    with op.batch_alter_table("answers_once", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_answers_once_created_at"), ["created_at"], unique=False
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("answers_once", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_answers_once_created_at"))

    op.drop_table("answers_once")
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_tokens_user"))

    op.drop_table("api_tokens")
