"""Games available

How many games could be listed when a regeneration ended: its coverage does not change when the catalogue does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("regenerations", sa.Column("games_available", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("regenerations", "games_available")
