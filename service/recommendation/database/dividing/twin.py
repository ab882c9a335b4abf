"""
The twin of `user_game_interactions`, in partitions, and what keeps it in step; each function is part of a transaction.

Triggers tell the twin what statements of any release do to the table: what they insert, update or delete. Rows that
were there before are copied. At last the twin takes the table's name. Indexes, constraints, defaults, privileges, owner
and storage parameters are the table's.

No migration of Alembic: these steps take hours for a large table, and begin when an operator says so. Nothing else
beside the migrations makes tables.
"""

from typing import Any

from sqlalchemy import Connection, text

from recommendation.database.tables import user_game_interactions
from recommendation.errors import SettingsError

PARTITIONS = 16
"""A power of two. Why so many: docs/decisions/pairs-in-partitions.md."""

TABLE = str(user_game_interactions.name)

TWIN = f"{TABLE}_parts"

COPYING = f"{TABLE}_copying"
"""Holds one row: how far the table was copied."""

BEFORE = f"{TABLE}_before"
"""The table's name once the twin has taken its place, until it is dropped."""

_FOLLOW = f"{TABLE}_follow"

_KEY = ", ".join(column.name for column in user_game_interactions.primary_key)


def _row(connection: Connection, query: str, **given: Any) -> Any:
    return connection.execute(text(query), given).one()


def exists(connection: Connection, name: str) -> bool:
    """Tell whether there is a table of this name."""
    return bool(_row(connection, "SELECT to_regclass(:name) IS NOT NULL", name=name)[0])


def is_divided(connection: Connection) -> bool:
    """Tell whether the table is in partitions."""
    kind = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:name)"
    return bool(_row(connection, kind, name=TABLE)[0])


def size(connection: Connection) -> tuple[int, int]:
    """Return the number of the table's file and its pages: another file holds the same rows in other places."""
    query = (
        "SELECT pg_relation_filenode(:name), pg_relation_size(to_regclass(:name)) / "
        "current_setting('block_size')::bigint"
    )
    file, pages = _row(connection, query, name=TABLE)
    return int(file), int(pages)


def refuse_what_would_be_lost(connection: Connection) -> None:
    """
    Refuse to begin where something was added to the table that its twin would not have.

    Raises:
        SettingsError: it names them.
    """
    found = connection.execute(text(_ADDED), {"name": TABLE, "own": f"{_FOLLOW}%"}).scalars().all()
    if found:
        raise SettingsError(
            f"{TABLE} cannot be divided while it has {', '.join(found)}: "
            "drop what is named, and make it again afterwards"
        )


_ADDED = """
SELECT 'the trigger ' || tgname FROM pg_trigger
    WHERE tgrelid = to_regclass(:name) AND NOT tgisinternal AND tgname NOT LIKE :own
UNION ALL SELECT 'the foreign key ' || conname FROM pg_constraint
    WHERE contype = 'f' AND to_regclass(:name) IN (conrelid, confrelid)
UNION ALL SELECT 'the view ' || ev_class::regclass FROM pg_rewrite JOIN pg_depend ON pg_depend.objid = pg_rewrite.oid
    WHERE classid = 'pg_rewrite'::regclass AND refobjid = to_regclass(:name) GROUP BY ev_class
UNION ALL SELECT 'the policy ' || polname FROM pg_policy WHERE polrelid = to_regclass(:name)
UNION ALL SELECT 'a place in the publication ' || pubname FROM pg_publication_rel
    JOIN pg_publication ON pg_publication.oid = prpubid WHERE prrelid = to_regclass(:name)
ORDER BY 1
"""


def make_twin(connection: Connection) -> None:
    """Make the twin, empty, with what the table has."""
    connection.execute(text(f"CREATE TABLE {TWIN} (LIKE {TABLE} INCLUDING ALL) PARTITION BY HASH (user_id)"))
    names = [f"{TABLE}_p{number:02}" for number in range(PARTITIONS)]
    for number, name in enumerate(names):
        among = f"FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
        connection.execute(text(f"CREATE TABLE {name} PARTITION OF {TWIN} {among}"))
    owner, parameters = _row(
        connection,
        "SELECT relowner::regrole::text, reloptions FROM pg_class WHERE oid = to_regclass(:name)",
        name=TABLE,
    )
    grants = connection.execute(text(_GRANTS), {"name": TABLE}).all()
    for name in (TWIN, *names):
        for grant in grants:
            option = " WITH GRANT OPTION" if grant.is_grantable else ""
            connection.execute(text(f"GRANT {grant.privilege} ON {name} TO {grant.role}{option}"))
        connection.execute(text(f"ALTER TABLE {name} OWNER TO {owner}"))
        if parameters and name != TWIN:  # a table in partitions has none of its own
            connection.execute(text(f"ALTER TABLE {name} SET ({', '.join(parameters)})"))


_GRANTS = """
SELECT privilege_type AS privilege, is_grantable,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(:name) AND grantee <> relowner
"""


def follow(connection: Connection) -> None:
    """
    Let the twin follow what becomes of the table from here on.

    It waits until no transaction writes to the table, and no other begins to meanwhile.
    """
    schema, owner = _row(connection, _PLACE, name=TABLE)
    values = ", ".join(f"{column.name} = excluded.{column.name}" for column in user_game_interactions.c)
    names = ", ".join(column.name for column in user_game_interactions.c)
    upsert = f"INSERT INTO {TWIN} ({names}) SELECT {names} FROM made ON CONFLICT ({_KEY}) DO UPDATE SET {values};"
    same = " AND ".join(f"twin.{column.name} = gone.{column.name}" for column in user_game_interactions.primary_key)
    kept = f"EXISTS (SELECT FROM made WHERE ({_KEY}) = (twin.user_id, twin.game_id))"
    connection.execute(
        text(f"""
CREATE FUNCTION {_FOLLOW}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = {schema}, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$ BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE {TWIN};
    ELSIF TG_OP = 'INSERT' THEN
        {upsert}
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM {TWIN} AS twin USING gone WHERE {same};
    ELSE
        DELETE FROM {TWIN} AS twin USING gone WHERE {same} AND NOT {kept};
        {upsert}
    END IF;
    RETURN NULL;
END $$""")
    )
    connection.execute(text(f"ALTER FUNCTION {_FOLLOW}() OWNER TO {owner}"))
    for name, transition in _TRIGGERS.items():
        event = f"AFTER {name.upper()} ON {TABLE} {transition} FOR EACH STATEMENT EXECUTE FUNCTION {_FOLLOW}()"
        connection.execute(text(f"CREATE TRIGGER {_FOLLOW}_{name} {event}"))


_PLACE = """
SELECT relnamespace::regnamespace::text, relowner::regrole::text FROM pg_class WHERE oid = to_regclass(:name)
"""

_TRIGGERS = {
    "insert": "REFERENCING NEW TABLE AS made",
    "update": "REFERENCING OLD TABLE AS gone NEW TABLE AS made",
    "delete": "REFERENCING OLD TABLE AS gone",
    "truncate": "",
}


def begin_copying(connection: Connection) -> None:
    """Note what is to be copied: all pages that the table has now that the twin follows."""
    connection.execute(
        text(f"CREATE TABLE {COPYING} AS SELECT 0::bigint AS next_page, 0::bigint AS pages, 0::bigint AS file")
    )
    start_over(connection)


def start_over(connection: Connection) -> None:
    """Let the copying begin at the first page."""
    file, pages = size(connection)
    again = text(f"UPDATE {COPYING} SET next_page = 0, pages = :pages, file = :file")
    connection.execute(again, {"pages": pages, "file": file})


def copied(connection: Connection) -> tuple[int, int, int]:
    """Return the next page to copy, the number of pages, and their file."""
    next_page, pages, file = _row(connection, f"SELECT next_page, pages, file FROM {COPYING}")
    return next_page, pages, file


def copy_pages(connection: Connection, first: int, end: int) -> None:
    """
    Copy the rows of some pages that the twin does not have, and note it.

    Rows are locked, so that none is deleted meanwhile. Otherwise: we read Ann's row. She is erased, also from the twin,
    where she is not yet. We write her row, and she is back.
    """
    rows = text(f"""
WITH lying AS MATERIALIZED (
    SELECT * FROM {TABLE} WHERE ctid >= '({first},0)'::tid AND ctid < '({end},0)'::tid FOR KEY SHARE
)
INSERT INTO {TWIN} SELECT * FROM lying ORDER BY {_KEY} ON CONFLICT DO NOTHING""")
    connection.execute(rows)
    connection.execute(text(f"UPDATE {COPYING} SET next_page = :end"), {"end": end})


def take_place(connection: Connection) -> None:
    """Let the twin take the table's name; what kept it in step goes. The table is locked already."""
    _unfollow(connection)
    connection.execute(text(f"DROP TABLE IF EXISTS {COPYING}"))
    (key,) = connection.execute(text(_KEY_NAME), {"name": TABLE}).scalars()
    (twins_key,) = connection.execute(text(_KEY_NAME), {"name": TWIN}).scalars()
    connection.execute(text(f"ALTER INDEX {key} RENAME TO {key}_before"))
    connection.execute(text(f"ALTER TABLE {TABLE} RENAME TO {BEFORE}"))
    connection.execute(text(f"ALTER INDEX {twins_key} RENAME TO {key}"))
    connection.execute(text(f"ALTER TABLE {TWIN} RENAME TO {TABLE}"))


_KEY_NAME = "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:name) AND contype = 'p'"


def abandon(connection: Connection) -> None:
    """Take away the twin and what keeps it in step."""
    _unfollow(connection)
    connection.execute(text(f"DROP TABLE IF EXISTS {TWIN}, {COPYING}"))


def _unfollow(connection: Connection) -> None:
    for name in _TRIGGERS:
        connection.execute(text(f"DROP TRIGGER IF EXISTS {_FOLLOW}_{name} ON {TABLE}"))
    connection.execute(text(f"DROP FUNCTION IF EXISTS {_FOLLOW}()"))


def sums(connection: Connection, name: str) -> tuple[Any, ...]:
    """Return what has to be the same of the table and its twin, seen at one moment."""
    query = (
        "SELECT count(*), coalesce(sum(events), 0), coalesce(sum(score_millionths), 0), "
        f"coalesce(sum(hashtextextended(row::text, 0)::numeric), 0) FROM {name} AS row"
    )
    return tuple(_row(connection, query))
