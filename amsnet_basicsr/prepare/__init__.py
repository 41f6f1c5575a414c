"""From downloads to training data, and from trained weights to what benchmark servers take."""
