"""The gate for every network that a file asks for: no download, no other file, nothing far larger than its weights."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor
from torch.nn.modules import module as hooks

from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.utils.text import one_line

FETCHING = ('VGGFeatureExtractor', 'DFDNet', 'PerceptualLoss')
"""Classes of BasicSR that download weights when they are built."""
_LARGEST_SETTING = 10_000
"""No network has a larger setting, and building one would take very long."""


def refuse_arguments(arch: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a network that would download or read a file when it is built, or has a setting that no network has."""
    if arch in FETCHING:
        raise WeightsError(f'{arch} downloads weights, and is no denoiser')
    for key, value in arguments.items():
        if key.endswith('path') and value:
            raise WeightsError(f'{key} would read another file; leave it out')
    for key, problem in too_large(arguments):
        raise WeightsError(f'{key}: {problem}')


def too_large(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the settings that no network has, also from within lists and groups, with what is wrong."""
    for key, value in arguments.items():
        if large := [number for number in _numbers(value) if abs(number) > _LARGEST_SETTING]:
            yield key, f'{one_line(str(large[0]), 80)} is more than any network has'


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, (list, tuple, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(item)


@contextmanager
def within(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Stop a network, while it is being built, as soon as it has far more parameters or layers than its weights."""
    values = sum(value.numel() for value in weights.values())
    left = {'parameters': 2 * values + 10**6, 'buffers': 2 * values + 10**7, 'layers': 100 * len(weights) + 1000}

    def count(kind: str, amount: int) -> None:
        left[kind] -= amount
        if left[kind] < 0:
            raise WeightsError(f'it asks for a network of far more {kind} than these weights have')

    def size(value: Tensor | None) -> int:
        return 0 if value is None else value.numel()

    with ExitStack() as stack:
        for hook in (
            hooks.register_module_parameter_registration_hook(lambda _, __, value: count('parameters', size(value))),
            hooks.register_module_buffer_registration_hook(lambda _, __, value: count('buffers', size(value))),
            hooks.register_module_module_registration_hook(lambda *_: count('layers', 1)),
        ):
            stack.callback(hook.remove)
        yield
