"""How a model does on many kinds of noise: the images, the rivals, the table."""
