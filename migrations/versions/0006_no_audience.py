"""No audience

`regenerations.audience` was never written or read by a release: whom a regeneration is for stands in `active_since`.
So it can go while 0.1.0 still runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not by a copy of the table, as batch operations do on SQLite: it would delete the shards along with the old one.
    op.drop_column("regenerations", "audience")


def downgrade() -> None:
    op.add_column("regenerations", sa.Column("audience", sa.JSON(), nullable=True))
