"""
`recs completion SHELL`: prints a script that completes commands, options and files.

The script is made once, by shtab: completing asks Python for nothing, while argcomplete would start it, and import
what the commands need, at each press of the key.
"""

import argparse
from contextlib import suppress

from recommendation_cli import serve

EXTRA = "jobs"

EXAMPLES = """  recs completion bash > ~/.local/share/bash-completion/completions/recs
  recs completion zsh > ~/.zfunc/_recs"""

SHELLS = ("bash", "zsh", "fish", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    print(shtab.complete(_whole_parser(), options.shell))
    return 0


def _whole_parser() -> argparse.ArgumentParser:
    """Return a parser of all commands with all their arguments; of a missing extra the commands' names are left."""
    from recommendation_jobs.commands import COMMANDS, FILE_COMMANDS, add_command_arguments

    parser = argparse.ArgumentParser(prog="recs")
    parser.add_argument("--version", action="version")
    parser.add_argument("--env-file", metavar="FILE")
    commands = parser.add_subparsers()
    for name, (_, text) in (COMMANDS | FILE_COMMANDS).items():
        add_command_arguments(name, commands.add_parser(name, help=text))
    serve.add_arguments(commands.add_parser("serve", help="answer HTTP requests"))
    add_arguments(commands.add_parser("completion", help="print a script that completes commands"))
    migrate = commands.add_parser("migrate", help="bring the database to this release's schema")
    with suppress(ModuleNotFoundError):
        from recommendation.migrate import add_arguments as add_migrate_arguments

        add_migrate_arguments(migrate)
    for each in (parser, *commands.choices.values()):
        _complete_files(each)
    return parser


def _complete_files(parser: argparse.ArgumentParser) -> None:
    import shtab

    for action in parser._actions:
        if isinstance(action.metavar, str) and action.metavar.startswith(("FILE", "OUT", "DIR")):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab looks for it
