"""Convert official weights (AMSNet, Restormer, NAFNet, AP-BSN) to BasicSR or safetensors; docs/extend/weights.md."""

import argparse
import json
import sys
from pathlib import Path

from amsnet_basicsr.convert import WeightsError, read_denoiser, write_file
from amsnet_basicsr.options.force_yml import parse_value


def main() -> int:
    """Convert one file and print the options that use it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('input', type=Path, help='official file, or one of ours: .pth, .pt, .ckpt, .safetensors')
    parser.add_argument('-o', '--output', type=Path, required=True, help='.pth for BasicSR, or .safetensors')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing output')
    parser.add_argument('--set', metavar='NAME=VALUE', action='append', default=[], help='e.g. dilated=false for DBSNl')
    parser.add_argument('--key', help='top-level key of the weights, e.g. params; default: params_ema before params')
    parser.add_argument('--prefix', help='take only what begins with it, e.g. net.dn.branches.0.; default: found')
    args = parser.parse_args()
    try:
        if args.output.exists() and not args.overwrite:
            raise WeightsError(f'{args.output}: it exists already; --overwrite replaces it')
        denoiser = read_denoiser(args.input, args.key, args.prefix, dict(map(parse_option, args.set)))
        net = denoiser.build()
        try:
            write_file(args.output, denoiser.weights, denoiser.arch, denoiser.options, args.overwrite)
        except WeightsError as error:
            raise WeightsError(f'{args.output}: {error}') from None
    except ValueError as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    parameters = sum(parameter.numel() for parameter in net.parameters())
    print(f'{denoiser.arch}, {parameters:,} parameters, from {denoiser.source} of {args.input}: saved as {args.output}')
    for name, value in denoiser.assumed.items():
        value = json.dumps(value)
        print(f'{name}: {value} is assumed, as weights do not tell; --set {name}=… changes it')
    if denoiser.arch == 'DnCNN':
        print('Activations are taken to be ReLUs, as weights do not tell')
    print(f'\n{denoiser.network_g()}', end='')
    if args.output.suffix == '.pth':
        print(f'path:\n  pretrain_network_g: {args.output}\n  param_key_g: params')
    return 0


def parse_option(text: str) -> tuple[str, object]:
    """Split NAME=VALUE, the value in YAML."""
    name, equals, value = text.partition('=')
    if not equals:
        raise ValueError(f'--set {text}: NAME=VALUE expected, e.g. --set dilated=false')
    try:
        return name, parse_value(value)
    except ValueError as error:
        raise ValueError(f'--set {text}: {error}') from None


if __name__ == '__main__':
    sys.exit(main())
