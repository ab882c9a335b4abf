"""Reach of regenerations

How many users each shard had remade at which time: a few packed points. Shards of before have none; a release that does
not know the column leaves it empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("regeneration_shards", sa.Column("reached", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("regeneration_shards", "reached")
