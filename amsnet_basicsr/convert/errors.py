"""The one error of this package, in one line for the user."""

from amsnet_basicsr.utils.text import printable

_LONGEST = 200


class WeightsError(ValueError):
    """A file or state dict that isn't a complete set of weights of a known network."""


def in_one_line(text: object) -> str:
    """Make something that stood in a file fit for a message: a name may hold line ends, or a million letters.

    Args:
        text: Anything.

    Returns:
        Printable text of a bounded length.
    """
    if isinstance(text, int) and abs(text) < 2**63:
        text = str(text)
    elif not isinstance(text, str):  # Python itself stumbles over long numbers, and endless nestings
        text = f'a {type(text).__name__}'
    text = printable(text[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'
