"""Mistakes in callbacks/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "callbacks/csv_logger.py",
        'logger.log_metrics(metrics | {"epoch": trainer.current_epoch}, trainer.global_step - 1)',
        'logger.log_metrics(metrics | {"epoch": trainer.current_epoch}, trainer.global_step)',
        "tests/callbacks/test_csv_logger.py",
    ),
    Mistake(
        "callbacks/table.py",
        'if int(row["step"]) < step]',
        'if int(row["step"]) <= step]',
        "tests/callbacks/test_csv_logger.py",
    ),
    Mistake(
        "callbacks/progress.py",
        "kept = 0.0 if self.laps == 1 else self.memory",
        "kept = 0.0 if self.laps == 0 else self.memory",
        "tests/callbacks/test_bar.py",
    ),
    Mistake(
        "callbacks/kl_map.py",
        "row, step = self._row(pl_module.densities, [batch]), trainer.global_step - 1",
        "row, step = self._row(pl_module.densities, [batch]), trainer.global_step",
        "tests/callbacks/test_kl_map.py",
    ),
]
