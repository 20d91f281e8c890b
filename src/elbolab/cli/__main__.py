"""``python -m elbolab.cli``: the command line, where the console script is not on the path."""

from elbolab.cli import main

main()
