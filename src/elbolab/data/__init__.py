"""LightningDataModules that yield blocks of batches."""
