"""Drops and erasures

The releases that the operator makes known, and who was erased lately.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

identity = sa.String().with_variant(sa.String(collation="C"), "postgresql")
big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "drops",
        sa.Column("uid", identity, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("generation", big, nullable=False),
        sa.Column("games", sa.JSON(), nullable=False),
        sa.Column("released_at", moment, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("first_position", sa.Integer(), nullable=False),
        sa.Column("ended_at", moment),
        sa.PrimaryKeyConstraint("uid", name="pk_drops"),
    )
    op.create_table(
        "erasures",
        sa.Column("user_digest", sa.LargeBinary(), nullable=False),
        sa.Column("generation", big, nullable=False),
        sa.Column("erased_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_digest", name="pk_erasures"),
    )
    op.create_index("ix_erasures_erased_at", "erasures", ["erased_at"])


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_table("drops")
