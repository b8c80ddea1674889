"""Second factors, passkeys, single sign-on, and sessions that end when idle"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from askfirst.server.database import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("sessions", sa.Column("idles_at", UtcDateTime))
    op.add_column(
        "sessions", sa.Column("factors", sa.SmallInteger, nullable=False, server_default="1")
    )
    op.create_table(
        "authenticators",
        sa.Column("user", sa.String(48), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("last_step", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("confirmed_at", UtcDateTime),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_authenticators_user"),
        sa.PrimaryKeyConstraint("user", name="pk_authenticators"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user", sa.String(48), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_recovery_codes_user"),
        sa.PrimaryKeyConstraint("digest", name="pk_recovery_codes"),
    )
    op.create_index("ix_recovery_codes_user", "recovery_codes", ["user"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("credential", sa.LargeBinary(1023), nullable=False),
        sa.Column("user", sa.String(48), nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("used_at", UtcDateTime),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_passkeys_user"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.UniqueConstraint("credential", name="uq_passkeys_credential"),
    )
    op.create_index("ix_passkeys_user", "passkeys", ["user"])
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(300), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("user", sa.String(48), nullable=False),
        sa.Column("bound_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_identities_user"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identities"),
    )
    op.create_index("ix_identities_user", "identities", ["user"])
    op.create_table(
        "rounds",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("user", sa.String(48)),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_rounds_user"),
        sa.PrimaryKeyConstraint("digest", name="pk_rounds"),
    )
    op.create_index("ix_rounds_user", "rounds", ["user"])


def downgrade() -> None:
    """Undo."""
    for table in ("rounds", "identities", "passkeys", "recovery_codes", "authenticators"):
        op.drop_table(table)
    op.drop_column("sessions", "factors")
    op.drop_column("sessions", "idles_at")
