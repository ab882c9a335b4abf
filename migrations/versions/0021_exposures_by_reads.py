"""Exposures by reads

Who was answered a list first when, for experiments that count lists that were read; and which experiments do.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

name = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("experiments", sa.Column("exposure", sa.Text(), nullable=False, server_default="shown"))
    op.create_table(
        "exposures",
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("user_id", name, nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "user_id", name="pk_exposures"),
    )
    op.create_index("ix_exposures_user_id", "exposures", ["user_id"])


def downgrade() -> None:
    op.drop_table("exposures")
    op.drop_column("experiments", "exposure")
