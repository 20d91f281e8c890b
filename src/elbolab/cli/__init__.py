"""The command line: it composes what the other layers built. Heavy imports wait until a command needs them."""

import os
import sys
from errno import EPIPE

from elbolab.cli.usage import COMMANDS, HIDDEN, usage

PIPE_CLOSED = 141
"""As shells report a process whose reader has gone: `elbolab list | head -3`."""


def main() -> None:
    """The console script."""
    from elbolab.common.terminal import Unwritten, prepare_output

    prepare_output()
    try:
        _main()
        sys.stdout.flush()
    except Unwritten as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == EPIPE:
            sys.exit(PIPE_CLOSED)
        print(f"error: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _main() -> None:
    args = sys.argv[1:]
    verbose = "-v" in args
    args = [a for a in args if a != "-v"]
    command = _take_command(args)
    if command is None:
        return
    from elbolab.cli.commands import run_command
    from elbolab.cluster.requeue import requeue_on_signals
    from elbolab.common.stopping import catch_sigterm
    from elbolab.common.terminal import Unwritten
    from elbolab.config.errors import report

    try:
        with catch_sigterm(), requeue_on_signals():
            os.environ["ELBOLAB_COMMAND"] = command
            run_command(command, args)
    except Unwritten:
        raise
    except BaseException as error:  # Ctrl-C reaches us as SystemExit from Lightning
        sys.exit(report(error, verbose=verbose, argv=[command, *args]))


def _take_command(args: list[str]) -> str | None:
    """The sub-command, taken off ``args``; None when its text was printed here.

    Lightning starts the other ranks of a DDP run with the arguments of the first, without the sub-command.
    """
    if "LOCAL_RANK" in os.environ and "ELBOLAB_COMMAND" in os.environ and (not args or args[0] not in COMMANDS):
        return os.environ["ELBOLAB_COMMAND"]
    if not args or args[0] in ("-h", "--help", "help"):
        print(usage())
        return None
    if args[0] == "--version":
        from importlib.metadata import version

        print(version("elbolab"))
        return None
    if args[0] in COMMANDS or args[0] in HIDDEN:
        return args.pop(0)
    from difflib import get_close_matches

    near = get_close_matches(args[0], COMMANDS, n=1, cutoff=0.4) or ["train"]
    print(f"error: elbolab has no command '{args[0]}'; did you mean 'elbolab {near[0]}'?", file=sys.stderr)
    sys.exit(2)
