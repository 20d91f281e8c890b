"""The comparison that ends a sweep, as it is sent to a process that has made its imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from elbolab.runs.sweep_dir import Job


@final
@dataclass(frozen=True)
class Comparison:
    """The finished jobs side by side and means over seeds, as text; its imports take seconds.

    Attributes:
        folder: the sweep's directory.
        jobs: those that have finished.
        width: columns of the terminal that it is read on, None where it is none: a worker has no terminal.
    """

    folder: Path
    jobs: list[Job]
    width: int | None

    def __call__(self) -> str:
        """Draws and writes it; empty where there are not two."""
        from elbolab.report.compare import compare

        folders = [self.folder / str(job.num) for job in self.jobs]
        evaluated = [folder for folder in folders if (folder / "evaluation.json").is_file()]
        if len(evaluated) < 2:
            return ""
        return compare(evaluated, self.folder, self.width) + "\n"
