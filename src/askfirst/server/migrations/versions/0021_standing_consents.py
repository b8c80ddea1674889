"""Standing consents, and the answers that rest on them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    op.create_table(
        "standing_consents",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("contact", sa.String(length=48), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("elements", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("given_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("document", sa.String(length=80), nullable=True),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("filed_by", sa.String(length=48), nullable=False),
        sa.Column("filed_at", moment(), nullable=False),
        sa.Column("withdrawn_at", moment(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=48), nullable=True),
        sa.Column("withdrawn_why", sa.String(length=24), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact"], ["contacts.id"], name=op.f("fk_standing_consents_contact")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_consents")),
    )
    op.create_index("ix_standing_consents_contact", "standing_consents", ["contact"])
    op.create_index("ix_standing_consents_ends_on", "standing_consents", ["ends_on", "id"])
    op.add_column("consents", sa.Column("standing", sa.String(length=48), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("consents", "standing")
    op.drop_index("ix_standing_consents_ends_on", table_name="standing_consents")
    op.drop_index("ix_standing_consents_contact", table_name="standing_consents")
    op.drop_table("standing_consents")
