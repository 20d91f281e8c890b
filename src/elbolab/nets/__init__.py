"""Networks: tensor to tensor, no probability. Each is a recipe (in_shapes, out_shape) -> module."""
