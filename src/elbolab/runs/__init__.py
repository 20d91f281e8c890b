"""Run directories: what is written into one, how one is read, and how many are."""
