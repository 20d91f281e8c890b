"""Trains by every line of a script, ``elbolab train WORDS``, in one process, by the function behind the command.

python .ci/train_each.py SCRIPT FIRST STEP     lines FIRST, FIRST + STEP, ...
"""

import io
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path

import elbolab

script, first, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for line in script.read_text().splitlines()[first::step]:
    command, action, *words = shlex.split(line)
    assert (command, action) == ("elbolab", "train"), line
    try:
        with redirect_stdout(io.StringIO()):
            elbolab.train(*words)
    except Exception as error:
        sys.exit(f"failed: {line}\n{error}")
