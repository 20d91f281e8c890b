"""A sweep as the command that runs it: what it has open, that nobody else runs it, and what its jobs will be.

It is imported with every command, so it imports nothing heavy itself.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from elbolab.config.compose import check_working_folder
from elbolab.runs.sweep_dir import SWEEP, Job, Sweep, check_same, write_sweep

DESCRIPTIONS = (SWEEP, "multirun.yaml")
"""Files that describe a sweep; Hydra writes the second before it looks at the jobs."""

LAUNCHERS_WITHIN = ("basic", "joblib", "ray")
"""Launchers whose jobs run within a process of the command: they write to its terminal, and would tear a live table."""

SWEEP_REFUSED = (
    "this is a sweep of many runs, and elbolab.train makes one: call it for each of them, or run the sweep in a shell "
    "with elbolab train -m"
)


@final
class CallbackError(BaseException):
    """Carries an error out of a callback of Hydra's, which turns an Exception into a warning."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@final
@dataclass
class Session:
    """What this process has open while Hydra runs."""

    display: ExitStack  # shows the jobs; closed when they have ended
    stack: ExitStack  # closed at last, however it ends
    allows_sweep: bool  # False where the caller wants one run
    sweep: Sweep | None = None  # once it has begun
    call_warm: Callable[[Callable[[], str]], str] | None = None  # in a process that has made the imports already


SESSION: ContextVar[Session] = ContextVar("SESSION")
"""Hydra makes the callbacks and launchers, and hands nothing from one to the other."""


@contextmanager
def open_session(*, allows_sweep: bool = True) -> Iterator[Session]:
    """For the time in which Hydra runs, and a sweep is summed up."""
    with ExitStack() as stack, ExitStack() as display:
        session = Session(display, stack, allows_sweep)
        token = SESSION.set(session)
        stack.callback(SESSION.reset, token)
        yield session


@final
class Watch(Callback):
    """Opens a sweep before any of its jobs begins. It has no state: launchers send it into other processes."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuses the directory of another sweep; then describes this one in it, and shows its jobs."""
        from elbolab.sweeps.live_table import show_jobs

        session = SESSION.get()
        try:
            if not session.allows_sweep:
                raise ValueError(SWEEP_REFUSED)
            check_working_folder(config.hydra)
            sweep = session.stack.enter_context(open_sweep(config))
            is_live = config.hydra.runtime.choices.get("hydra/launcher") not in LAUNCHERS_WITHIN
            session.display.enter_context(show_jobs(sweep, live=is_live))
            session.sweep = sweep
        except Exception as error:
            raise CallbackError(error) from error


@contextmanager
def open_sweep(config: DictConfig) -> Iterator[Sweep]:
    """The sweep of a composed command, kept to this process; a search may be shared, and its workers share out trials.

    Where it is refused before any job begins, its directory is left free.

    Raises:
        ValueError: its directory is that of another sweep.
        BlockingIOError: another process runs it.
        OSError: the directory cannot be written.
    """
    folder, jobs = Path(config.hydra.sweep.dir).absolute(), expand_jobs(config)
    check_same(folder, jobs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"hydra.sweep.dir={folder}: it cannot be made ({error.strerror}); choose another") from error
    with _lock(folder) if jobs else nullcontext():
        is_new = write_sweep(folder, jobs, config)
        try:
            yield Sweep(folder, jobs)
        except Exception:
            if is_new and {path.name for path in folder.iterdir()} <= {*DESCRIPTIONS, ".lock", ".study.lock"}:
                for name in DESCRIPTIONS:
                    (folder / name).unlink(missing_ok=True)
                _remove_if_empty(folder)
            raise


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
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


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def expand_jobs(config: DictConfig) -> list[Job]:
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
        raise ValueError(
            f"hydra.sweep.subdir={subdir}: leave it out; a job is found again by its directory, which is its number"
        )
    if not str(config.hydra.sweeper._target_).endswith(f".{BasicSweeper.__name__}"):
        return []
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    overrides = parser.parse_overrides([*params, *config.hydra.overrides.task])
    (batch,) = BasicSweeper.split_arguments(overrides, None)
    return [Job(num, list(words)) for num, words in enumerate(batch)]
