"""A sweep as its parent sees it: what its jobs are, that nobody else runs it, and what is written when it ends.

It is imported with every command, so it imports nothing heavy itself.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from elbolab.cli.files import write_json
from elbolab.cli.state import State, state_of

SWEEP = "sweep.json"

OF_HYDRA = "multirun.yaml"
"""Written by Hydra before it looks at the jobs."""

REFUSED = {SWEEP, OF_HYDRA, ".lock", ".study.lock"}
"""All that the directory of a sweep holds in which no job has begun."""

WITHIN = ("basic", "joblib", "ray")
"""Launchers whose jobs run within a process of the command: they write to its terminal, and would tear a live table."""


class Job(NamedTuple):
    """A job of a sweep.

    Attributes:
        num: its number, and the name of its directory.
        overrides: those of its command.
    """

    num: int
    overrides: list[str]


@final
class Sweep:
    """The directory of a sweep.

    Attributes:
        folder: it.
        jobs: those that are known from the start; none where a sweeper chooses them as it goes.
        conclude: what a sweeper that chooses has found, once it is over.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]) -> None:
        self.folder, self._jobs = folder, jobs
        self.conclude: Callable[[], str] = str

    @property
    def is_search(self) -> bool:
        """Whether a sweeper chooses its jobs as it goes, and several processes may share them."""
        return not self._jobs

    def jobs(self) -> list[Job]:
        """All jobs, in the order of their numbers."""
        return list(self._jobs) or _jobs_begun(self.folder)

    def states(self) -> dict[int, State]:
        """How each job stands, by its number."""
        return {job.num: self.state(job) for job in self.jobs()}

    def has_begun(self) -> bool:
        """Whether any of its jobs has."""
        return any(state.state != "waiting" for state in self.states().values())

    def state(self, job: Job) -> State:
        """How a job stands."""
        return state_of(self.folder / str(job.num))


def read_sweep(folder: Path) -> Sweep | None:
    """The sweep in a directory; None where there is none.

    Raises:
        ValueError: what describes it cannot be read.
    """
    path = folder / SWEEP
    if not path.is_file():
        return None
    try:
        return Sweep(folder, [Job(job["num"], job["overrides"]) for job in json.loads(path.read_text())["jobs"]])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no description of a sweep ({error}): choose another hydra.sweep.dir") from error


def _jobs_begun(folder: Path) -> list[Job]:
    numbers = sorted(int(path.parent.name) for path in folder.glob("*/status.json") if path.parent.name.isdigit())
    return [Job(num, list(state_of(folder / str(num)).overrides)) for num in numbers]


def swept(jobs: Sequence[Job]) -> dict[int, dict[str, str]]:
    """What tells the jobs apart, by their numbers: each key whose value is not the same in all, with its value."""
    values = {job.num: dict(_split(override) for override in job.overrides) for job in jobs}
    keys = dict.fromkeys(key for of_job in values.values() for key in of_job)
    differing = [key for key in keys if len({of_job.get(key) for of_job in values.values()}) > 1]
    return {num: {key: of_job[key] for key in differing if key in of_job} for num, of_job in values.items()}


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.lstrip("+~"), value


def name_of(job: Job, told: Mapping[str, str]) -> str:
    """``job 3 (model=vae, seed=2)``."""
    words = ", ".join(f"{key}={value}" for key, value in told.items())
    return f"job {job.num} ({words})" if words else f"job {job.num}"


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
    """

    sweeps: list[Sweep]
    warm: list[Callable[[Callable[[], str]], str]]
    shown: ExitStack
    stack: ExitStack


RUNNING: ContextVar[Running] = ContextVar("RUNNING")
"""Hydra makes the callbacks and launchers, and hands nothing from one to the other."""


@contextmanager
def running() -> Iterator[Running]:
    """For the time in which Hydra runs, and a sweep is summed up."""
    with ExitStack() as stack, ExitStack() as shown:
        now = Running([], [], shown, stack)
        token = RUNNING.set(now)
        stack.callback(RUNNING.reset, token)
        yield now


@final
class Watch(Callback):
    """Opens a sweep before any of its jobs begins. It has no state: launchers send it into other processes."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuses the directory of another sweep; then describes this one in it, and watches it."""
        from elbolab.cli.sweep.watching import watching

        now = RUNNING.get()
        try:
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
        is_new = describe(folder, jobs, config)
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


def describe(folder: Path, jobs: Sequence[Job], config: DictConfig) -> bool:
    """Writes ``sweep.json`` where there is none, and says whether it has: repeating a sweep changes nothing of it.

    Raises:
        OSError: it cannot be written.
    """
    if (folder / SWEEP).is_file():
        return False
    content = {
        "command": [*config.hydra.overrides.task, *config.hydra.overrides.hydra],
        "jobs": [job._asdict() for job in jobs],
        "group": config.get("group") or folder.name,
        "started": datetime.now(UTC).isoformat(),
    }
    try:
        write_json(folder / SWEEP, content)
    except OSError as error:
        raise OSError(f"hydra.sweep.dir={folder}: it cannot be written ({error.strerror})") from error
    return True


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


def check_same(folder: Path, jobs: Sequence[Job]) -> None:
    """Refuses the directory of another sweep; the order of overrides that leaves the jobs as they are is free.

    Raises:
        ValueError: names the first job that differs.
    """
    there, mend = read_sweep(folder), "choose another hydra.sweep.dir"
    if there is None:
        if any(folder.glob("*/config.yaml")) or (folder / "config.yaml").is_file():
            raise ValueError(f"{folder} holds runs, and no {SWEEP} says of which sweep: {mend}")
        return
    if there.is_search != (not jobs):
        raise ValueError(f"{folder} is of {'a search' if there.is_search else 'a sweep that is no search'}: {mend}")
    old, new = ([sorted(job.overrides) for job in sweep] for sweep in (there.jobs() if jobs else [], jobs))
    if len(old) != len(new):
        raise ValueError(f"{folder} is of another sweep, of {len(old)} jobs where this one has {len(new)}: {mend}")
    for num, (before, now) in enumerate(zip(old, new, strict=True)):
        if before != now:
            gone, come = (" ".join(w for w in a if w not in b) for a, b in ((before, now), (now, before)))
            raise ValueError(f"{folder} is of another sweep: its job {num} has {gone}, this one's {come}: {mend}")
