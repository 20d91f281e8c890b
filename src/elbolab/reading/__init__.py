"""Reading what users bring: tables, pictures and folders, their names, labels and values, as `Splits` of arrays."""
