"""Sample ratios

Whether users of a variant are missing, as it was counted last: an alert asks each few seconds, and counting takes a
look at everything that was shown. No user is named.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sample_ratios",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False),
        sa.Column("users", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("mismatch", sa.Boolean(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_sample_ratios"),
    )


def downgrade() -> None:
    op.drop_table("sample_ratios")
