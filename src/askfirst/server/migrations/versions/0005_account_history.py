"""What was set before, who has read which notice, reviews of places, a contact's language"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "setting_changes",
        sa.Column("position", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("changed_by", sa.String(length=48), nullable=True),
        sa.Column("changed_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["users.id"], name=op.f("fk_setting_changes_changed_by")
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_setting_changes")),
    )
    with op.batch_alter_table("setting_changes", schema=None) as batch_op:
        batch_op.create_index("ix_setting_changes_key", ["key", "position"], unique=False)
    # What stands now is the oldest that is known.
    op.execute(
        "INSERT INTO setting_changes (key, value, changed_by, changed_at) "
        "SELECT key, value, changed_by, changed_at FROM settings ORDER BY changed_at, key"
    )

    op.create_table(
        "notice_readings",
        sa.Column("user", sa.String(length=48), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name=op.f("fk_notice_readings_user")),
        sa.PrimaryKeyConstraint("user", "version", name=op.f("pk_notice_readings")),
    )
    op.execute(
        'INSERT INTO notice_readings ("user", version, at) '
        "SELECT id, notice_version, notice_read_at FROM users "
        "WHERE notice_version IS NOT NULL AND notice_read_at IS NOT NULL"
    )

    op.create_table(
        "reviews",
        sa.Column("code", sa.String(length=8), nullable=False),
        sa.Column("reviewed_by", sa.String(length=48), nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["reviewed_by"], ["users.id"], name=op.f("fk_reviews_reviewed_by")),
        sa.PrimaryKeyConstraint("code", "reviewed_by", name=op.f("pk_reviews")),
    )
    op.execute(
        "INSERT INTO reviews (code, reviewed_by, at) "
        "SELECT code, reviewed_by, at FROM reviewed_countries"
    )
    op.drop_table("reviewed_countries")

    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("language", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("never_record_why", sa.String(length=200), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.drop_column("never_record_why")
        batch_op.drop_column("language")

    op.create_table(
        "reviewed_countries",
        sa.Column("code", sa.String(length=2), nullable=False),
        sa.Column("reviewed_by", sa.String(length=48), nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reviewed_by"], ["users.id"], name=op.f("fk_reviewed_countries_reviewed_by")
        ),
        sa.PrimaryKeyConstraint("code", "reviewed_by", name=op.f("pk_reviewed_countries")),
    )
    op.execute(
        "INSERT INTO reviewed_countries (code, reviewed_by, at) "
        "SELECT code, reviewed_by, at FROM reviews WHERE code NOT LIKE '%-%'"
    )
    op.drop_table("reviews")
    op.drop_table("notice_readings")
    with op.batch_alter_table("setting_changes", schema=None) as batch_op:
        batch_op.drop_index("ix_setting_changes_key")

    op.drop_table("setting_changes")
