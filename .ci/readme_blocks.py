"""Writes what the documents say into a folder: the files of their examples, and their commands as shell scripts.

    python .ci/readme_blocks.py DOCUMENT... FOLDER

A block whose first line is ``# file: NAME`` is that file; blocks that begin with ``# own variant`` become
own_variant.sh. Every `code` in the second column of the table of options becomes a short training in options.sh.
"""

import re
import sys
from pathlib import Path

SHORT = (
    "data.train_limit=20000 trainer.accelerator=cpu trainer.max_steps=200 trainer.limit_val_batches=2 "
    "evaluation.limit=200 evaluation.num_samples=5 evaluation.probe_limit=1000"
)
SHORT_MEASURES = {
    "evaluation=ais": "evaluation.measures.annealing.num_temperatures=20 evaluation.measures.annealing.limit=20",
    "evaluation=gaps": "evaluation.measures.gaps.num_temperatures=20 evaluation.measures.gaps.limit=10",
}

*documents, folder = map(Path, sys.argv[1:])
text = "\n".join(path.read_text() for path in documents)
_, _, table = text.partition("| wish | command line |\n|---|---|\n")
cells = [line.split("|")[2] for line in table.partition("\n\n")[0].splitlines()]
options = [option for cell in cells for option in re.findall(r"`(.+?)`", cell)]
assert options, "no document has a table of options"
shortened = [
    " ".join([SHORT, *(words for key, words in SHORT_MEASURES.items() if key in option)]) for option in options
]
lines = [f"elbolab train {option} {short}\n" for option, short in zip(options, shortened, strict=True)]
(folder / "options.sh").write_text("".join(lines))
for block in re.findall(r"```\w+\n(.*?)```", text, re.DOTALL):
    head, _, rest = block.partition("\n")
    if head.startswith("# file: "):
        path = folder / head.removeprefix("# file: ").strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rest)
    elif head.startswith("# own variant"):
        with (folder / "own_variant.sh").open("a") as script:
            script.write(rest)
