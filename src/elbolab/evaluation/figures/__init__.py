"""Pictures of a model: `drawing.draw_all` for all of them."""
