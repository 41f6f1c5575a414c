"""The one error of this package, in one line for the user."""


class WeightsError(ValueError):
    """A file or state dict that isn't a complete set of weights of a known network."""
