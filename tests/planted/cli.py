"""Mistakes in cli/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "cli/rows.py",
        "return Cell(fmean(values), stdev(values) / sqrt(len(values)), len(values))",
        "return Cell(fmean(values), stdev(values), len(values))",
        "tests/cli/test_runs.py",
    ),
    Mistake(
        "cli/rows.py",
        "for kind in counts if counts[kind] > 1}",
        "for kind in counts if counts[kind] > 0}",
        "tests/cli/test_runs.py",
    ),
    Mistake(
        "cli/choosing.py",
        'down = sort.startswith("-") != higher',
        'down = sort.startswith("-") == higher',
        "tests/cli/test_runs.py",
    ),
    Mistake(
        "cli/published.py",
        "value + 2 * stderr < row.below",
        "value - 2 * stderr < row.below",
        "tests/cli/test_published.py",
    ),
    Mistake(
        "cli/search/objectives.py",
        '1 if status["mode"] == "max" else -1',
        '1 if status["mode"] == "min" else -1',
        "tests/cli/test_search_parts.py",
    ),
    Mistake("cli/cluster/requeue.py", "times >= int(limit)", "times > int(limit)", "tests/cli/test_cluster_jobs.py"),
    Mistake(
        "cli/sweep/shares.py",
        "return list(things[i * len(things) // workers : (i + 1) * len(things) // workers])",
        "return list(things[i * (len(things) // workers) : (i + 1) * (len(things) // workers)])",
        "tests/cli/test_local.py",
    ),
    Mistake(
        "cli/report/charts.py",
        "steps = [int(float(step)) + 1 for step",
        "steps = [int(float(step)) for step",
        "tests/cli/test_report.py",
    ),
]
