"""`amsnet-denoise export`: a denoising network for other programs, as ONNX or as weights; docs/denoise/export.md.

What is exported is the bare network. One trained with masks doesn't denoise on its own, so those are refused unless
asked for.
"""

import argparse
import copy
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from amsnet_basicsr.convert import WeightsError, read_file
from amsnet_basicsr.denoise.command.arguments import OneLineParser
from amsnet_basicsr.denoise.export.onnx_graph import (
    CHECKED_SIZES,
    OPSETS,
    TOLERANCE,
    OnnxError,
    check_onnx,
    suitable_shape,
    to_onnx,
)
from amsnet_basicsr.denoise.load_model import Model, ModelError, load_model
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import required_multiple
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error
from amsnet_basicsr.utils.text import first_line
from amsnet_basicsr.version import __version__

SUFFIXES = ('.onnx', '.safetensors', '.pth')
"""Kinds of files that are written."""
_INSTALL = "pip install 'amsnet-basicsr[onnx]'"


class ExportError(ValueError):
    """An export that can't be done; the message says why, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Export one network.

    Args:
        argv: Arguments after `export`; None takes those of the process.

    Returns:
        Exit status: 0 if the file has been written, 2 for wrong usage or a model that can't be used, 1 for all else.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        for line in export(
            args.output,
            args.model,
            args.opt,
            args.scheme,
            args.net_only,
            args.opset,
            args.check,
            args.overwrite,
            args.half,
            dict(args.metadata),
        ):
            print(line)
    except OSError as error:
        print(f'{parser.prog}: {write_error(args.output, error)}', file=sys.stderr)
        return 1
    except (ExportError, ModelError, OnnxError) as error:
        print(f'{parser.prog}: {" ".join(str(error).split())}', file=sys.stderr)
        return 2 if isinstance(error, ExportError | ModelError) else 1
    return 0


def export(
    output: Path | str,
    model: Path | str | None = None,
    opt: Path | str | None = None,
    scheme: str = 'auto',
    net_only: bool = False,
    opset: int | None = None,
    check: bool = True,
    overwrite: bool = False,
    half: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> list[str]:
    """Write a network as ONNX or as weights, whole or not at all.

    Args:
        output: File to write; its suffix is one of `SUFFIXES`.
        model: File of weights, see `Denoiser.from_pretrained`; None takes what the package ships.
        opt: Options file of BasicSR that tells network and scheme.
        scheme: 'amsnet', 'plain', or 'auto' for what the file says, else amsnet.
        net_only: Whether a network trained with masks may be exported, bare.
        opset: Version of the ONNX operators; None is 17.
        check: Whether to compare the file with the network before it gets its name.
        overwrite: Whether an existing file may be replaced.
        half: Whether weights are rounded to float16, which halves the file; computing stays in float32.
        metadata: What else to put into the file, a licence for one; not into .pth, which has no place for it.

    Returns:
        What was done and what to know about it, a sentence each.

    Raises:
        ExportError: If the request is mistaken, or the file read back differs from the network.
        ModelError: If the weights can't be used.
        OnnxError: If the network can't be exported, or the file doesn't do what the network does.
        OSError: If the file can't be written.
    """
    output = Path(output)
    suffix = output.suffix.lower()
    _refuse_output(output, suffix, opset, overwrite)
    if half and suffix == '.onnx':
        raise ExportError(f'--half is for files of weights, not for {output}')
    if metadata and suffix == '.pth':
        raise ExportError(f'--metadata: {output} has no place for it; use .safetensors or .onnx')
    if suffix == '.onnx':
        _need_packages(['onnx', 'onnxruntime'] if check else ['onnx'])
    try:
        loaded = load_model(model, opt)
    except OSError as error:
        raise ExportError(f'{error.filename or opt or model}: {error.strerror or error}') from None
    if os.path.exists(output) and os.path.exists(loaded.source) and os.path.samefile(output, loaded.source):
        raise ExportError(f'{output}: this is the file of weights itself; give another name')
    kind = loaded.scheme.type if scheme == 'auto' else scheme
    if kind == 'amsnet' and not net_only:
        raise ExportError(
            f'{loaded.source}: this network was trained with masks, or its file does not say how; run without them, as '
            'other programs run it, it keeps the noise it sees. --scheme plain if it was trained without masks; '
            '--net-only exports the bare network all the same'
        )
    if kind == 'plain':
        loaded.pool_locally()
    net = loaded.net.float().eval().requires_grad_(False)
    if half:
        net = net.half().float()  # what a reader of the file gets, and so what it is compared with
        for name, value in net.state_dict().items():
            if not value.isfinite().all():
                raise ExportError(f'--half: {name} holds values beyond those of float16; leave it out')
    multiple = _multiple(net, loaded.source)
    metadata = {**_metadata(loaded, kind), **(metadata or {})}
    notes = [note for note in loaded.notes if '--scheme' not in note]
    if suffix == '.onnx':
        opset = 17 if opset is None else opset
        content = to_onnx(net, multiple, {**metadata, 'size_multiple': str(multiple)}, opset)
        facts = [f'ONNX opset {opset}']
        if check:
            difference = check_onnx(content, net, multiple)
            facts.append(f'within {difference:.0e} of PyTorch in onnxruntime at {len(CHECKED_SIZES)} sizes')
    else:
        content = _weights_file(suffix, net, metadata, half)
        facts, found = _check_weights_file(suffix, content, loaded.arch, net, multiple) if check else ([], [])
        notes += found
    if kind == 'amsnet':
        notes.append('this is the bare network of a mask scheme: whoever runs it must hide the pixels that it predicts')
    elif suffix == '.pth':
        notes.append(f'a .pth file does not say how to run it: amsnet-denoise --model {output} --scheme plain')
    with atomic_write(output, overwrite, sync=True) as file:
        file.write(content)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    facts = [loaded.arch, f'{parameters:,} parameters', f'{max(len(content) / 1e6, 0.01):.2f} MB', *facts]
    return [*(f'Note: {note}' for note in notes), f'{output}: {", ".join(facts)}']


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog='amsnet-denoise export', description='Write a denoising network for other programs, as ONNX or as weights.'
    )
    parser.add_argument('-o', '--output', type=Path, required=True, help='file to write: .onnx, .safetensors or .pth')
    parser.add_argument('--model', type=Path, help='file of weights; default: the network that comes with the package')
    parser.add_argument('--opt', type=Path, help='options file of BasicSR that tells network and scheme')
    parser.add_argument(
        '--scheme',
        choices=('auto', 'amsnet', 'plain'),
        default='auto',
        help='how the network was trained; plain: without masks; default: what its file says, else amsnet',
    )
    parser.add_argument('--net-only', action='store_true', help='export a network trained with masks without them')
    parser.add_argument(
        '--opset', type=int, choices=OPSETS, metavar=f'{OPSETS[0]}..{OPSETS[-1]}', help='ONNX opset; default: 17'
    )
    parser.add_argument(
        '--check',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='compare the file with the network before it gets its name (default: yes)',
    )
    parser.add_argument('--half', action='store_true', help='store weights in float16: half the size (not for .onnx)')
    parser.add_argument(
        '--metadata', type=_pair, action='append', default=[], metavar='KEY=VALUE', help='put this into the file too'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing output')
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition('=')
    if not key or not equals:
        raise argparse.ArgumentTypeError(f'must be KEY=VALUE, got {text!r}')
    return key, value


def _refuse_output(output: Path, suffix: str, opset: int | None, overwrite: bool) -> None:
    if suffix not in SUFFIXES:
        raise ExportError(f'{output}: the name must end in {", ".join(SUFFIXES[:-1])} or {SUFFIXES[-1]}')
    if opset is not None and suffix != '.onnx':
        raise ExportError(f'--opset is for .onnx files, not for {output}')
    if opset is not None and opset not in OPSETS:
        raise ExportError(f'opset must be from {OPSETS[0]} to {OPSETS[-1]}, got {opset}')
    if os.path.isdir(output):
        raise ExportError(f'{output}: this is a folder; name a file in it')
    if os.path.lexists(output) and not overwrite:
        raise ExportError(f'{output}: exists already; --overwrite replaces it')
    if not os.path.isdir(output.parent):
        raise ExportError(f'{output.parent}: there is no such folder')
    if not os.access(output.parent, os.W_OK):
        raise ExportError(f'{output}: the folder cannot be written to')


def _need_packages(names: Sequence[str]) -> None:
    if missing := [name for name in names if find_spec(name) is None]:
        verb = 'is' if len(missing) == 1 else 'are'
        raise ExportError(f'{" and ".join(missing)} {verb} not installed: {_INSTALL}')


def _multiple(net: nn.Module, source: str) -> int:
    """Find the size multiple of a network that denoises RGB or grey images, refuse others."""
    try:
        multiple = required_multiple(net)
        with torch.no_grad():
            expected = suitable_shape(net, multiple)
            returned = tuple(net(torch.zeros(expected)).shape)
    except (ValueError, RuntimeError) as error:
        raise ExportError(f'{source}: the network takes neither RGB nor grey images: {first_line(error)}') from None
    if returned != expected:
        raise ExportError(f'{source}: the network returns {returned} for an image {expected}')
    return multiple


def _metadata(loaded: Model, kind: str) -> dict[str, str]:
    """Say what the network is, and keep what its own file says beside (a licence, say)."""
    own: Mapping[str, str] = {}
    if loaded.source.endswith('.safetensors'):
        with suppress(WeightsError):
            own = {key: value for key, value in read_file(Path(loaded.source))[1].items() if key != 'format'}
    scheme = DenoiserScheme('plain') if kind == 'plain' else loaded.scheme.model_copy(update={'type': kind})
    return {
        **own,
        'arch': loaded.arch,
        'hyper_parameters': json.dumps(loaded.options),
        'scheme': json.dumps(scheme.metadata()),
        'exported_by': f'amsnet-basicsr {__version__}',
    }


def _weights_file(suffix: str, net: nn.Module, metadata: Mapping[str, str], half: bool) -> bytes:
    # Copies: a view would take its whole storage along, and safetensors refuses shared ones.
    weights = {key: x.detach().clone(memory_format=torch.contiguous_format) for key, x in net.state_dict().items()}
    if half:
        weights = {key: x.half() if x.is_floating_point() else x for key, x in weights.items()}
    if suffix == '.safetensors':
        return save_safetensors(weights, {'format': 'pt', **metadata})
    buffer = io.BytesIO()
    torch.save({'params': weights}, buffer)
    return buffer.getvalue()


def _check_weights_file(
    suffix: str, content: bytes, arch: str, net: nn.Module, multiple: int
) -> tuple[list[str], list[str]]:
    """Read the file back, into a copy of the network and into spandrel; return facts and notes."""
    if suffix == '.safetensors':
        weights = load_safetensors(content)
    else:
        weights = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)['params']
    again = copy.deepcopy(net)
    for parameter in (*again.parameters(), *again.buffers()):
        parameter.data.zero_()
    again.load_state_dict(weights, strict=True)
    x = torch.rand(suitable_shape(net, multiple), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net(x)
        if not torch.equal(again(x), expected):
            raise ExportError('the weights that were written give another result than the network')
        return _check_in_spandrel(arch, weights, x, expected)


def _check_in_spandrel(
    arch: str, weights: dict[str, Tensor], x: Tensor, expected: Tensor
) -> tuple[list[str], list[str]]:
    if find_spec('spandrel') is None:
        return [], ["not tried in spandrel, which is not installed: pip install 'amsnet-basicsr[spandrel]'"]
    from spandrel import ModelLoader, UnsupportedModelError

    try:
        model = ModelLoader(device='cpu').load_from_state_dict(weights)
    except UnsupportedModelError:
        where = ' without its package spandrel_extra_arches' if arch == 'Restormer' else ''
        return [], [f'spandrel does not know {arch}{where}; the file is for BasicSR and amsnet-denoise']
    difference = (model.model.eval().float()(x) - expected).abs().max().item()
    if not difference <= TOLERANCE:
        name = model.architecture.name
        return [], [
            f'not for spandrel: it takes the file for its {name}, which gives another result ({difference:.0e})'
        ]
    return [f'within {difference:.0e} of it in spandrel'], []
