"""The outbox

What was announced and no broker has yet.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

identity = sa.String().with_variant(sa.String(collation="C"), "postgresql")
big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("outbox_id", big, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", identity, nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("outbox_id", name="pk_outbox"),
        sqlite_autoincrement=True,  # a number that was deleted never comes again
    )
    op.create_index("ix_outbox_user_id", "outbox", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_table("outbox")
