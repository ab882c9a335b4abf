"""What drops say of games

`drops.given` keeps what a drop says of its games, so that it ends with the drop. Drops of 0.1.0 wrote it into `games`,
where it stays; their rows have none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drops", sa.Column("given", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("drops", "given")
