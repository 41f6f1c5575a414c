"""Reading settings with names checked: a misspelt key is an error with a hint, never silently ignored."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def unknown_keys(options: Mapping[str, Any], known: Iterable[str], where: str) -> list[str]:
    """Describe the keys that nothing reads.

    Args:
        options: Some level of an options file.
        known: The keys that are read there.
        where: Name of that level, for the messages.

    Returns:
        One sentence per unknown key, with the nearest known name.
    """
    known = sorted(known)
    problems = []
    for key in options:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f'did you mean {near[0]!r}?' if near else f'known: {", ".join(known)}'
            problems.append(f'{where} has no option {key!r}; {hint}')
    return problems


def refuse_unknown(options: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise for keys that nothing reads.

    Args:
        options: Some level of an options file.
        known: The keys that are read there.
        where: Name of that level, for the message.

    Raises:
        ValueError: If there is an unknown key; the message names all of them and the nearest known names.
    """
    problems = unknown_keys(options, known, where)
    if problems:
        raise ValueError('; '.join(problems))
