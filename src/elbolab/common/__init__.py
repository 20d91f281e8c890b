"""What has one home and depends on nothing else of the package."""
