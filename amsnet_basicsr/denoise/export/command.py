"""`amsnet-denoise export`: a denoising network for other programs, as ONNX or as weights; docs/denoise/export.md.

What is exported is the bare network. One trained with masks doesn't denoise on its own, so those are refused unless
asked for.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from amsnet_basicsr.convert.files import encode_weights
from amsnet_basicsr.denoise.command.arguments import OneLineParser, UsageError
from amsnet_basicsr.denoise.command.outputs import check_file
from amsnet_basicsr.denoise.export.onnx_file import CHECKED_SIZES, OPSETS, AnySize, ExportError, check_onnx, to_onnx
from amsnet_basicsr.denoise.export.weights_file import check_weights_file
from amsnet_basicsr.denoise.load_model import Model, ModelError, load_model
from amsnet_basicsr.scheme import channels_and_multiple
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error
from amsnet_basicsr.utils.finite import bad_tensors
from amsnet_basicsr.utils.text import print_line, say
from amsnet_basicsr.version import __version__

SUFFIXES = ('.onnx', '.safetensors', '.pth')
"""Kinds of files that are written."""


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
        lines = _export(args)
    except (UsageError, ModelError, ExportError, OSError) as error:
        reason = write_error(args.output, error) if isinstance(error, OSError) else ' '.join(str(error).split())
        print_line(f'{parser.prog}: {reason}', sys.stderr)
        return 2 if isinstance(error, UsageError | ModelError) else 1
    for line in lines:
        say(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog='amsnet-denoise export', description='Write a denoising network for other programs, as ONNX or as weights.'
    )
    add = parser.add_argument
    add('-o', '--output', type=Path, required=True, help='file to write: .onnx, .safetensors or .pth')
    add('--model', type=Path, help='file of weights; default: the network that comes with the package')
    add('--opt', type=Path, help='options file of BasicSR that tells network and scheme')
    scheme = 'how the network was trained; plain: without masks; default: what its file says, else amsnet'
    add('--scheme', choices=('auto', 'amsnet', 'plain'), default='auto', help=scheme)
    add('--net-only', action='store_true', help='export a network trained with masks without them')
    opsets = f'{OPSETS[0]}..{OPSETS[-1]}'
    add('--opset', type=int, choices=OPSETS, metavar=opsets, help='ONNX opset; default: 17')
    check = 'compare the file with the network before it gets its name (default: yes)'
    add('--check', action=argparse.BooleanOptionalAction, default=True, help=check)
    add('--half', action='store_true', help='store weights in float16: half the size (not for .onnx)')
    metadata = 'put this into the file too'
    add('--metadata', type=_pair, action='append', default=[], metavar='KEY=VALUE', help=metadata)
    add('--overwrite', action='store_true', help='replace an existing output')
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition('=')
    if not key or not equals:
        raise argparse.ArgumentTypeError(f'must be KEY=VALUE, got {text!r}')
    return key, value


def _export(args: argparse.Namespace) -> list[str]:
    """Write the file, whole or not at all; return what was done and what to know about it, a sentence each."""
    output, suffix = args.output, args.output.suffix.lower()
    _refuse_usage(args)
    loaded = _load(args)
    net = loaded.net.float().eval().requires_grad_(False)
    if args.half:
        net = net.half().float()  # what a reader of the file gets, and so what it is compared with
        if bad := bad_tensors(net):
            raise UsageError(f'--half: {bad[0]} holds values beyond those of float16; leave it out')
    try:
        wrapped = AnySize(net, *channels_and_multiple(net))
    except ValueError as error:
        raise ModelError(f'{loaded.source}: {error}') from None
    metadata = {
        **{key: value for key, value in loaded.metadata.items() if key != 'format'},  # its licence, say
        'arch': loaded.arch,
        'hyper_parameters': json.dumps(loaded.options),
        'scheme': json.dumps(loaded.scheme.metadata()),
        'exported_by': f'amsnet-basicsr {__version__}',
        **dict(args.metadata),
    }
    notes = list(loaded.notes)
    if suffix == '.onnx':
        opset = args.opset or 17
        content = to_onnx(wrapped, {**metadata, 'size_multiple': str(wrapped.multiple)}, opset)
        facts = [f'ONNX opset {opset}']
        if args.check:
            difference = check_onnx(content, wrapped)
            facts.append(f'within {difference:.0e} of PyTorch in onnxruntime at {len(CHECKED_SIZES)} sizes')
    else:
        weights = net.state_dict()
        if args.half:
            weights = {name: x.half() if x.is_floating_point() else x for name, x in weights.items()}
        content = encode_weights(suffix, weights, metadata)
        facts, found = check_weights_file(suffix, content, loaded.arch, wrapped) if args.check else ([], [])
        notes += found
    if loaded.scheme.type == 'amsnet':
        notes.append('this is the bare network of a mask scheme: whoever runs it must hide the pixels that it predicts')
    elif suffix == '.pth':
        notes.append(f'a .pth file does not say how to run it: amsnet-denoise --model {output} --scheme plain')
    with atomic_write(output, args.overwrite, sync=True) as file:
        file.write(content)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    facts = [loaded.arch, f'{parameters:,} parameters', f'{max(len(content) / 1e6, 0.01):.2f} MB', *facts]
    return [*(f'Note: {note}' for note in notes), f'{output}: {", ".join(facts)}']


def _refuse_usage(args: argparse.Namespace) -> None:
    """Raise a UsageError for what can be seen to fail before the model is loaded."""
    output, suffix = args.output, args.output.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f'{output}: the name must end in {", ".join(SUFFIXES[:-1])} or {SUFFIXES[-1]}')
    if args.opset is not None and suffix != '.onnx':
        raise UsageError(f'--opset is for .onnx files, not for {output}')
    if args.half and suffix == '.onnx':
        raise UsageError(f'--half is for files of weights, not for {output}')
    if args.metadata and suffix == '.pth':
        raise UsageError(f'--metadata: {output} has no place for it; use .safetensors or .onnx')
    check_file(output, args.overwrite)
    needed = {'onnx': suffix == '.onnx', 'onnxruntime': suffix == '.onnx' and args.check}
    if missing := [name for name, wanted in needed.items() if wanted and find_spec(name) is None]:
        are = 'is' if len(missing) == 1 else 'are'
        raise UsageError(f"{' and '.join(missing)} {are} not installed: pip install 'amsnet-basicsr[onnx]'")


def _load(args: argparse.Namespace) -> Model:
    """Load the network; one of the mask scheme with --net-only alone."""
    loaded = load_model(args.model, args.opt, args.scheme)
    if os.path.exists(args.output) and os.path.exists(loaded.source) and os.path.samefile(args.output, loaded.source):
        raise UsageError(f'{args.output}: this is the file of weights itself; give another name')
    if loaded.scheme.type == 'plain':
        loaded.pool_locally()
    elif not args.net_only:
        raise UsageError(
            f'{loaded.source}: this network was trained with masks, or its file does not say how; run without them, as '
            'other programs run it, it keeps the noise it sees. --scheme plain if it was trained without masks; '
            '--net-only exports the bare network all the same'
        )
    return loaded
