"""A sweep as its parent runs it: what it has open, that nobody else runs it, and what its jobs will be.

It is imported with every command, so it imports nothing heavy itself.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from elbolab.config.composing import check_folder
from elbolab.runs.sweep_dir import SWEEP, Job, Sweep, check_same, write_sweep

OF_HYDRA = "multirun.yaml"
"""Written by Hydra before it looks at the jobs."""

REFUSED = {SWEEP, OF_HYDRA, ".lock", ".study.lock"}
"""All that the directory of a sweep holds in which no job has begun."""

WITHIN = ("basic", "joblib", "ray")
"""Launchers whose jobs run within a process of the command: they write to its terminal, and would tear a live table."""


SWEEP_REFUSED = (
    "this is a sweep of many runs, and elbolab.train makes one: call it for each of them, or run the sweep in a shell "
    "with elbolab train -m"
)


@final
class Refused(BaseException):
    """Carries an error out of a callback of Hydra's, which turns an Exception into a warning."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Running(NamedTuple):
    """What this process has open while Hydra runs.

    Attributes:
        sweeps: the sweep, once it has begun.
        warm: what calls a function in a process that has made the imports already, where there is one.
        shown: what is closed when the jobs have ended.
        stack: what is closed at last, however it ends.
        alone: whether a sweep is refused: the caller wants one run.
    """

    sweeps: list[Sweep]
    warm: list[Callable[[Callable[[], str]], str]]
    shown: ExitStack
    stack: ExitStack
    alone: bool = False


RUNNING: ContextVar[Running] = ContextVar("RUNNING")
"""Hydra makes the callbacks and launchers, and hands nothing from one to the other."""


@contextmanager
def running(*, alone: bool = False) -> Iterator[Running]:
    """For the time in which Hydra runs, and a sweep is summed up."""
    with ExitStack() as stack, ExitStack() as shown:
        now = Running([], [], shown, stack, alone)
        token = RUNNING.set(now)
        stack.callback(RUNNING.reset, token)
        yield now


@final
class Watch(Callback):
    """Opens a sweep before any of its jobs begins. It has no state: launchers send it into other processes."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuses the directory of another sweep; then describes this one in it, and watches it."""
        from elbolab.sweeps.watching import watching

        now = RUNNING.get()
        try:
            if now.alone:
                raise ValueError(SWEEP_REFUSED)
            check_folder(config.hydra)
            sweep = now.stack.enter_context(opened(config))
            live = str(config.hydra.runtime.choices.get("hydra/launcher")) not in WITHIN
            now.shown.enter_context(watching(sweep, live=live))
            now.sweeps.append(sweep)
        except Exception as error:
            raise Refused(error) from error


@contextmanager
def opened(config: DictConfig) -> Iterator[Sweep]:
    """The sweep of a composed command, kept to this process; a search is kept to itself, by all of its workers.

    Raises:
        ValueError: its directory is that of another sweep.
        BlockingIOError: another process runs it.
        OSError: the directory cannot be written.
    """
    folder, jobs = Path(config.hydra.sweep.dir).absolute(), expanded(config)
    check_same(folder, jobs)
    with _kept(_writable(folder)) if jobs else nullcontext():  # the workers of a search keep its trials apart
        is_new = write_sweep(folder, jobs, config)
        with _taken_back(folder) if is_new else nullcontext():
            yield Sweep(folder, jobs)


@contextmanager
def _taken_back(folder: Path) -> Iterator[None]:
    """Takes away the description of a sweep that is refused before any job begins: the directory stays free."""
    try:
        yield
    except Exception:
        if {path.name for path in folder.iterdir()} <= REFUSED:
            for name in (SWEEP, OF_HYDRA):
                (folder / name).unlink(missing_ok=True)
            _remove_if_empty(folder)
        raise


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Keeps a sweep to this process."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=0):
            try:
                yield
            finally:
                (folder / ".lock").unlink(missing_ok=True)
                _remove_if_empty(folder)
    except Timeout:
        raise BlockingIOError(f"another process runs the sweep in {folder}: wait for it, or end it") from None


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"hydra.sweep.dir={folder}: it cannot be made ({error.strerror}); choose another") from error
    return folder


def expanded(config: DictConfig) -> list[Job]:
    """The jobs of Hydra's own sweeper, numbered as it numbers them; none of another's, which chooses as it goes.

    Raises:
        HydraException: an override that it cannot expand.
        ValueError: ``hydra.sweep.subdir`` is not the number of the job.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    subdir = OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"]  # type: ignore[index,call-overload]
    if subdir != "${hydra.job.num}":
        raise ValueError(f"hydra.sweep.subdir={subdir}: a job's directory is its number, by which it is found again")
    if not str(config.hydra.sweeper._target_).endswith(f".{BasicSweeper.__name__}"):
        return []
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    overrides = parser.parse_overrides([*params, *config.hydra.overrides.task])
    (batch,) = BasicSweeper.split_arguments(overrides, None)
    return [Job(num, list(words)) for num, words in enumerate(batch)]
