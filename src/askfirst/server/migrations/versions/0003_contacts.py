"""Contacts: people, numbers, places, follow-ups, countries reviewed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "contacts",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("company", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("owner", sa.String(length=48), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("never_record", sa.Boolean(), nullable=False),
        sa.Column("never_record_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.Column("never_record_by", sa.String(length=48), nullable=True),
        sa.Column("created_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("updated_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("archived_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.Column("sort_key", sa.String(length=200), nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.Column("seat", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["never_record_by"], ["users.id"], name=op.f("fk_contacts_never_record_by")
        ),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_contacts_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.create_index("ix_contacts_owner", ["owner", "sort_key", "id"], unique=False)
        batch_op.create_index(
            "ix_contacts_seat", ["seat", "never_record", "archived_at", "id"], unique=False
        )
        batch_op.create_index("ix_contacts_sort", ["sort_key", "id"], unique=False)

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
    op.create_table(
        "contact_numbers",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("contact", sa.String(length=48), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=40), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact"], ["contacts.id"], name=op.f("fk_contact_numbers_contact")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_contact_numbers")),
    )
    with op.batch_alter_table("contact_numbers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_numbers_contact"), ["contact"], unique=False)

    op.create_table(
        "contact_places",
        sa.Column("contact", sa.String(length=48), nullable=False),
        sa.Column("code", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("since", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(length=48), nullable=True),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name=op.f("fk_contact_places_by")),
        sa.ForeignKeyConstraint(
            ["contact"], ["contacts.id"], name=op.f("fk_contact_places_contact")
        ),
        sa.PrimaryKeyConstraint("contact", "code", "source", name=op.f("pk_contact_places")),
    )
    op.create_table(
        "follow_ups",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("contact", sa.String(length=48), nullable=False),
        sa.Column("call", sa.String(length=48), nullable=True),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("done_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.Column("owner", sa.String(length=48), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_follow_ups_call")),
        sa.ForeignKeyConstraint(["contact"], ["contacts.id"], name=op.f("fk_follow_ups_contact")),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_follow_ups_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
    )
    with op.batch_alter_table("follow_ups", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_follow_ups_contact"), ["contact"], unique=False)
        batch_op.create_index("ix_follow_ups_due", ["done_at", "due", "id"], unique=False)

    with op.batch_alter_table("parties", schema=None) as batch_op:
        batch_op.create_index("ix_parties_number", ["number"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("parties", schema=None) as batch_op:
        batch_op.drop_index("ix_parties_number")

    with op.batch_alter_table("follow_ups", schema=None) as batch_op:
        batch_op.drop_index("ix_follow_ups_due")
        batch_op.drop_index(batch_op.f("ix_follow_ups_contact"))

    op.drop_table("follow_ups")
    op.drop_table("contact_places")
    with op.batch_alter_table("contact_numbers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_numbers_contact"))

    op.drop_table("contact_numbers")
    op.drop_table("reviewed_countries")
    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.drop_index("ix_contacts_sort")
        batch_op.drop_index("ix_contacts_seat")
        batch_op.drop_index("ix_contacts_owner")

    op.drop_table("contacts")
