"""The comparison that ends a sweep, as it is sent to a process that has made its imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from elbolab.runs.sweep_dir import Job


@final
@dataclass(frozen=True)
class Comparison:
    """The finished jobs of a sweep side by side, as text for a terminal of ``width`` columns, None for none."""

    folder: Path
    jobs: list[Job]
    width: int | None

    def __call__(self) -> str:
        """Draws and writes it; empty where there are not two."""
        from elbolab.report.compare import compare  # which takes seconds

        folders = [self.folder / str(job.num) for job in self.jobs]
        evaluated = [folder for folder in folders if (folder / "evaluation.json").is_file()]
        if len(evaluated) < 2:
            return ""
        return compare(evaluated, self.folder, self.width) + "\n"
