"""Errors whose message is one line for the user."""


class UserError(ValueError):
    """A training or test cannot continue; commands print the message without a traceback and exit with 1."""
