"""Images of games

Where the shop keeps a picture of each game; only the console shows it. Nothing is filled in: the shop sends it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("games", sa.Column("image_url", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("games", "image_url")
