"""`amsnet-denoise fit`: a model for one's own images."""
