"""Variants in feedback

Which variants of which experiments the user had as the feedback happened; null in rows from before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feedback", sa.Column("variants", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("feedback", "variants")
