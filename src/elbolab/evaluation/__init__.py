"""Measurements: functions from densities and batches to numbers, once for every variant."""
