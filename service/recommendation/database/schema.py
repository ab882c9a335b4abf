"""Which schema this code needs, and whether a database has it."""

from enum import Enum

from sqlalchemy import Connection, inspect, text

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
    "0021",
    "0022",
    "0023",
    "0024",
    "0025",
)
"""Every migration this code knows, oldest first; a test holds it against the migrations folder."""


class SchemaState(Enum):
    """How a database stands to this code."""

    MISSING = "has no schema"
    BEHIND = "has an older schema"
    CURRENT = "has this schema"
    AHEAD = "has a newer schema"


def schema_state(connection: Connection) -> SchemaState:
    """
    Compare a database with this code.

    A revision that this code does not know was made by a later release, whose migrations leave what this code uses.
    """
    if not inspect(connection).has_table("alembic_version"):
        return SchemaState.MISSING
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is None:
        return SchemaState.MISSING
    if revision == REVISIONS[-1]:
        return SchemaState.CURRENT
    return SchemaState.BEHIND if revision in REVISIONS else SchemaState.AHEAD


def is_usable(state: SchemaState) -> bool:
    """Tell whether this code can work with such a schema."""
    return state in {SchemaState.CURRENT, SchemaState.AHEAD}
