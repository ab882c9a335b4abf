"""Regenerations for everyone

Which regenerations remake everyone's lists, perhaps those of active users alone, and who works on one. Rows of before,
and of a release that does not know the columns, leave both empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("regenerations", sa.Column("everyone", sa.Boolean(), nullable=True))
    op.add_column("regenerations", sa.Column("worked_on_by", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("regenerations", "worked_on_by")
    op.drop_column("regenerations", "everyone")
