"""From a file of weights, alone or with its options file, to a network and the way to run it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.convert import WeightsError, check_weights, read_denoiser, read_file
from amsnet_basicsr.convert.find_state_dict import find_tensors
from amsnet_basicsr.convert.network_gate import refuse_arguments, within
from amsnet_basicsr.options.blocks import DenoiserScheme, SchemeOptions
from amsnet_basicsr.options.complete import without_neutral
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.utils.finite import bad_tensors
from amsnet_basicsr.utils.text import one_line

SHIPPED = Path(__file__).resolve().parent.parent / 'weights'
"""Folder of the weights that ship."""
STUDENT, TEACHER = 'sidd_student.safetensors', 'sidd_teacher.safetensors'
"""The weights there: the default model, and the AMSNet that it has learned from."""
IN_A_FOLDER = 'model.safetensors'
"""The file that is meant where a folder is given as model."""
TRAINING_CROP = 160
"""Side in pixels of the crops that a network without masks was trained on, unless its metadata says (`crop`)."""


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
        metadata: That of a safetensors file.
        notes: What was assumed, a sentence each.
        crop: Side in pixels of the crops that it was trained on, if it was trained without masks.
    """

    net: nn.Module
    arch: str
    options: dict[str, Any]
    scheme: DenoiserScheme
    source: str
    metadata: dict[str, str]
    notes: list[str] = field(default_factory=list)
    crop: int = TRAINING_CROP

    def pool_locally(self) -> None:
        """Where the network pools globally, let it pool over windows of one and a half training crops.

        The result then hardly depends on what lies far away, in the image or beyond the tile. Not for masked networks:
        what they see are sub-images, of which only global pooling was tried.
        """
        if pool_locally := getattr(self.net, 'pool_locally', None):
            pool_locally(self.crop * 3 // 2)


def shipped_weights(name: str = STUDENT) -> Path:
    """Return the file of weights that ship, `STUDENT` or `TEACHER`; a ModelError if it isn't there."""
    path = SHIPPED / name
    if not path.is_file():
        raise ModelError(f'no model was given and this installation has no {name}: give weights by --model')
    return path


def load_model(
    model: str | Path | None = None, opt: str | Path | None = None, scheme: str = 'auto', **changes: Any
) -> Model:
    """Load a network; a ModelError says which file can't be used and why.

    Without an options file the network is recovered from the names and shapes of the weights, and the way to run it
    from the metadata of a safetensors file. Weights that lie where BasicSR's training puts them
    (`experiments/NAME/models`) are read with the options file that it keeps there.

    Args:
        model: File of weights (.pth or .safetensors), or a folder with `model.safetensors`; None takes what the options
            file names, or else what ships.
        opt: Options file of BasicSR, whose `network_g` and `scheme` count.
        scheme: Type of the scheme, amsnet or plain; auto for what the files say, else amsnet.
        changes: Other settings of the scheme, which replace those of the files; a ValueError if they mean nothing.
    """
    try:
        options = None if opt is None else read_options(str(opt))  # read once: it may be a pipe
        if model is None:
            model = shipped_weights() if options is None else _named_in(options, opt)
        path = Path(model)
        if os.path.isdir(path):
            path = path / IN_A_FOLDER
        if options is not None:
            loaded = _with_options(path, options, str(opt), trusted=True)
        elif (kept := _kept_options(path)) is not None:
            loaded = _with_options(path, read_options(str(kept)), str(kept), trusted=False)
            loaded.notes.append(f'network and scheme as in {kept}')
        else:
            loaded = _by_itself(path, scheme)
    except ValueError as error:
        raise ModelError(str(error)) from None
    except OSError as error:
        raise ModelError(f'{error.filename or opt or model}: {error.strerror or error}') from None
    if bad := bad_tensors(loaded.net):
        raise ModelError(f'{path}: {bad[0]} holds NaN or infinite values; the training that wrote it went wrong')
    kind = loaded.scheme.type if scheme == 'auto' else scheme
    if kind == 'plain':
        if wrong := [name for name, value in changes.items() if value is not None]:
            raise ValueError(f'{wrong[0]} needs the mask scheme, and {loaded.source} is run in one pass (plain)')
        loaded.scheme = DenoiserScheme('plain')
    else:
        loaded.scheme = DenoiserScheme.read({**loaded.scheme.model_dump(), **changes, 'type': kind}, 'scheme')
    return loaded


def _named_in(options: Mapping[str, Any], opt: str | Path | None) -> str:
    named = (options.get('path') or {}).get('pretrain_network_g')
    if not named:
        raise ModelError(f'{opt} names no weights (path: pretrain_network_g); give them by --model')
    return named


def _kept_options(path: Path) -> Path | None:
    """Find the options that BasicSR copied beside the folder of weights."""
    if path.suffix != '.pth' or path.parent.name != 'models':
        return None
    experiment = path.resolve().parent.parent
    kept = experiment / f'{experiment.name}.yml'
    return kept if kept.is_file() else None


def _by_itself(path: Path, scheme_type: str) -> Model:
    denoiser = read_denoiser(path)
    notes = [
        f'{path.name} does not say {name}; {value} is assumed (an options file tells: --opt)'
        for name, value in denoiser.assumed.items()
    ]
    metadata = denoiser.metadata
    try:
        settings = json.loads(metadata.get('scheme', '{}'))
        if not isinstance(settings, dict):
            raise ValueError('scheme: must be a group of settings')
        scheme = DenoiserScheme.read(settings, 'scheme')
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f'{path}: its metadata is damaged: {one_line(str(error))}') from None
    if 'scheme' not in metadata and scheme_type == 'auto':
        notes.append(
            f'{path.name} does not say how it was trained; run with masks, as AMSNet (--scheme plain: one pass)'
        )
    stated = metadata.get('crop', '')
    crop = int(stated) if re.fullmatch(r'[1-9]\d{1,3}', stated) else TRAINING_CROP
    return Model(denoiser.build(), denoiser.arch, denoiser.options, scheme, str(path), metadata, notes, crop)


def _with_options(path: Path, options: Mapping[str, Any], opt: str, trusted: bool) -> Model:
    """Load weights as an options file says; one that merely lies beside them may ask for our own networks alone."""
    network = without_neutral(options.get('network_g') or {})
    arch = network.pop('type', None)
    if not isinstance(arch, str):
        raise ModelError(f'{opt} has no network_g with a type')
    if options.get('model_type') == 'APBSNModel':
        raise ModelError(f'{opt}: AP-BSN runs in BasicSR only (basicsr/test.py)')
    if arch not in ARCHS and arch != 'SpandrelArch' and not trusted:
        raise ModelError(f'{opt} asks for {arch}, which is not one of our networks; if you trust it: --opt {opt}')
    try:
        data, metadata = read_file(path)
        key = (options.get('path') or {}).get('param_key_g')
        if not isinstance(key, str) or not isinstance(data, Mapping) or key not in data:
            key = None  # BasicSR falls back likewise; the average of the weights is taken where there is one
        weights, _ = find_tensors(data, key)
    except WeightsError as error:
        raise ModelError(f'{path}: {error}') from None
    net = _build(arch, network, weights, opt)
    try:
        if arch in ARCHS:
            check_weights(weights, arch, network)
        net.load_state_dict(weights, strict=True)
    except WeightsError as error:
        raise ModelError(f'{path} does not fit network_g of {opt}: {error}') from None
    except RuntimeError as error:  # PyTorch lists every key; the first line that names one is enough
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise ModelError(f'{path} does not fit network_g of {opt}: {lines[0][:300]}') from None
    block = options.get('scheme')
    plain = options.get('model_type') != 'AMSNetModel' and block is None
    scheme = DenoiserScheme('plain') if plain else SchemeOptions.read(block, 'scheme').denoising()
    return Model(net.eval(), arch, network, scheme, str(path), metadata)


def _build(arch: str, network: dict[str, Any], weights: Mapping[str, Tensor], opt: str) -> nn.Module:
    if arch in ARCHS:
        kind: Any = ARCHS[arch]
    elif arch == 'SpandrelArch':
        from amsnet_basicsr.archs.spandrel_arch import SpandrelArch as kind  # noqa: N813
    else:
        from amsnet_basicsr.patches import torchvision_alias  # noqa: F401  before BasicSR

        # isort: split
        import basicsr.archs  # noqa: F401  one of BasicSR's own, which takes its seconds to import
        from basicsr.utils.registry import ARCH_REGISTRY

        if arch not in ARCH_REGISTRY:
            raise ModelError(
                f'{opt}: no network is called {arch!r}; known are {", ".join(ARCHS)} and those of BasicSR; '
                '--import PACKAGE registers your own'
            )
        kind = ARCH_REGISTRY.get(arch)
    try:
        refuse_arguments(arch, network)
        with within(weights):
            return kind(**network)
    except WeightsError as error:
        raise ModelError(f'{opt}: network_g: {error}') from None
    except Exception as error:  # whatever a network has against its arguments
        raise ModelError(f'{opt}: network_g: {arch}: {one_line(error)}') from None
