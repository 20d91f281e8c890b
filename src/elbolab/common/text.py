"""Durations and tables as people read them. It imports nothing heavy: `rich` comes with the first table."""

from collections.abc import Container, Sequence

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))  # in seconds
WIDE = 100_000  # columns of a table that is not fitted to a terminal


def format_duration(seconds: float) -> str:
    """The duration in its two largest units.

    Example:
        >>> [format_duration(seconds) for seconds in (0.2, 41, 185, 3600, 9063, 200_000)]
        ['0 s', '41 s', '3 min 5 s', '1 h', '2 h 31 min', '2 d 7 h']
    """
    rest, counts = round(seconds), list[tuple[int, str]]()
    for unit, size in UNITS:
        count, rest = divmod(rest, size)
        if count or counts:
            counts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in counts[:2] if count) or "0 s"


def text_table(rows: Sequence[Sequence[str]], left: Container[int] = (0,)) -> str:
    """Columns of one width each, two spaces apart, as plain text of any width.

    Args:
        rows: the cells; the first row is the heading.
        left: the columns that are flush left, by number; the others are flush right.

    Example:
        >>> print(text_table([("", "nll"), ("vae", "98.31"), ("iwae", "7.2")]))
                nll
        vae   98.31
        iwae    7.2
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for number in range(len(rows[0])):
        table.add_column(justify="left" if number in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=WIDE, color_system=None)
    with console.capture() as shown:
        console.print(table)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())
