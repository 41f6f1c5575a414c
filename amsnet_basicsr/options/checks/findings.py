"""The problems found so far, by key, so that a check can skip options in which an earlier one found a fault."""

import copy
from collections.abc import Iterable
from typing import Any

from amsnet_basicsr.options.blocks.messages import Finding, Key


class Findings(dict[str, Key]):
    """The keys of the problems found so far, by their sentences, in order."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings; a sentence is kept once."""
        for finding in findings:
            self.setdefault(finding.sentence, finding.key)

    def clean(self, *key: str) -> bool:
        """Tell whether no problem is at a key, inside it, or with a group around it."""
        return not any(found[: len(key)] == key[: len(found)] for found in self.values())

    def without_wrong(self, options: dict[str, Any]) -> dict[str, Any]:
        """Copy options without the wrong ones; the main groups are there, if empty."""
        options = copy.deepcopy(options)
        for key in self.values():
            group: Any = options
            for name in key[:-1]:
                group = group.get(name) if isinstance(group, dict) else None
            if key and isinstance(group, dict):
                group.pop(key[-1], None)
        for section in ('datasets', 'train', 'val', 'logger', 'path', 'network_g'):
            if not isinstance(options.get(section), dict):
                options[section] = {}
        return options
