"""
A batch process that ends or stops itself at a place that is told.

`train STAGE SIGNAL`, `regenerate ID SHARD BLOCKS PLACE`, or a whole batch command: `command STAGE SIGNAL ARGUMENT...`.
`import ROWS FILE` imports in pieces so small that it can be killed between them.
"""

import os
import signal
from collections.abc import Sequence
from typing import Any

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.lists.personal import ListSettings
from recommendation.regeneration import shard as regeneration
from recommendation.settings import load_settings
from recommendation.training import models
from recommendation.training import train as training


def train(database: Database, place: str, number: int) -> None:
    def report(stage: str) -> None:
        if stage == place:
            os.kill(os.getpid(), number)

    if place == "before commit":
        publish = models.publish

        def publish_and_die(*arguments: Any) -> None:
            publish(*arguments)
            os.kill(os.getpid(), number)

        models.publish = publish_and_die
    if place == "before files":
        training.write_copies = lambda *_: os.kill(os.getpid(), number)
    outcome = training.train(database, load_settings(), SteadyClock(), None, report)
    print(outcome.state, outcome.reason, flush=True)


def regenerate(database: Database, name: str, shard: str, blocks: str, place: str) -> None:
    left = [int(blocks)]
    regeneration.USERS_AT_ONCE = 3

    def one_less(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if place == "inside":
        advance = regeneration.advance_shard

        def advance_and_die(*arguments: Any) -> bool:
            moved = advance(*arguments)
            one_less()
            return moved

        regeneration.advance_shard = advance_and_die
    report = one_less if place == "between" else lambda _: None
    regeneration.regenerate_shard(database, name, int(shard), ListSettings(10), 10**9, SteadyClock(), report)


def command(place: str, number: int, arguments: list[str]) -> int:
    """Carry out a batch command; at a stage of its training it sends itself a signal."""
    from recommendation_jobs import __main__, train

    whole = train.train

    def train_and_signal(database: Any, settings: Any, clock: Any, run: Any, report: Any, *others: Any) -> Any:
        def report_and_signal(stage: str) -> None:
            report(stage)
            if stage == place:
                os.kill(os.getpid(), number)

        return whole(database, settings, clock, run, report_and_signal, *others)

    train.train = train_and_signal
    return __main__.main(arguments)


def import_in_pieces(rows: int, file: str) -> int:
    """Import a file, so many rows a chunk."""
    from recommendation_jobs import __main__, runs, source

    source.CHUNK_ROWS, source.RUN_ROWS, source.PART_PAIRS, runs._BATCH_ROWS = rows, 5 * rows, rows, 5
    return __main__.main(["import", file])


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; return an exit code."""
    if arguments[0] == "import":
        return import_in_pieces(int(arguments[1]), arguments[2])
    if arguments[0] == "command":
        return command(arguments[1], int(arguments[2]), list(arguments[3:]))
    opened = Database(load_settings().database_url)
    if arguments[0] == "train":
        train(opened, arguments[1], int(arguments[2]))
    else:
        regenerate(opened, *arguments[1:])
    return 0
