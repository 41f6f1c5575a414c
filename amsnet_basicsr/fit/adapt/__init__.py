"""`amsnet-denoise adapt`: the shipped student fine-tuned to the noise of a few images, in a minute or two."""
