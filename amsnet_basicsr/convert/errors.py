"""The one error of this package."""

from amsnet_basicsr.utils.errors import UserError


class WeightsError(UserError):
    """A file or state dict that isn't a complete set of weights of a known network."""
