"""
What the OpenAPI document says of parameters and bodies; `answers` and `problem` have the rest.

Bulk bodies are decoded and checked row by row by the library (a bad row must not sink its batch), so these models
describe; they do not validate.
"""

from typing import Annotated, Any, Literal, TypeVar

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel

from recommendation.catalogue import drops
from recommendation.catalogue.games import IMAGE_URL, MAX_IMAGE_URL, MAX_SIMILAR, MAX_TAGS, MAX_TITLE
from recommendation.database.idempotency import MAX_KEY_CHARACTERS
from recommendation.experiments.experiment import MAX_DAYS, MAX_DESCRIPTION, MOST_VARIANTS
from recommendation.experiments.read_settings import LONGEST_HALF_LIFE, MOST_PER_TAG, MOST_SHOWN_OFTEN
from recommendation.ids import ID_RULE, MAX_ID_CHARACTERS, is_id, should_be
from recommendation.interactions.events import MAX_BATCH
from recommendation.lists import asked, first_party
from recommendation.lists.first_party import MAX_REASON
from recommendation.regeneration.store import MAX_SHARDS
from recommendation.rows import MAX_WHOLE
from recommendation.weights import MAX_QUANTITY


def _checked(value: str) -> str:
    if not is_id(value):
        raise ValueError(should_be(value))
    return value


_ID_PATTERN = {"pattern": r"^(\.{0,2}[^./\x00-\x1f\x7f-\x9f]|\.{3})[^/\x00-\x1f\x7f-\x9f]*$"}
"""Most of the rule, in what every dialect of regular expressions knows; `_checked` has all of it."""


Id = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID_CHARACTERS, json_schema_extra={**_ID_PATTERN}),
    AfterValidator(_checked),
]


UserId = Annotated[
    str,
    Path(min_length=1, max_length=MAX_ID_CHARACTERS, description=ID_RULE, json_schema_extra={**_ID_PATTERN}),
    AfterValidator(_checked),
]


GameId = UserId


EventId = UserId


Tag = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]


Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


CREATE_GAMES = "take games that are not known yet, and make them known; without it they are refused for everyone"


SOURCE_RULE = "`editorial`, or `rule:` and a name of 1 to 64 letters, digits and `._-`"


SOURCES_TO_KEEP = "sources to keep: `editorial`, `rule` or `rule:` and a name, `drop`, `cf`, `popular`"


_SOURCE_PATTERN = r"^(editorial|rule:[A-Za-z0-9._-]{1,64})$"


Source = Annotated[str, Path(description=SOURCE_RULE, json_schema_extra={"pattern": _SOURCE_PATTERN})]


Named = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9A-Za-z]+$"})]
"""A name that the service gave: of a run, a model version, a regeneration."""


class Strict(BaseModel):
    """Refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")


Row = TypeVar("Row", bound=BaseModel)


Rows = Annotated[list[Row], Field(min_length=1, max_length=MAX_BATCH)]


class InteractionIn(Strict):
    """One event."""

    user_id: Id
    game_id: Id
    event_type: str = Field(description="purchased, played, wishlisted, clicked, viewed, refunded, or one of your own")
    quantity: float = Field(1, ge=0, le=MAX_QUANTITY, description="0 only where it makes a game owned, or ends that")
    occurred_at: Moment | None = None
    event_id: Id | None = None


class InteractionsIn(Strict):
    """Events in an envelope."""

    events: Rows[InteractionIn]


class InteractionsBody(RootModel[InteractionsIn | Rows[InteractionIn] | InteractionIn]):
    """Events: in an envelope, in an array, or one."""


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


class FeedbacksIn(Strict):
    """What users did in an envelope."""

    feedback: Rows[FeedbackIn]


class FeedbacksBody(RootModel[FeedbacksIn | Rows[FeedbackIn] | FeedbackIn]):
    """What users did: in an envelope, in an array, or one."""


class RecommendationIn(Strict):
    """A recommendation of the shop's own."""

    user_id: Id | None = Field(None, description="absent: for everyone")
    game_id: Id
    score: float
    source: str = Field(pattern=_SOURCE_PATTERN, description=SOURCE_RULE)
    reason: str | None = Field(None, max_length=MAX_REASON)
    position: int | None = Field(None, ge=1, le=first_party.LAST_PLACE)
    expires_at: Moment | None = None


class RecommendationsIn(Strict):
    """The shop's own recommendations in an envelope."""

    recommendations: Rows[RecommendationIn]
    mode: Literal["merge", "replace"] = "merge"
    create_games: bool = Field(False, description=CREATE_GAMES)


class RecommendationsBody(RootModel[RecommendationsIn | Rows[RecommendationIn] | RecommendationIn]):
    """The shop's own recommendations: in an envelope, in an array, or one."""


class OwnPlaceIn(Strict):
    """What the shop says of one game in a list of its own."""

    score: float | None = Field(0, ge=-1e9, le=1e9, description="the highest stands first")
    reason: str | None = Field(None, min_length=1, max_length=MAX_REASON)
    position: int | None = Field(None, ge=1, le=first_party.LAST_PLACE, description="the place it is pinned to")
    expires_at: Moment | None = Field(None, description="refused where it has passed")
    create_games: bool | None = Field(False, description=CREATE_GAMES)


class OwnPlacePreviewIn(Strict):
    """What the shop would say of one game in a list of its own, and who would read it."""

    user_id: Id
    score: float | None = Field(0, ge=-1e9, le=1e9, description="the highest stands first")
    reason: str | None = Field(None, min_length=1, max_length=MAX_REASON)
    position: int | None = Field(None, ge=1, le=first_party.LAST_PLACE, description="the place it is pinned to")
    expires_at: Moment | None = Field(None, description="refused where it has passed")


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

    limit: int | None = Field(asked.USUAL_ON_PAGE, ge=1, le=asked.MOST_ON_PAGE, description="places on a page")
    exclude: list[str] | None = Field(None, max_length=asked.MOST_EXCLUDED, description="games to leave out")
    source: list[str] | None = Field(None, max_length=asked.MOST_NAMES, description=SOURCES_TO_KEEP)
    tag: list[Tag] | None = Field(None, max_length=asked.MOST_NAMES, description="tags of which a game should have one")
    exclude_tag: list[Tag] | None = Field(
        None, max_length=asked.MOST_NAMES, description="tags of which a game should have none"
    )


class ReadListsIn(PageIn):
    """Whose lists are wanted."""

    users: list[Id] = Field(min_length=1, max_length=asked.MOST_USERS)


class RecommendIn(PageIn):
    """A basket: what each game in it weighs, as a purchase weighs 5 and a view 0.3."""

    games: dict[Id, Annotated[float, Field(gt=0, le=asked.MAX_WEIGHT)]] = Field(
        min_length=1, max_length=asked.MOST_IN_BASKET, json_schema_extra={"example": {"g-17": 1, "g-202": 2.5}}
    )
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the next_cursor of the page before")


class GameIn(Strict):
    """What the shop says of a game."""

    game_id: Id
    title: str | None = Field(None, max_length=MAX_TITLE)
    tags: list[Id] | None = Field(None, max_length=MAX_TAGS)
    released_at: Moment | None = None
    available: bool | None = Field(None, description="a new game is, unless it says false")
    similar_to: list[Id] | None = Field(None, max_length=MAX_SIMILAR)
    image_url: str | None = Field(
        None, max_length=MAX_IMAGE_URL, pattern=IMAGE_URL, description="a picture for the console, over https"
    )


class GamesIn(Strict):
    """Games in an envelope."""

    games: Rows[GameIn]


class GamesBody(RootModel[GamesIn | Rows[GameIn] | GameIn]):
    """Games: in an envelope, in an array, or one."""


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


class HoldoutIn(Strict):
    """Users whose lists hold no place of the drop, so that its lift can be measured."""

    percent: int = Field(ge=1, le=drops.MOST_HELD_BACK)


class DropIn(Strict):
    """A release."""

    name: str = Field(min_length=1, max_length=drops.MAX_NAME)
    games: list[DropGameIn] = Field(min_length=1, max_length=drops.MAX_GAMES)
    created_at: Moment
    release_time: Moment | None = Field(None, description="absent: released with its creation")
    generation: int | None = Field(1, ge=1, le=MAX_WHOLE)
    placement: PlacementIn | None = None
    audience: AudienceIn | None = None
    holdout: HoldoutIn | None = None


class RegenerationIn(Strict):
    """New lists for many users."""

    drop_uid: Id | None = None
    audience: AudienceIn | None = None
    shards: int = Field(1, ge=1, le=MAX_SHARDS)
    replaces: Id | None = None


class FailIn(Strict):
    """Shards that failed for good."""

    failed_shards: list[Annotated[int, Field(ge=0, le=MAX_SHARDS - 1)]]


Name = Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]


class ReadSettingsIn(Strict):
    """What a variant changes of how lists are read; what is absent is as the service is set."""

    drop_slots: int | None = Field(
        None,
        ge=0,
        le=drops.LAST_PLACE,
        description="places that drops take together, in place of each drop's own number",
    )
    fresh_reads: bool | None = Field(None, description="whether lists are folded in anew after each event")
    half_life_days: float | None = Field(
        None, ge=0, le=LONGEST_HALF_LIFE, description="age at which a pair counts half, 0.01 at least; 0: never"
    )
    diversity: float | None = Field(None, ge=0, le=1, description="how unlike by their tags the first games are to be")
    most_per_tag: int | None = Field(
        None, ge=0, le=MOST_PER_TAG, description="of one tag among the first; 0: any number"
    )
    shown_often: int | None = Field(
        None, ge=0, le=MOST_SHOWN_OFTEN, description="times that a game is shown in vain before it sinks; 0: none sinks"
    )
    trend: bool | None = Field(None, description="false: what is popular lately adds nothing to their scores")


class VariantIn(Strict):
    """What the users of a variant get."""

    name: Name
    share: int = Field(ge=1, le=99, description="percent of the experiment's users; all shares sum to 100")
    placement: Literal["on", "off"] | None = Field("on", description="`off`: drops get no places in their lists")
    lists: Literal["personal", "popular"] | None = Field("personal", description="`popular`: no personal lists")
    model_version: str | None = Field(
        None, pattern="^v[1-9][0-9]{0,17}$", description="a kept model, which ranks their lists; absent: the live one"
    )
    settings: ReadSettingsIn | None = None


class ExperimentIn(Strict):
    """What is compared, among whom, and when."""

    variants: list[VariantIn] = Field(
        min_length=2, max_length=MOST_VARIANTS, description="the first is the one that others are compared with"
    )
    description: str | None = Field(None, max_length=MAX_DESCRIPTION)
    layer: Name | None = Field("default", description="experiments of one layer exclude each other")
    percent: int | None = Field(100, ge=1, le=100, description="of all users; those of a layer share a hundred")
    salt: Name | None = Field(None, description="draws the users; absent: the name")
    starts_at: Moment | None = Field(None, description="absent: now, or as it was")
    ends_at: Moment | None = Field(None, description="absent: never")
    outcome: str | None = Field("purchased", description="event type that is counted")
    window_days: int | None = Field(7, ge=1, le=MAX_DAYS, description="from a user's first exposure on")
    before_days: int | None = Field(14, ge=0, le=MAX_DAYS, description="before the start: what users do anyway")
    smallest_effect_percent: int | None = Field(5, ge=1, le=1000, description="the smallest change worth finding")
    exposure: Literal["shown", "read"] | None = Field(
        "shown", description="what exposes a user: `shown` feedback, or a list that was read"
    )


class MergeIn(Strict):
    """Whose a visitor's history becomes."""

    into: Id = Field(description="the account")


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


TAGGED: dict[str, Any] = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "an ETag of an earlier answer; 304 where it is still the answer",
        }
    ]
}
"""What a route whose answer has an ETag says of it."""


def bulk(body: type[BaseModel], answer: type[BaseModel]) -> dict[str, Any]:
    """Return what a route with a bulk body says of itself."""
    return {"responses": {200: {"model": answer}}, "openapi_extra": {**one(body), **RETRIED}}


def one(body: type[BaseModel]) -> dict[str, Any]:
    """Return what a route says of its body; `openapi.document` adds the schema."""
    schema = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
