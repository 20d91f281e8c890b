"""A table on disk that grows by rows and columns and that a kill cannot tear."""

import csv
import io
import os
from errno import ENOSPC
from pathlib import Path
from typing import final

from elbolab.common.files import replacing

Row = dict[str, str]


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """The columns and the complete rows of a file, which need not exist."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
    return list(reader.fieldnames or []), list(reader)


@final
class Table:
    """A wide table in a CSV file that SIGKILL cannot tear.

    A row is one `write`, or an OSError and none of it; a change of columns and a rewind go to a second file that takes
    the first one's place.
    Opening drops an incomplete last line.

    Args:
        path: the file; it need not exist.

    Raises:
        ValueError: the file is there, but has no column ``step``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: Row = {}
        self._start = self._end = 0  # of the last row, in bytes
        columns, rows = read_table(path)
        if columns and "step" not in columns:
            raise ValueError(f"{path} has no column 'step', so it is no metrics.csv of elbolab: move it away")
        self.columns = columns or ["step", "epoch"]
        self._replace(rows)

    def put(self, row: Row) -> None:
        """Appends ``row``; where the last row has the same step, completes that one instead."""
        joins = self._last.get("step") == row["step"]
        old, new = (self._last, self._last | row) if joins else ({}, row)
        unseen = [name for name in new if name not in self.columns]
        # In place only if the old line is covered whole: values only ever join a row, so a shorter line is rare.
        if unseen or (joins and len(self._line(new)) < len(self._line(old))):
            _, kept = read_table(self.path)
            self.columns += unseen
            self._replace([*(kept[:-1] if joins else kept), new])
        else:
            self._write(new, self._start if joins else self._end, self._line(old) if joins else b"")

    def rewind(self, step: int) -> None:
        """Drops the rows at and beyond ``step``."""
        _, rows = read_table(self.path)
        kept = [row for row in rows if int(row["step"]) < step]
        if len(kept) < len(rows):
            self._replace(kept)

    def _line(self, row: Row) -> bytes:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(row.get(name, "") for name in self.columns)
        return out.getvalue().encode()

    def _write(self, row: Row, start: int, there: bytes) -> None:
        """Puts ``row`` at ``start``, in the place of what is ``there``."""
        line = self._line(row)
        with self.path.open("r+b", buffering=0) as file:
            file.seek(start)
            if file.write(line) < len(line):  # the first to see a disk that gets full writes what there is room for
                file.seek(start)
                file.truncate()
                file.write(there)
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(self.path))
        self._last, self._start, self._end = row, start, start + len(line)

    def _replace(self, rows: list[Row]) -> None:
        lines = [self._line({name: name for name in self.columns}), *map(self._line, rows)]
        with replacing(self.path) as beside:
            beside.write_bytes(b"".join(lines))
        self._last = rows[-1] if rows else {}
        self._end = sum(map(len, lines))
        self._start = self._end - len(lines[-1])
