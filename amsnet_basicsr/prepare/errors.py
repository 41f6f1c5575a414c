"""The one error of this package, in one line for the user."""


class PrepareError(ValueError):
    """Something a user can mend: an input that is missing or damaged, an output that is in the way, a full disk."""
