"""Refinements of a denoised image, each in a file of its own."""

from collections.abc import Mapping
from typing import Any

from amsnet_basicsr.scheme.refine.base import Refinement
from amsnet_basicsr.scheme.refine.partition_average import PartitionAverage
from amsnet_basicsr.scheme.refine.r3 import R3

__all__ = ['R3', 'REFINEMENTS', 'PartitionAverage', 'Refinement', 'build_refinement']

REFINEMENTS: dict[str, type[Refinement]] = {'R3': R3, 'PartitionAverage': PartitionAverage}
"""The refinements by their name in options: a new one needs a line here and a file of its own."""


def build_refinement(options: Mapping[str, Any] | None) -> Refinement | None:
    """Make a refinement from its options.

    Args:
        options: `{type: R3, samples: 8, prob: 0.16}`, `{type: PartitionAverage, samples: 8}`, or None for none.

    Returns:
        The refinement, or None.

    Raises:
        ValueError: If the type or a setting is unknown or out of range.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise ValueError(f'refine must be a mapping such as {{type: R3}} or ~, got {options!r}')
    settings = dict(options)
    kind = settings.pop('type', None)
    if not isinstance(kind, str) or kind not in REFINEMENTS:
        raise ValueError(f'refine: type must be one of {", ".join(REFINEMENTS)} (or refine: ~ for none), got {kind!r}')
    try:
        return REFINEMENTS[kind](**settings)
    except TypeError as error:
        raise ValueError(f'refine: {kind} has no such setting: {error}') from error
