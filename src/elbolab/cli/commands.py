"""Sub-commands by name.

`train`, `evaluate` and `sample` compose `conf/NAME.yaml`; the module of that name holds the task of that name.
"""

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from elbolab.cli.arguments import directory_overrides, flags_first, quote_paths
from elbolab.cli.paths import config_dir


def run_command(command: str, args: list[str]) -> None:
    """Runs a sub-command.

    Raises:
        Exception: whatever went wrong; `errors.report` turns it into a message.
    """
    if command == "list":
        from elbolab.cli.listing import print_choices

        print_choices(args)
    elif command in ("completion", "_complete"):
        from elbolab.cli.completion import complete, print_script

        (complete if command == "_complete" else print_script)(args)
    elif command == "compare":
        from elbolab.cli.compare import print_comparison

        print_comparison(args)
    else:
        _run_hydra_command(command, args)


def _run_hydra_command(command: str, args: list[str]) -> None:
    """Hydra reads `sys.argv`, and raises instead of printing when HYDRA_FULL_ERROR is set."""
    from hydra import main as hydra_main

    args = flags_first(args)
    _import_from_here(args)
    os.environ["HYDRA_FULL_ERROR"] = "1"
    swept = any(arg in ("-m", "--multirun") for arg in args)
    added = directory_overrides(command, args)
    sys.argv = [sys.argv[0], *(args if swept else quote_paths(args)), *added]
    failures: list[BaseException] = []
    hydra_main(version_base="1.3", config_path=str(config_dir()), config_name=command)(_task(command, failures))()
    if failures:
        raise failures[0]


def _task(command: str, failures: list[BaseException]) -> Callable[[Any], Any]:
    """What Hydra calls with the composed config. Only then is anything heavy imported: a misspelt word answers at once.

    An error of a single run is kept for one clear message, because Hydra would print its own before it.
    """

    def task(cfg: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        quiet_libraries()
        hydra = HydraConfig.get()
        try:
            return getattr(import_module(f"elbolab.cli.{command}"), command)(cfg)
        except Exception as error:
            if hydra.mode is not RunMode.RUN:
                raise
            _abandon(Path(hydra.runtime.output_dir))
            failures.append(error)

    return task


def _abandon(folder: Path) -> None:
    """Removes the directory of a run that failed before it began: it holds nothing but a log."""
    if {path.name for path in folder.iterdir()} <= {"log.txt"}:
        shutil.rmtree(folder)
        for parent in folder.parents:
            if parent == Path.cwd() or any(parent.iterdir()):
                break
            parent.rmdir()


def _import_from_here(args: list[str]) -> None:
    """Lets configs name modules of the current folder and of ``--config-dir``."""
    folders = [Path.cwd()]
    for i, arg in enumerate(args):
        if arg in ("--config-dir", "-cd") and i + 1 < len(args):
            folders.append(Path(args[i + 1]).resolve())
        elif arg.startswith("--config-dir="):
            folders.append(Path(arg.partition("=")[2]).resolve())
    sys.path[:0] = [str(folder) for folder in folders if str(folder) not in sys.path]


def quiet_libraries() -> None:
    """Hands Lightning's messages to Hydra's log once, and drops advice that does not hold for resident blocks."""
    import lightning  # noqa: F401 -- importing it adds the handler that is taken away here

    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    for advice in (".*does not have many workers.*", ".*The number of training batches.*", ".*Checkpoint directory.*"):
        warnings.filterwarnings("ignore", advice)
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")  # Lightning 2.6.6 on torch 2.15
