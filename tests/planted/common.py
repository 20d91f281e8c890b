"""Mistakes in common/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "common/files.py",
        '    beside = path.with_name(f".{path.name}.{os.getpid()}")\n',
        "    beside = path\n",
        "tests/training/test_newest.py",
    ),
    Mistake("common/files.py", "        beside.unlink(missing_ok=True)", "        pass", "tests/common/test_files.py"),
    Mistake("common/text.py", "counts[:2] if count", "counts[:1] if count", "tests/common/test_text.py"),
    Mistake("common/text.py", "number in left", "number not in left", "tests/common/test_text.py"),
    Mistake(
        "common/rng.py",
        'name = "/".join([purpose, *(str(int(number)) for number in numbers)])',
        'name = "/".join([purpose, *sorted(str(int(number)) for number in numbers)])',
        "tests/common/test_rng.py",
    ),
    Mistake("common/terminal.py", ".columns >= NARROW", ".columns >= 0", "tests/common/test_redraws.py"),
    Mistake(
        "common/terminal.py",
        'DUMB = ("", "dumb", "unknown")',
        'DUMB = ("dumb", "unknown")',
        "tests/common/test_redraws.py",
    ),
]
