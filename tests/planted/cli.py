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
    Mistake(
        "cli/search/end.py", 'sign = -1 if objective.mode == "max" else 1', "sign = 1", "tests/cli/test_search_found.py"
    ),
    Mistake(
        "cli/search/space.py",
        "num = math.ceil((stop - start) / step - 1e-9)",
        "num = math.floor((stop - start) / step + 1e-9) + 1",
        "tests/cli/test_search_parts.py",
    ),
    Mistake(
        "cli/search/samplers.py",
        "derived(self.seed, trial.number, *more)",
        "derived(self.seed, *more)",
        "tests/cli/test_search_parts.py",
    ),
    Mistake(
        "cli/cluster/resources.py",
        "units = (3600, 60, 1) if days or len(parts) == 3 else (60, 1)",
        "units = (3600, 60, 1) if len(parts) == 3 else (60, 1)",
        "tests/cli/test_doctests.py",
    ),
    Mistake(
        "cli/search/trials.py",
        "-len(trials) % self.batch if left",
        "len(trials) % self.batch if left",
        "tests/cli/test_search_parts.py",
    ),
    Mistake(
        "cli/state.py",
        'return status["before"] + max(0.0, (last - start).total_seconds())',
        "return max(0.0, (last - start).total_seconds())",
        "tests/cli/test_state.py",
    ),
    Mistake(
        "cli/gather.py",
        'return [(0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in enumerate(parts)]',
        "return [(1, 0.0, part) for i, part in enumerate(parts)]",
        "tests/cli/test_runs.py",
    ),
    Mistake(
        "cli/sweep/watching.py",
        'return f"{minutes}:{rest:02}" if minutes < 60',
        'return f"{minutes}:{rest}" if minutes < 60',
        "tests/cli/test_watching.py",
    ),
    Mistake(
        "cli/reached.py",
        '    paths = run.timing, *run.pretrained.rglob("timing.json")',
        "    paths = (run.timing,)",
        "tests/cli/test_published.py",
    ),
    Mistake(
        "cli/log_file.py",
        "            self.is_told = True\n",
        "",
        "tests/cli/test_full_disk.py",
    ),
    Mistake(
        "cli/log_file.py",
        "stream, self.stream = self.stream, None ",
        "stream = None ",
        "tests/cli/test_full_disk.py",
    ),
    Mistake(
        "cli/runs.py",
        "console.width = max(console.width, least)",
        "console.width = min(console.width, least)",
        "tests/cli/test_dumb_terminal.py",
    ),
    Mistake(
        "cli/runs.py",
        "force_terminal=width is not None and not is_dumb()",
        "force_terminal=width is not None",
        "tests/cli/test_dumb_terminal.py",
    ),
    Mistake(
        "cli/arguments.py",
        "','.join(part if part.isascii() else quoted(part) for part in value.split(','))",
        "quoted(value)",
        "tests/cli/test_dumb_terminal.py",
    ),
    Mistake(
        "cli/drawing_folder.py",
        "if all(map(_is_writable, _folders())):",
        "if any(map(_is_writable, _folders())):",
        "tests/cli/test_drawing_folder.py",
    ),
    Mistake("cli/terminal.py", "(signal.SIGHUP, signal.SIGTTOU)", "(signal.SIGHUP,)", "tests/cli/test_terminal.py"),
    Mistake(
        "cli/state.py",
        "        if full.errno not in FULL:\n            raise\n",
        "",
        "tests/cli/test_full_disk.py",
    ),
    Mistake("cli/files.py", "        file.write(before)\n", "", "tests/cli/test_full_disk.py"),
]
