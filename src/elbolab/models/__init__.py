"""One file a variant, each a LightningModule on `ElboModule`."""
