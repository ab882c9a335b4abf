"""
What the OpenAPI document says of bodies and of problems; `answers` has the rest.

Bulk bodies are decoded and checked row by row by the library (a bad row must not sink its batch), so these models
describe; they do not validate.
"""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from recommendation.catalogue import drops
from recommendation.catalogue.games import MAX_SIMILAR, MAX_TAGS, MAX_TITLE
from recommendation.database.idempotency import MAX_KEY_CHARACTERS
from recommendation.ids import ID_RULE, MAX_ID_CHARACTERS, is_id
from recommendation.interactions.events import MAX_BATCH
from recommendation.lists import first_party
from recommendation.lists.first_party import MAX_REASON
from recommendation.regeneration.store import MAX_SHARDS
from recommendation.weights import MAX_QUANTITY


def _checked(value: str) -> str:
    if not is_id(value):
        raise ValueError(f"should be {ID_RULE}")
    return value


_ID_PATTERN = r"^[^/\x00-\x1f\x7f]+$"


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS), AfterValidator(_checked)]


UserId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARACTERS, description=ID_RULE), AfterValidator(_checked)]


GameId = UserId


EventId = UserId


Tag = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]


Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


CREATE_GAMES = "take games that are not known yet, and make them known; without it they are refused for everyone"


SOURCE_RULE = "`editorial`, or `rule:` and a name of 1 to 64 letters, digits and `._-`"


Source = Annotated[str, Path(description=SOURCE_RULE)]


class Strict(BaseModel):
    """Refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")


class InteractionIn(Strict):
    """One event."""

    user_id: Id
    game_id: Id
    event_type: str = Field(description="purchased, played, wishlisted, clicked, viewed, refunded, or one of your own")
    quantity: float = Field(1, ge=0, le=MAX_QUANTITY, description="0 only where it makes a game owned, or ends that")
    occurred_at: Moment | None = None
    event_id: Id | None = None


class FeedbackIn(Strict):
    """What a user did with an item of a list."""

    user_id: Id
    game_id: Id
    action: Literal["clicked", "wishlisted", "purchased", "dismissed", "shown"] = Field(
        description="`shown` counts that the user saw the item, and changes no list"
    )
    source: str | None = Field(None, description="source of the item, as it was listed")
    model_version: str | None = None
    occurred_at: Moment | None = None
    event_id: Id | None = None


class RecommendationIn(Strict):
    """A recommendation of the shop's own."""

    user_id: Id | None = Field(None, description="absent: for everyone")
    game_id: Id
    score: float
    source: str = Field(pattern=r"^(editorial|rule:[A-Za-z0-9._-]{1,64})$", description=SOURCE_RULE)
    reason: str | None = Field(None, max_length=MAX_REASON)
    position: int | None = Field(None, ge=1, le=first_party.LAST_PLACE)
    expires_at: Moment | None = None


class OwnPlaceIn(Strict):
    """What the shop says of one game in a list of its own."""

    score: float | None = Field(0, ge=-1e9, le=1e9, description="the highest stands first")
    reason: str | None = Field(None, min_length=1, max_length=MAX_REASON)
    position: int | None = Field(None, ge=1, le=first_party.LAST_PLACE, description="the place it is pinned to")
    expires_at: Moment | None = Field(None, description="refused where it has passed")
    create_games: bool | None = Field(False, description=CREATE_GAMES)


class OwnItemIn(Strict):
    """One item of a list of the shop's own."""

    game_id: Id
    score: float | None = Field(0, ge=-1e9, le=1e9, description="the highest stands first")
    reason: str | None = Field(None, min_length=1, max_length=MAX_REASON)
    position: int | None = Field(None, ge=1, le=first_party.LAST_PLACE, description="the place it is pinned to")
    expires_at: Moment | None = Field(None, description="refused where it has passed")


class OwnListIn(Strict):
    """A whole list of the shop's own."""

    items: list[OwnItemIn]
    create_games: bool | None = Field(False, description=CREATE_GAMES)


MAX_CURSOR = 16_000


class PageIn(Strict):
    """Which part of a list is wanted."""

    limit: int | None = Field(20, ge=1, le=100, description="places on a page")
    exclude: list[str] | None = Field(None, max_length=1000, description="games to leave out")
    source: list[str] | None = Field(None, max_length=100, description="sources to keep")
    tag: list[Tag] | None = Field(None, max_length=100, description="tags of which a game should have one")
    exclude_tag: list[Tag] | None = Field(None, max_length=100, description="tags of which a game should have none")


class ReadListsIn(PageIn):
    """Whose lists are wanted."""

    users: list[Id] = Field(min_length=1, max_length=500)


class RecommendIn(PageIn):
    """A basket: what each game in it weighs, as a purchase weighs 5 and a view 0.3."""

    games: dict[Id, Annotated[float, Field(gt=0, le=1_000_000)]] = Field(
        min_length=1, max_length=500, json_schema_extra={"example": {"g-17": 1, "g-202": 2.5}}
    )
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the next_cursor of the page before")


class GameIn(Strict):
    """What the shop says of a game."""

    game_id: Id
    title: str | None = Field(None, max_length=MAX_TITLE)
    tags: list[Id] | None = Field(None, max_length=MAX_TAGS)
    released_at: Moment | None = None
    available: bool = True
    similar_to: list[Id] | None = Field(None, max_length=MAX_SIMILAR)


class DropGameIn(Strict):
    """A game of a drop."""

    game_id: Id
    title: str | None = Field(None, max_length=MAX_TITLE)
    tags: list[Id] | None = Field(None, max_length=MAX_TAGS)
    similar_to: list[Id] | None = Field(None, max_length=MAX_SIMILAR)


class PlacementIn(Strict):
    """Where a drop's games stand in lists, and for how long."""

    slots: int | None = Field(2, ge=1, le=drops.LAST_PLACE)
    first_position: int | None = Field(
        3, ge=1, le=drops.LAST_PLACE, description=f"first_position + slots is at most {drops.LAST_PLACE + 1}"
    )
    duration_days: int | None = Field(14, ge=1, le=drops.MAX_DAYS)


class AudienceIn(Strict):
    """Whom a regeneration reaches; everyone where nothing is said."""

    active_within_days: int | None = Field(None, ge=1, le=drops.MAX_ACTIVE_DAYS)


class DropIn(Strict):
    """A release."""

    name: str = Field(min_length=1, max_length=drops.MAX_NAME)
    games: list[DropGameIn] = Field(min_length=1, max_length=drops.MAX_GAMES)
    created_at: Moment
    release_time: Moment | None = Field(None, description="absent: released with its creation")
    generation: int | None = Field(1, ge=1)
    placement: PlacementIn | None = None
    audience: AudienceIn | None = None


class RegenerationIn(Strict):
    """New lists for many users."""

    drop_uid: Id | None = None
    audience: AudienceIn | None = None
    shards: int = Field(1, ge=1, le=MAX_SHARDS)
    replaces: Id | None = None


class FailIn(Strict):
    """Shards that failed for good."""

    failed_shards: list[Annotated[int, Field(ge=0, le=MAX_SHARDS - 1)]]


class ProblemOut(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    code: str
    detail: str


def _problem(text: str) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/ProblemOut"}
    return {"description": text, "content": {"application/problem+json": {"schema": reference}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _problem("Malformed"),
    401: _problem("A key is needed"),
    403: _problem("The key may not do this"),
    404: _problem("Nothing there"),
    405: _problem("The path takes other methods; Allow names them all"),
    408: _problem("The body did not arrive in time"),
    409: _problem("Not now; the detail says what to do first"),
    413: _problem("Too large"),
    415: _problem("Without keys: the body does not say that it is JSON"),
    422: _problem("Not usable; sending it again will not help"),
    429: _problem("Too many at once; Retry-After says when to come back"),
    500: _problem("A fault of ours; the log has it under the request's id"),
    503: _problem("The database is away, or too many reads came at once; Retry-After says when to come back"),
}


RETRIED: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS, "pattern": "^[ -~]+$"},
            "description": "the same key replays the stored answer instead of doing the work again",
        }
    ]
}
"""What a route that may be sent again says of it."""


BATCH_OPTIONS = {
    "mode": {"type": "string", "enum": ["merge", "replace"], "default": "merge"},
    "create_games": {"type": "boolean", "default": False, "description": CREATE_GAMES},
}


def bulk(
    name: str, row: type[BaseModel], answer: type[BaseModel], others: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a route with a bulk body says of itself: one object, an array, or an envelope."""
    one = row.model_json_schema(ref_template="#/components/schemas/{model}")
    one.pop("$defs", None)
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_BATCH}
    envelope = {
        "type": "object",
        "properties": {name: many, **(others or {})},
        "required": [name],
        "additionalProperties": False,
    }
    body = {"required": True, "content": {"application/json": {"schema": {"anyOf": [envelope, many, one]}}}}
    return {
        "responses": {**PROBLEMS, 200: {"model": answer}},
        "openapi_extra": {"requestBody": body, **RETRIED},
    }


def one(body: type[BaseModel]) -> dict[str, Any]:
    """Return what a route says of a body that is one object."""
    schema = _inlined(body.model_json_schema(ref_template="#/components/schemas/{model}"))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put the definitions that a schema refers to in their places; FastAPI collects only those of its own models."""
    definitions = schema.pop("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            return put(definitions[name]) if name in definitions else {key: put(value) for key, value in node.items()}
        return [put(value) for value in node] if isinstance(node, list) else node

    found: dict[str, Any] = put(schema)
    return found
