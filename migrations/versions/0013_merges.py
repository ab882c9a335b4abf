"""Merges

Visitors whose history became an account's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

identity = sa.String().with_variant(sa.String(collation="C"), "postgresql")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("user_id", identity, nullable=False),
        sa.Column("into_user_id", identity, nullable=False),
        sa.Column("merged_at", moment, nullable=False),
        sa.Column("erased_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("user_id", name="pk_merges"),
    )
    op.create_index("ix_merges_into_user_id", "merges", ["into_user_id"])


def downgrade() -> None:
    op.drop_table("merges")
