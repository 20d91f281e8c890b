"""`elbolab list`: the options of config groups, and below the experiments every published row as it is typed."""

from collections.abc import Sequence

from elbolab.config.listing import align, list_choices, split_args


def print_listing(args: Sequence[str]) -> None:
    """Prints what ``elbolab list [GROUP] [--config-dir DIR]`` asks for."""
    dirs, words = split_args(args)
    if len(words) > 1:
        raise ValueError(f"elbolab list takes one group, or none for all: {' '.join(words)} are {len(words)}")
    print(list_choices(words[0] if words else None, dirs))
    if words == ["experiment"]:
        from elbolab.report.published_rows import read_rows

        rows: dict[str, list[str]] = {}
        for row in read_rows():
            rows.setdefault(row.experiment, []).append(row.what)
        lines = {words: "; ".join(what) for words, what in rows.items()}
        print("", "published rows, as they are typed after experiment=", align(lines, "  "), sep="\n")
