"""Schedules, the stepper, EMA, checkpoints. It sees a variant only as `players()`."""
