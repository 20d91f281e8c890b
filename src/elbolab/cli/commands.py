"""Sub-commands by name.

`train`, `evaluate`, `sample`, `encode`, `fit-prior`, `benchmark` and `dashboard` compose `conf/NAME.yaml`; the module
of that name holds the task of that name.
"""

import logging
import os
import shutil
import sys
import warnings
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from elbolab.cli.drawing_folder import settle_drawing_folder
from elbolab.cli.usage import COMMANDS, OPTIONS
from elbolab.common.stopping import Stopped, stop_of
from elbolab.common.terminal import prepare_output, unattended
from elbolab.config.arguments import (
    add_stages,
    check_dashes,
    directory_overrides,
    is_multirun,
    put_flags_first,
    quote_values,
)
from elbolab.config.listing import split_args
from elbolab.config.paths import COMPOSES, config_dir

if TYPE_CHECKING:
    from elbolab.sweeps.session import Session


PLAIN = {
    "list": "cli.listing:print_listing",
    "runs": "report.table:print_runs",
    "report": "report:print_report",
    "compare": "report.compare:print_comparison",
    "published": "report.published:print_published",
    "wandb-sweep": "cli.wandb_sweep:print_sweep",
    "_job": "cli.job:run_one",
    "completion": "cli.completion:print_script",
    "_complete": "cli.completion:complete",
}
"""Commands that compose no configuration of their own: the function that takes their arguments, by module."""

WITHOUT_FIGURES = {"list", "runs", "report", "wandb-sweep", "sbatch", "completion", "_complete"}
"""Commands that draw nothing, and import no matplotlib."""

WAY_ON = "elbolab train resume={}"
"""How a run is resumed on the command line."""

SHOW = {"-h", "--help", "--hydra-help", "-c", "--cfg", "-i", "--info", "--version", "-sc", "--shell-completion"}
"""Flags with which Hydra prints something and runs nothing."""


def run_command(command: str, args: list[str]) -> None:
    """Runs a sub-command; `errors.report` turns whatever goes wrong into a message."""
    import_from_here(args)
    if command not in WITHOUT_FIGURES:
        settle_drawing_folder()
    if command in (*PLAIN, "sbatch") and {"-h", "--help"} & set(args):
        print(f"elbolab {command}: {COMMANDS[command]}{OPTIONS.get(command, '')}")
    elif command in PLAIN:
        module, _, function = PLAIN[command].partition(":")
        getattr(import_module(f"elbolab.{module}"), function)(args)
    elif command == "sbatch":
        _write_script(args)
    else:
        run_task(COMPOSES.get(command, command), args)


def _write_script(args: list[str]) -> None:
    """Of a sweep as its launcher, for a single run without Hydra's own."""
    if is_multirun(args):
        run_task("train", [*args, "hydra/launcher=sbatch"])
    else:
        from elbolab.cluster.script import write_run_script

        write_run_script(quote_values(add_stages(args)))


def run_task(command: str, args: list[str], *, alone: bool = False, way_on: str = WAY_ON) -> "CommandTask":
    """Has Hydra compose a configuration and run its task, or the jobs of a sweep.

    Hydra reads `sys.argv`, and raises instead of printing when HYDRA_FULL_ERROR is set.

    Args:
        command: the sub-command.
        args: its arguments.
        alone: refuse a sweep.
        way_on: how a run is resumed, for the message of one that is stopped.

    Returns:
        The task, which knows the directory of a single run.
    """
    from elbolab.report.of_sweep import Comparison
    from elbolab.sweeps.session import CallbackError, open_session
    from elbolab.sweeps.summary import summarise

    args = put_flags_first(add_stages(args) if command == "train" else args)
    only_shows = bool(SHOW & {arg.partition("=")[0] for arg in args})
    os.environ["HYDRA_FULL_ERROR"] = "1"
    added = directory_overrides(command, args)
    sys.argv = [sys.argv[0], *quote_values(args), *added]
    task = CommandTask(command, way_on)
    warnings.filterwarnings("ignore", "(?s).*is validated against ConfigStore schema")  # of a plugin: so it should be
    try:
        with nullcontext() if only_shows else unattended(), open_session(allows_sweep=not alone) as session:
            _run_hydra(task, session)
            summarise(session, [command, *args], Comparison)
    except CallbackError as carrier:
        raise carrier.error from carrier.error.__cause__
    if task.failures:
        raise task.failures[0]
    return task


def _run_hydra(task: "CommandTask", session: "Session") -> None:
    """Hydra, and for a sweep that it begins the word on how to go on, should somebody stop it."""
    from hydra import main as hydra_main

    from elbolab.report.of_sweep import Comparison
    from elbolab.sweeps.summary import Unfinished, command_to_continue, stop, summarise

    try:
        hydra_main(version_base="1.3", config_path=str(config_dir()), config_name=task.command)(task)()
    except (KeyboardInterrupt, SystemExit) as error:
        reason = stop_of(error)
        if reason is None or session.sweep is None:
            raise
        stopped = Stopped(reason, f"; go on with: {command_to_continue(session.sweep, [task.command, *sys.argv[1:]])}")
        stop(session)
        raise stopped from error
    except Exception:
        if session.sweep is not None and session.sweep.has_begun():  # or it was refused, and the error says why
            with suppress(Unfinished):
                summarise(session, [task.command, *sys.argv[1:]], Comparison)
        raise


@final
@dataclass
class CommandTask:
    """What Hydra calls with the composed config. Only then is anything heavy imported: a misspelt word answers at once.

    Attributes:
        command: the sub-command.
        way_on: how a run is resumed, for the message of one that is stopped; ``{}`` stands for its directory.
        failures: the error of a single run, kept for one clear message: Hydra would print its own before it.
        folder: the directory of the run, once it has begun.
    """

    command: str
    way_on: str = WAY_ON
    failures: list[Exception] = field(default_factory=list)
    folder: Path | None = None

    @property
    def module(self) -> str:
        """The module that does the work; workers of a sweep import it ahead of their jobs."""
        return f"elbolab.cli.{self.command}"

    def __call__(self, cfg: Any) -> Any:
        """Runs the command in the current directory of Hydra; a job of a sweep returns its monitored value."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from elbolab.config.compose import check_working_folder

        prepare_output()  # here too: a launcher may have begun this process
        hydra = HydraConfig.get()
        folder, swept = Path(hydra.runtime.output_dir), hydra.mode is not RunMode.RUN
        self.folder = folder
        overrides = list(hydra.overrides.task)
        try:
            with unattended():
                check_working_folder(hydra)
                if not (swept and self.command == "train"):
                    return _check_and_run(self.command, cfg, overrides)
                from elbolab.sweeps.job import run_unless_done

                return run_unless_done(lambda: _check_and_run(self.command, cfg, overrides), folder, cfg, overrides)
        except (KeyboardInterrupt, SystemExit) as error:
            _remove_empty_run(folder)
            raise self._stop_with_way_on(error, folder) from error
        except Exception as error:
            _remove_empty_run(folder)
            if swept:
                raise
            self.failures.append(error)

    def _stop_with_way_on(self, error: BaseException, folder: Path) -> BaseException:
        """The stop with the run that can go on, if one has begun; any other exit, and one that says more, as it is."""
        stop = stop_of(error)
        if stop is None or isinstance(error, Stopped):
            return error
        begun = self.command == "train" and (folder / "config.yaml").is_file()
        return Stopped(stop, f"; go on with: {self.way_on.format(folder)}" if begun else None)


def _check_and_run(command: str, cfg: Any, overrides: list[str]) -> Any:
    """Runs the command of that name once the types of all values are right."""
    quiet_libraries()
    check_config(command, cfg, overrides)
    return getattr(import_module(f"elbolab.cli.{command}"), command)(cfg)


def check_config(command: str, cfg: Any, overrides: list[str]) -> None:
    """Refuses keys that nothing reads, option files that lack a line, and values of other types than are wanted."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from elbolab.config.compose import config_folders
    from elbolab.config.own_options import check_densities, check_own_options
    from elbolab.config.suggest import check_added
    from elbolab.config.values import check_values

    dirs = config_folders()
    check_added(overrides, dirs)
    if command == "train":
        check_own_options(cfg, HydraConfig.get().runtime.choices, overrides, dirs)
        check_densities(cfg, overrides, dirs)
    check_values(cfg, OmegaConf.load(config_dir() / f"{command}.yaml"))  # type: ignore[arg-type]


def _remove_empty_run(folder: Path) -> None:
    """Removes the directory of a run that failed before it began: it holds nothing but a log. The error tells more."""
    with suppress(OSError):  # it is gone, or of a disk that nobody can write to, or where a disk is mounted
        if {path.name for path in folder.iterdir()} <= {"log.txt"}:
            shutil.rmtree(folder)
            for parent in folder.parents:
                if parent == Path.cwd() or any(parent.iterdir()):
                    break
                parent.rmdir()


def import_from_here(args: list[str]) -> None:
    """Lets configs name modules of the current folder and of ``--config-dir``."""
    check_dashes(args)
    folders = [Path.cwd(), *(folder.resolve() for folder in split_args(args)[0][1:])]
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"--config-dir: there is no folder {folder}")
    sys.path[:0] = [str(folder) for folder in folders if str(folder) not in sys.path]


def quiet_libraries() -> None:
    """Hands Lightning's messages to Hydra's log once, and drops advice that does not hold for resident blocks."""
    import lightning  # noqa: F401 -- importing it adds the handler that is taken away here

    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)  # it tells when it lists a machine's fonts
    for advice in (
        *("does not have many workers", "The number of training batches", "Checkpoint directory"),
        "The `srun` command is available",  # who trains on a login node means to
        "in eval mode at the start of training",  # a frozen stage is
        "isinstance.treespec, LeafSpec",  # Lightning 2.6.6 on torch 2.15
    ):
        warnings.filterwarnings("ignore", f".*{advice}.*")
