"""From a file of weights, alone or with its options file, to a network and the way to run it."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.convert import WeightsError, check_weights, read_denoiser, read_file
from amsnet_basicsr.convert.find_state_dict import find_tensors
from amsnet_basicsr.options.blocks import Scheme, SchemeOptions
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.utils.finite import bad_tensors
from amsnet_basicsr.utils.text import one_line

SHIPPED = Path(__file__).resolve().parent.parent / 'weights'
"""Folder of the weights that come with the package."""
STUDENT, TEACHER = 'sidd_student.safetensors', 'sidd_teacher.safetensors'
"""The weights there: what denoises unless something else is given, and the AMSNet that it has learned from."""
IN_A_FOLDER = 'model.safetensors'
"""The file that is meant where a folder is given as model."""


_FETCHING = ('VGGFeatureExtractor',)
"""Networks of BasicSR that download weights when they are built."""
TRAINING_CROP = 160
"""Side in pixels of the crops that plain networks learn from, where their file doesn't say it (metadata `crop`)."""


class ModelError(ValueError):
    """Weights can't be used; the message names the file and says why, in one line."""


@dataclass
class Model:
    """A network with its weights.

    Attributes:
        net: The network, in evaluation mode, on the CPU.
        arch: Its name.
        options: Its hyper-parameters.
        scheme: How to run it.
        source: Where the weights come from.
        notes: What was assumed, a sentence each.
        crop: Side in pixels of the crops that it was trained on, if it was trained without masks.
    """

    net: nn.Module
    arch: str
    options: dict[str, Any]
    scheme: Scheme
    source: str
    notes: list[str] = field(default_factory=list)
    crop: int = TRAINING_CROP

    def pool_locally(self) -> None:
        """Where the network pools globally, let it pool over windows of half more than its training crops.

        The result of a region then hardly depends on what lies far from it, in the image or beyond the tile. Not for
        masked networks: what they see are sub-images, of which only global pooling was tried.
        """
        if pool_locally := getattr(self.net, 'pool_locally', None):
            pool_locally(self.crop * 3 // 2)


def shipped_weights(name: str = STUDENT) -> Path:
    """Find weights that come with the package.

    Args:
        name: `STUDENT` or `TEACHER`.

    Returns:
        The file.

    Raises:
        ModelError: If they aren't there.
    """
    path = SHIPPED / name
    if not path.is_file():
        raise ModelError(f'no model was given and this installation has no {name}: give weights by --model')
    return path


def load_model(model: str | Path | None = None, opt: str | Path | None = None) -> Model:
    """Load a network.

    Without an options file the network is recovered from the names and shapes of the weights, and the way to run it
    from the metadata of a safetensors file. Weights that lie where BasicSR's training puts them
    (`experiments/NAME/models`) are read with the options file that it keeps there.

    Args:
        model: File of weights (.pth or .safetensors), or a folder with `model.safetensors`; None takes what the options
            file names, or else what the package ships.
        opt: Options file of BasicSR, whose `network_g` and `scheme` count.

    Returns:
        The network.

    Raises:
        ModelError: If a file is missing, damaged, holds other things than weights, doesn't fit, or has NaN in it.
    """
    try:
        options = read_options(str(opt)) if opt is not None else None
        if model is None:
            model = _named_in(options, opt) if options is not None else shipped_weights()
        path = Path(model)
        if path.is_dir():
            path = path / IN_A_FOLDER
        notes, named = [], options is not None
        if options is None and (kept := _kept_options(path)) is not None:
            options, opt = read_options(str(kept)), kept
            notes.append(f'network and scheme as in {kept}')
        loaded = _with_options(path, options, str(opt), named) if options is not None else _by_itself(path)
        loaded.notes = notes + loaded.notes
        _refuse_nan(path, loaded.net)
    except ModelError:
        raise
    except (WeightsError, ValueError) as error:
        raise ModelError(str(error)) from None
    return loaded


def _named_in(options: Mapping[str, Any], opt: str | Path | None) -> str:
    named = (options.get('path') or {}).get('pretrain_network_g')
    if not named:
        raise ModelError(f'{opt} names no weights (path: pretrain_network_g); give them by --model')
    return named


def _kept_options(path: Path) -> Path | None:
    """Find the options that BasicSR copied beside the folder of weights, if there is no doubt which."""
    if path.suffix != '.pth' or path.parent.name != 'models':
        return None
    name = path.resolve().parent.parent
    own = name / f'{name.name}.yml'
    return own if own.is_file() else None


def _by_itself(path: Path) -> Model:
    denoiser = read_denoiser(path)
    notes = [
        f'{path.name} does not say {name}; {value} is assumed (an options file tells: --opt)'
        for name, value in denoiser.assumed.items()
    ]
    metadata = read_file(path)[1] if path.suffix == '.safetensors' else {}
    if 'scheme' in metadata:
        try:
            settings = json.loads(metadata['scheme'])
            if not isinstance(settings, dict):
                raise ValueError('scheme: must be a group of settings')
            scheme = Scheme.read(settings, 'scheme')
        except (ValueError, TypeError, RecursionError) as error:
            raise ModelError(f'{path}: its metadata is damaged: {one_line(str(error))}') from None
    else:
        scheme = Scheme()
        notes.append(
            f'{path.name} does not say how it was trained; run with masks, as AMSNet (--scheme plain: one pass)'
        )
    stated = metadata.get('crop', '')
    crop = int(stated) if re.fullmatch(r'[1-9]\d{1,3}', stated) else TRAINING_CROP
    return Model(denoiser.build(), denoiser.arch, denoiser.options, scheme, str(path), notes, crop)


def _with_options(path: Path, options: Mapping[str, Any], opt: str, named: bool) -> Model:
    network = dict(options.get('network_g') or {})
    arch = network.pop('type', None)
    if not isinstance(arch, str):
        raise ModelError(f'{opt} has no network_g with a type')
    if options.get('model_type') == 'APBSNModel':
        raise ModelError(f'{opt}: AP-BSN runs in BasicSR only (basicsr/test.py)')
    data, _ = read_file(path) if path.is_file() else _missing(path)
    key = (options.get('path') or {}).get('param_key_g')
    if not isinstance(key, str) or not isinstance(data, Mapping) or key not in data:
        key = None  # BasicSR falls back likewise; the average of the weights is taken where there is one
    try:
        weights, _ = find_tensors(data, key)
        _refuse_network(path, arch, network, weights, opt, named)
        net = _build(arch, network, opt)
        net.load_state_dict(weights, strict=True)
    except WeightsError as error:
        raise ModelError(f'{path}: {error}') from None
    except RuntimeError as error:  # PyTorch lists every key; the first line that names one is enough
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise ModelError(f'{path} does not fit network_g of {opt}: {lines[0][:300]}') from None
    block = options.get('scheme')
    plain = options.get('model_type') != 'AMSNetModel' and block is None
    scheme = Scheme('plain') if plain else SchemeOptions.from_options(block).denoising()
    return Model(net.eval(), arch, network, scheme, str(path))


def _missing(path: Path) -> Any:
    raise ModelError(f'{path}: there is no such file')


def _refuse_network(
    path: Path, arch: str, network: Mapping[str, Any], weights: Mapping[str, Tensor], opt: str, named: bool
) -> None:
    """Refuse to build what a file may not ask for: a download, another file, a network far larger than its weights.

    A file of options that merely lies beside the weights may name our own networks alone.
    """
    if arch not in ARCHS and arch != 'SpandrelArch' and not named:
        raise ModelError(f'{opt} asks for {arch}, which is not one of our networks; if you trust it: --opt {opt}')
    if arch in _FETCHING:
        raise ModelError(f'{opt}: network_g: {arch} downloads weights, and is no denoiser')
    largest = max([4096, len(weights), *(side for value in weights.values() for side in value.shape)])
    for key, value in network.items():
        flat = [inner for outer in (value if isinstance(value, list) else [value])
                for inner in (outer if isinstance(outer, list) else [outer])]  # fmt: skip
        if key.endswith('path') and value:
            raise ModelError(f'{opt}: network_g: {key} would read another file; leave it out')
        numbers = [one for one in flat if isinstance(one, int | float) and not isinstance(one, bool)]
        if len(flat) > 100 or any(abs(number) > largest for number in numbers):
            raise ModelError(f'{opt}: network_g: {key} is far beyond these weights: {one_line(str(value), 80)}')
    if arch in ARCHS:
        with suppress(TypeError):  # an argument that it does not have, which building it will name
            try:
                check_weights(weights, arch, network)
            except WeightsError as error:
                raise ModelError(f'{path} does not fit network_g of {opt}: {error}') from None


def _build(arch: str, network: dict[str, Any], opt: str) -> nn.Module:
    if arch in ARCHS:
        kind: Any = ARCHS[arch]
    elif arch == 'SpandrelArch':
        from amsnet_basicsr.archs.spandrel_arch import SpandrelArch as kind  # noqa: N813
    else:
        import basicsr.archs  # noqa: F401  one of BasicSR's own, which takes its seconds to import
        from basicsr.utils.registry import ARCH_REGISTRY

        if arch not in ARCH_REGISTRY:
            raise ModelError(
                f'{opt}: no network is called {arch!r}; known are {", ".join(ARCHS)} and those of BasicSR; '
                '--import PACKAGE registers your own'
            )
        kind = ARCH_REGISTRY.get(arch)
    try:
        return kind(**network)
    except (TypeError, ValueError, RuntimeError, AssertionError, ArithmeticError, LookupError) as error:
        raise ModelError(f'{opt}: network_g: {arch}: {one_line(str(error) or type(error).__name__)}') from None


def _refuse_nan(path: Path, net: nn.Module) -> None:
    if bad := bad_tensors(net):
        raise ModelError(f'{path}: {bad[0]} holds NaN or infinite values; the training that wrote it went wrong')
