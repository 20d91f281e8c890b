"""Mistakes around a run: its directory, reports, the command line."""

from tests.planting import Mistake

WANDB = "tests/loggers/test_wandb_logger.py"

MISTAKES = [
    Mistake(
        "runs/stages.py",
        'message if self.key in message else f"{self.key}: {message}"',
        "message",
        "tests/stages/test_stages.py",
    ),
    Mistake(
        "runs/run_dir.py",
        "if FIRST_EDITION.fullmatch(target):",
        "if False:",
        "tests/cli/test_first_edition.py",
    ),
    Mistake(
        "cli/api.py",
        "    logging._handlerList.clear()  # type: ignore[attr-defined]\n",
        "",
        "tests/cli/test_api.py",
    ),
    Mistake(
        "cli/api.py",
        "signal.signal(number, handler)",
        "pass",
        "tests/cli/test_api.py",
    ),
    Mistake(
        "cli/api.py",
        "if message is None or (message == str(error) and not is_hydras):",
        "if True:",
        "tests/cli/test_api.py",
    ),
    Mistake(
        "config/compose.py",
        "        GlobalHydra.instance().hydra = hydra  # of another instance, if one was put in its place\n",
        "",
        "tests/cli/test_api.py",
    ),
    Mistake(
        "report/rows.py",
        '{"higher": 1, "lower": -1, None: 0}',
        '{"higher": -1, "lower": 1, None: 0}',
        "tests/report/test_table.py",
    ),
    Mistake(
        "report/rows.py", 'is_headline=last["headline"] is not None', "is_headline=True", "tests/report/test_table.py"
    ),
    Mistake("loggers/wandb.py", '"higher": "max", "lower": "min"', '"higher": "min", "lower": "max"', WANDB),
    Mistake(
        "report/rows.py",
        "stdev(values) / sqrt(len(values)) if several",
        "stdev(values) if several",
        "tests/report/test_table.py",
    ),
    Mistake(
        "report/rows.py",
        "for values in by_data.values() if len(values) > 1]",
        "for values in by_data.values() if len(values) > 0]",
        "tests/report/test_table.py",
    ),
    Mistake(
        "report/selection.py",
        'down = sort.startswith("-") != higher',
        'down = sort.startswith("-") == higher',
        "tests/report/test_table.py",
    ),
    Mistake(
        "report/published.py",
        "value + 2 * (stderr or 0.0) < row.below",
        "value - 2 * (stderr or 0.0) < row.below",
        "tests/report/test_published.py",
    ),
    Mistake(
        "report/charts.py",
        "steps = [int(float(step)) + 1 for step",
        "steps = [int(float(step)) for step",
        "tests/report/test_report.py",
    ),
    Mistake(
        "runs/status.py",
        'return status["before"] + max(0.0, (last - start).total_seconds())',
        "return max(0.0, (last - start).total_seconds())",
        "tests/runs/test_status.py",
    ),
    Mistake(
        "runs/gather.py",
        'return [(0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in enumerate(parts)]',
        "return [(1, 0.0, part) for i, part in enumerate(parts)]",
        "tests/report/test_table.py",
    ),
    Mistake(
        "report/results.py",
        '    paths = run.timing, *run.pretrained.rglob("timing.json")',
        "    paths = (run.timing,)",
        "tests/report/test_published.py",
    ),
    Mistake(
        "common/log_file.py",
        "            self.has_warned = True\n",
        "",
        "tests/common/test_full_disk.py",
    ),
    Mistake(
        "common/log_file.py",
        "stream, self.stream = self.stream, None ",
        "stream = None ",
        "tests/common/test_full_disk.py",
    ),
    Mistake(
        "report/table.py",
        "console.width = max(console.width, least)",
        "console.width = min(console.width, least)",
        "tests/common/test_dumb_terminal.py",
    ),
    Mistake(
        "report/table.py",
        "force_terminal=width is not None and not is_dumb()",
        "force_terminal=width is not None",
        "tests/common/test_dumb_terminal.py",
    ),
    Mistake(
        "config/arguments.py",
        "','.join(part if part.isascii() else quote(part) for part in value.split(','))",
        "quote(value)",
        "tests/common/test_dumb_terminal.py",
    ),
    Mistake(
        "cli/drawing_folder.py",
        "if all(map(_is_writable, _list_folders())):",
        "if any(map(_is_writable, _list_folders())):",
        "tests/cli/test_drawing_folder.py",
    ),
    Mistake(
        "common/terminal.py", "(signal.SIGHUP, signal.SIGTTOU)", "(signal.SIGHUP,)", "tests/common/test_terminal.py"
    ),
    Mistake(
        "runs/status.py",
        "        if full.errno not in FULL:\n            raise\n",
        "",
        "tests/common/test_full_disk.py",
    ),
    Mistake("common/files.py", "        file.write(before)\n", "", "tests/common/test_full_disk.py"),
    Mistake(
        "config/scale.py",
        '"reduced": reduced, "smoke"',
        '"reduced": paper, "smoke"',
        "tests/config/test_scale.py",
    ),
    Mistake(
        "config/scale.py",
        "reduced if smoke is ... else smoke",
        "reduced",
        "tests/config/test_scale.py",
    ),
    Mistake(
        "stages/planning.py",
        'INHERITED_CHOICES = ("scale", "logger")',
        'INHERITED_CHOICES = ("logger",)',
        "tests/config/test_scale.py",
    ),
    Mistake(
        "report/published.py",
        "_distance(result, experiment) <= min(",
        "_distance(result, experiment) >= min(",
        "tests/report/test_published.py",
    ),
    Mistake(
        "report/results.py",
        "_read_result(run, _rename_experiment(config))",
        "_read_result(run, config)",
        "tests/report/test_published.py",
    ),
    Mistake(
        "config/renamed.py",
        '" ".join([name, "scale=reduced", *others])',
        '" ".join([name, *others])',
        "tests/config/test_renamed.py",
    ),
    Mistake("config/suggest.py", "if package in keys and key in choices:", "if False:", "tests/config/test_errors.py"),
    Mistake(
        "config/suggest.py",
        "if parent in groups and (alike := nearest(last, setters, num=1)):",
        "if alike := []:",
        "tests/config/test_errors.py",
    ),
    Mistake(
        "config/errors.py",
        "return message if found[1] in typed or not meant else meant[-1] + message.removeprefix(found[1])",
        "return message",
        "tests/cli/test_bad_input.py::test_bad_input_has_one_clear_message",
    ),
    Mistake(
        "config/errors.py",
        'return ", ".join(named or typed)',
        'return ""',
        "tests/cli/test_bad_input.py::test_bad_input_has_one_clear_message",
    ),
    Mistake(
        "config/arguments.py",
        'if flag in TAKES_A_WORD and "=" in arg:',
        "if False:",
        "tests/cli/test_bad_input.py::test_bad_input_has_one_clear_message",
    ),
    Mistake(
        "config/arguments.py",
        'if "pretrained" not in spec.relative_to(folder).parts',
        "",
        "tests/runs/test_load.py",
    ),
    Mistake(
        "cli/api.py", "(message == str(error) and not is_hydras)", "message == str(error)", "tests/cli/test_api.py"
    ),
    Mistake(
        "__init__.py", "return sorted({*globals(), *__all__})", "return sorted(globals())", "tests/cli/test_api.py"
    ),
    Mistake(
        "config/own_options.py",
        "if package and not PACKAGE.search(text) and not is_read:",
        "if False:",
        "tests/config/test_own_options.py",
    ),
    Mistake("config/own_options.py", "    if lacking:\n", "    if False:\n", "tests/config/test_own_options.py"),
    Mistake("config/build.py", "if lacking := [", "if [] and [", "tests/config/test_own_options.py"),
]
