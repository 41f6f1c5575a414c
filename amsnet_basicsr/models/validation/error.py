"""What ends a validation or test."""


class ValidationError(ValueError):
    """A validation or test can't go on; the message says why in a line, with the image or the set."""


class OtherProcessFailedError(ValidationError):
    """Another process can't go on, so this one can't."""
