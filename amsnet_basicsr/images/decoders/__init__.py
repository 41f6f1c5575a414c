"""One file per library that decodes images; `images.read` chooses among them."""
