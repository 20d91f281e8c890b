"""Where numbers and figures of a training go: CSV files, W&B, TensorBoard, MLflow."""
