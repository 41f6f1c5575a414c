"""Read an official file as weights of a known network."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.convert.detect import NOT_IN_WEIGHTS, check_weights, detect_architecture
from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.convert.files import read_file
from amsnet_basicsr.convert.find_state_dict import find_tensors, take_denoiser
from amsnet_basicsr.utils.text import did_you_mean, one_line


@dataclass
class DenoiserWeights:
    """Weights of a known network.

    Attributes:
        arch: Name in `amsnet_basicsr.archs.ARCHS`.
        options: Its hyper-parameters.
        weights: Weights by name.
        source: Where in the file they were, e.g. 'state_dict: net.dn.branches.0.*'.
        assumed: The hyper-parameters that neither the weights, the metadata nor the caller gave.
        metadata: That of a safetensors file.
    """

    arch: str
    options: dict[str, Any]
    weights: dict[str, Tensor]
    source: str
    assumed: dict[str, Any]
    metadata: dict[str, str]

    def build(self) -> nn.Module:
        """Build the network with these weights, in evaluation mode."""
        net = ARCHS[self.arch](**self.options)
        net.load_state_dict(self.weights, strict=True)
        return net.eval()

    def network_g(self) -> str:
        """Return the `network_g` block of an options file, as YAML."""
        lines = ['network_g:', f'  type: {self.arch}']
        # JSON is YAML too, and keeps lists on one line.
        lines += [f'  {name}: {x if isinstance(x, str) else json.dumps(x)}' for name, x in self.options.items()]
        return '\n'.join(lines) + '\n'


def read_denoiser(
    path: Path | str,
    key: str | None = None,
    prefix: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> DenoiserWeights:
    """Read the weights of a denoiser from an official file, or one of ours.

    Args:
        path: The file.
        key: Top-level key to take; None chooses (the average `params_ema` before `params`).
        prefix: What the names of the denoiser's weights begin with; None finds it.
        options: Hyper-parameters to use instead of those found.

    Returns:
        The denoiser, compared with its network key by key.

    Raises:
        WeightsError: If it is no such file; the message starts with its name.
        ValueError: If the network has no such option.
    """
    path = Path(path)
    try:
        data, metadata = read_file(path)
        tensors, steps = find_tensors(data, key)
        weights, prefix = take_denoiser(tensors, prefix)
        arch, found = detect_architecture(weights)
    except WeightsError as error:
        raise WeightsError(f'{path}: {error}') from None
    told = {**_from_metadata(metadata, arch), **(options or {})}
    known = inspect.signature(ARCHS[arch]).parameters
    for name in told.keys() - known.keys():
        raise WeightsError(f'{arch} has no option {one_line(name)!r}; {did_you_mean(name, known)}')
    assumed = {name: value for name, value in NOT_IN_WEIGHTS.get(arch, {}).items() if name not in told}
    try:
        check_weights(weights, arch, {**found, **assumed, **told})
    except (WeightsError, TypeError) as error:
        raise WeightsError(f'{path}: with {told}, {arch} does not fit: {error}') from None
    source = ': '.join([*steps, f'{prefix}*'] if prefix else steps) or 'the top level'
    return DenoiserWeights(arch, {**found, **assumed, **told}, weights, source, assumed, metadata)


def _from_metadata(metadata: Mapping[str, str], arch: str) -> dict[str, Any]:
    """Take from the metadata what the weights do not show; the rest is read from the weights."""
    if metadata.get('arch') != arch:
        return {}
    try:
        options = json.loads(metadata.get('hyper_parameters', '{}'))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(options, dict):
        return {}
    return {name: options[name] for name in NOT_IN_WEIGHTS.get(arch, {}) if name in options}
