"""Text from outside, fit for a line of a message."""


def printable(text: str) -> str:
    """Escape what would break a line, as names of files may hold line ends and bytes that are no text.

    Args:
        text: One line for the user.
    """
    return ''.join(sign if sign.isprintable() else sign.encode('unicode_escape').decode() for sign in text)


def as_text(path: str) -> str:
    """Write a path that is no text (bytes that are no UTF-8) as one that can be encoded; any other stays as it is.

    OpenCV, TensorBoard and log files take text only.

    Args:
        path: As Python got it from the system.

    Returns:
        The path; a byte that is no text is written by its number.
    """
    return path.encode(errors='surrogateescape').decode(errors='backslashreplace')
