"""The command `amsnet-denoise`."""
