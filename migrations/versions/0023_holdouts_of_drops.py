"""Holdouts of drops

For how many users a drop has no places, and since when that is measured. Drops of before have no holdout; a release
that does not know the columns leaves them empty, and gives places to everyone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drops", sa.Column("holdout_percent", sa.Integer(), nullable=True))
    op.add_column("drops", sa.Column("measured_from", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("drops", "measured_from")
    op.drop_column("drops", "holdout_percent")
