"""The directory of a sweep: what its jobs are and how they stand, and that it is of no other sweep."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, final

from omegaconf import DictConfig

from elbolab.common.files import write_json
from elbolab.runs.status import State, state_of

SWEEP = "sweep.json"


class Job(NamedTuple):
    """A job of a sweep: its number, which names its directory, and the overrides of its command."""

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
        if self._jobs:
            return list(self._jobs)
        begun = (path.parent.name for path in self.folder.glob("*/status.json"))
        numbers = sorted(int(name) for name in begun if name.isdigit())
        return [Job(num, list(state_of(self.folder / str(num)).overrides)) for num in numbers]

    def states(self) -> dict[int, State]:
        """How each job stands, by its number."""
        return {job.num: self.state(job) for job in self.jobs()}

    def state(self, job: Job) -> State:
        """How a job stands."""
        return state_of(self.folder / str(job.num))

    def has_begun(self) -> bool:
        """Whether any of its jobs has."""
        return any(state.state != "waiting" for state in self.states().values())


def read_sweep(folder: Path) -> Sweep | None:
    """The sweep in a directory; None where there is none."""
    path = folder / SWEEP
    if not path.is_file():
        return None
    try:
        jobs = json.loads(path.read_text(encoding="utf-8"))["jobs"]
        return Sweep(folder, [Job(job["num"], job["overrides"]) for job in jobs])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no description of a sweep ({error}): choose another hydra.sweep.dir") from error


def find_swept_values(jobs: Sequence[Job]) -> dict[int, dict[str, str]]:
    """What tells the jobs apart, by their numbers: each key whose value is not the same in all, with its value."""
    pairs = {job.num: [override.partition("=") for override in job.overrides] for job in jobs}
    values = {num: {key.lstrip("+~"): value for key, _, value in own} for num, own in pairs.items()}
    keys = dict.fromkeys(key for of_job in values.values() for key in of_job)
    differing = [key for key in keys if len({of_job.get(key) for of_job in values.values()}) > 1]
    return {num: {key: of_job[key] for key in differing if key in of_job} for num, of_job in values.items()}


def name_of(job: Job, values: Mapping[str, str]) -> str:
    """``job 3 (model=vae, seed=2)``."""
    words = ", ".join(f"{key}={value}" for key, value in values.items())
    return f"job {job.num} ({words})" if words else f"job {job.num}"


def write_sweep(folder: Path, jobs: Sequence[Job], config: DictConfig) -> bool:
    """Writes ``sweep.json`` where there is none, and says whether it has: repeating a sweep changes nothing of it."""
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


def check_same(folder: Path, jobs: Sequence[Job]) -> None:
    """Refuses the directory of another sweep; the order of overrides that leaves the jobs as they are is free."""
    there, fix = read_sweep(folder), "choose another hydra.sweep.dir"
    if there is None:
        if any(folder.glob("*/config.yaml")) or (folder / "config.yaml").is_file():
            raise ValueError(f"{folder} holds runs, and no {SWEEP} says of which sweep: {fix}")
        return
    if there.is_search != (not jobs):
        raise ValueError(f"{folder} is of {'a search' if there.is_search else 'a sweep that is no search'}: {fix}")
    old, new = ([sorted(job.overrides) for job in sweep] for sweep in (there.jobs() if jobs else [], jobs))
    if len(old) != len(new):
        raise ValueError(f"{folder} is of another sweep, of {len(old)} jobs where this one has {len(new)}: {fix}")
    for num, (before, now) in enumerate(zip(old, new, strict=True)):
        if before != now:
            gone, come = (" ".join(w for w in a if w not in b) for a, b in ((before, now), (now, before)))
            differing = f"its job {num} has {gone or 'nothing'} where this one's has {come or 'nothing'}"
            raise ValueError(f"{folder} is of another sweep: {differing}: {fix}")
