"""Collecting what is wrong, by key: so that a later check can leave out what an earlier one has complained about."""

import copy
from collections.abc import Iterable
from typing import Any

from amsnet_basicsr.options.blocks.messages import Finding, Key


class Findings:
    """What was found so far."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._found: dict[str, Key] = {}

    def add(self, findings: Iterable[Finding]) -> None:
        """Take more findings; the same sentence is kept once."""
        for finding in findings:
            self._found.setdefault(finding.sentence, finding.key)

    @property
    def problems(self) -> list[str]:
        """The sentences, in order."""
        return list(self._found)

    def clean(self, *key: str) -> bool:
        """Tell whether nothing is wrong at a key, inside it, or with a group that it is in."""
        return not any(found[: len(key)] == key[: len(found)] for found in self._found.values())

    def sound(self, options: dict[str, Any]) -> dict[str, Any]:
        """Copy options without what is wrong.

        Args:
            options: The options.

        Returns:
            A copy in which the groups are there, if empty, and every option that was found wrong is left out.
        """
        options = copy.deepcopy(options)
        for key in self._found.values():
            group: Any = options
            for name in key[:-1]:
                group = group.get(name) if isinstance(group, dict) else None
            if key and isinstance(group, dict):
                group.pop(key[-1], None)
        for section in ('datasets', 'train', 'val', 'logger', 'path', 'network_g'):
            if not isinstance(options.get(section), dict):
                options[section] = {}
        return options
