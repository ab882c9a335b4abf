"""Users overtaken

How many users of a shard keep a list of a higher number. Rows of before have none; a release that does not know the
column leaves it empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("regeneration_shards", sa.Column("users_overtaken", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("regeneration_shards", "users_overtaken")
