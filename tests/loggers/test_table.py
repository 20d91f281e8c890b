import signal
import subprocess
import sys

import pytest

from elbolab.loggers.table import Table, read_table


@pytest.mark.parametrize("cut", range(1, 9))
def test_opening_drops_a_torn_row_and_only_that(tmp_path, cut):
    path = tmp_path / "metrics.csv"
    whole = "step,epoch,a\n49,0,1.5\n"
    path.write_text(whole + "99,0,2.5\n"[:-cut])
    table = Table(path)
    assert path.read_text() == whole
    table.put({"step": "99", "a": "2"})
    assert path.read_text() == whole + "99,,2\n"


def test_another_programs_file_is_not_overwritten(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("time,loss\n1,2\n")
    with pytest.raises(ValueError, match="no column 'step'"):
        Table(path)
    assert path.read_text() == "time,loss\n1,2\n"


def test_sigkill_leaves_whole_rows(tmp_path):
    code = (
        "import sys; from pathlib import Path; from elbolab.loggers.table import Table\n"
        "table = Table(Path(sys.argv[1]))\n"
        "for step in range(10**9):\n"
        "    table.put({'step': str(step), 'a': str(step)}); table.put({'step': str(step), 'b': str(step)})\n"
        "    step == 200 and print('go', flush=True)\n"
    )
    path = tmp_path / "metrics.csv"
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    _, rows = read_table(path)
    assert [row["step"] for row in rows] == [str(step) for step in range(len(rows))]
    assert all(row["a"] == row["step"] == row["b"] for row in rows[:-1])
    assert rows[-1]["a"] == rows[-1]["step"]
