"""Writes the README's own-variant example into a folder: its files, and its commands as own_variant.sh.

A block whose first line is ``# file: NAME`` is that file; the block that begins with ``# own variant`` is the commands.
"""

import re
import sys
from pathlib import Path

readme, folder = Path(sys.argv[1]), Path(sys.argv[2])
for block in re.findall(r"```\w+\n(.*?)```", readme.read_text(), re.DOTALL):
    head, _, rest = block.partition("\n")
    if head.startswith("# file: "):
        path = folder / head.removeprefix("# file: ").strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rest)
    elif head.startswith("# own variant"):
        (folder / "own_variant.sh").write_text(rest)
