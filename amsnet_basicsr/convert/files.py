"""Reading and writing files of weights: tensors only, and whole or not at all."""

import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.text import first_line


def read_file(path: Path) -> tuple[Any, dict[str, str]]:
    """Return what a file of weights holds, on the CPU, and the metadata of a safetensors file. Nothing in it is run.

    What can't be read, or holds more than tensors and plain values, is a `WeightsError`.
    """
    if not os.path.isfile(path):
        raise WeightsError('there is no such file')
    try:
        with path.open('rb') as file:
            file.read(1)
    except OSError as error:
        raise WeightsError(f'it cannot be read: {error.strerror or error}') from None
    try:
        if path.suffix == '.safetensors':
            with safe_open(path, framework='pt') as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
        _refuse_bomb(path)
        return torch.load(path, map_location='cpu', weights_only=True), {}
    except WeightsError:
        raise
    except SafetensorError as error:
        raise WeightsError(f'it is damaged: {first_line(error)}') from None
    except MemoryError:
        raise WeightsError('there is not enough memory to read it') from None
    except Exception as error:  # any bytes may be in it, and PyTorch's reader may stumble over them in any way
        if match := re.search(r'GLOBAL ([\w.]{1,100})', str(error)):
            raise WeightsError(
                f'it holds more than tensors and plain values ({match[1]}), and may run code when opened; not opened'
            ) from None
        raise WeightsError('it is damaged, or no file of PyTorch weights') from None


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to more than it is: PyTorch compresses nothing."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > path.stat().st_size:
        raise WeightsError(f'it unpacks to {size / 1e6:.0f} MB, more than its own size; PyTorch writes no such file')


def write_file(
    path: Path,
    weights: Mapping[str, Tensor],
    arch: str,
    options: Mapping[str, Any],
    overwrite: bool = False,
    scheme: Mapping[str, Any] | None = None,
    crop: int | None = None,
) -> None:
    """Write weights for BasicSR (`.pth`, below `params`) or as safetensors, whole or not at all.

    A safetensors file gets metadata: `arch`, `hyper_parameters` (JSON), `scheme`, how the network is run, such as
    `{'type': 'plain'}` or `{'type': 'amsnet', 'stride': 2}`, and `crop`, the side of the crops that a network without
    masks was trained on.
    """
    if path.suffix not in ('.pth', '.safetensors'):
        raise WeightsError('the name must end in .pth or .safetensors')
    if path.exists() and not overwrite:
        raise WeightsError('it exists already; --overwrite replaces it')
    metadata = {'arch': arch, 'hyper_parameters': json.dumps(dict(options))}
    if scheme is not None:
        metadata['scheme'] = json.dumps(dict(scheme))
    if crop is not None:
        metadata['crop'] = str(crop)
    try:
        with atomic_write(path, sync=True) as file:
            file.write(encode_weights(path.suffix, weights, metadata))
    except OSError as error:
        raise WeightsError(f'it cannot be written: {error.strerror or error}') from None


def encode_weights(suffix: str, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the content of a file of weights; `.pth` has no place for metadata."""
    # Copies: a view would take its whole storage along, and safetensors refuses shared ones.
    copies = {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in weights.items()}
    if suffix == '.safetensors':
        return save(copies, {'format': 'pt', **metadata})
    buffer = io.BytesIO()
    torch.save({'params': copies}, buffer)
    return buffer.getvalue()
