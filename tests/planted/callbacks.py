"""Mistakes in callbacks/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "callbacks/notebook.py",
        'rpartition("\\r")',
        'partition("\\r")',
        "tests/callbacks/test_notebook.py",
    ),
    Mistake(
        "callbacks/progress.py",
        "(in_notebook() or redraws(sys.stderr))",
        "redraws(sys.stderr)",
        "tests/callbacks/test_notebook.py",
    ),
    Mistake(
        "loggers/csv_logger.py",
        'logger.log_metrics(metrics | {"epoch": trainer.current_epoch}, trainer.global_step - 1)',
        'logger.log_metrics(metrics | {"epoch": trainer.current_epoch}, trainer.global_step)',
        "tests/loggers/test_csv_logger.py",
    ),
    Mistake(
        "loggers/table.py",
        'if int(row["step"]) < step]',
        'if int(row["step"]) <= step]',
        "tests/loggers/test_csv_logger.py",
    ),
    Mistake(
        "loggers/table.py",
        "if file.write(line) < len(line):",
        "if file.write(line) < 0:",
        "tests/common/test_full_disk.py",
    ),
    Mistake("loggers/table.py", "                file.write(there)\n", "", "tests/common/test_full_disk.py"),
    Mistake(
        "callbacks/progress.py",
        "if self.bar is not None or self.shown_step != trainer.global_step:",
        "if self.bar is not None:",
        "tests/callbacks/test_lines.py",
    ),
    Mistake(
        "callbacks/progress.py",
        "0.0 if self.is_first or self.bar is not None else self.line_seconds",
        "0.0",
        "tests/callbacks/test_lines.py",
    ),
    Mistake(
        "callbacks/progress.py",
        "kept = 0.0 if self.laps == 1 else self.memory",
        "kept = 0.0 if self.laps == 0 else self.memory",
        "tests/callbacks/test_bar.py",
    ),
    Mistake(
        "callbacks/progress.py",
        "self.epoch = trainer.current_epoch + 1  # which",
        "self.epoch = trainer.current_epoch + 2  # which",
        "tests/callbacks/test_lines.py",
    ),
    Mistake(
        "callbacks/kl_map.py",
        "step = trainer.global_step - 1",
        "step = trainer.global_step",
        "tests/callbacks/test_kl_map.py",
    ),
    Mistake(
        "callbacks/figures.py",
        "self.seen % self.every == 0",
        "(self.seen + 1) % self.every == 0",
        "tests/callbacks/test_figures.py",
    ),
    Mistake(
        "callbacks/first_batch.py",
        "batch, self._batch = self._batch, None",
        "batch = self._batch",
        "tests/callbacks/test_figures.py",
    ),
    Mistake(
        "callbacks/prune.py",
        'self.validations = state_dict["validations"]',
        'self.validations = state_dict["validations"] + 1',
        "tests/callbacks/test_prune.py",
    ),
    Mistake(
        "loggers/tensorboard.py",
        "total, squares = float(row @ indices), float(row @ indices**2)",
        "total, squares = float(row @ indices), float(row @ indices)",
        "tests/loggers/test_tensorboard.py",
    ),
]
