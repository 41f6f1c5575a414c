"""`amsnet-denoise adapt IMAGES -o my_model`: the shipped student for the noise of these images, in a minute or two."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from amsnet_basicsr.prepare.outputs import number, positive, refuse_existing, run_command
from amsnet_basicsr.utils.errors import UserError


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    result = argparse.ArgumentParser(
        prog='amsnet-denoise adapt',
        description='Fine-tune the shipped model to the noise of your images, which is estimated from them alone, and '
        'keep the result only if it is better on parts of them that it was not tuned on. Use it with '
        'amsnet-denoise IMAGES -o CLEANED --model OUT. For noise that this does not improve there is amsnet-denoise '
        'fit, which takes longer.',
    )
    add = result.add_argument
    add('images', nargs='+', metavar='IMAGES', help='folders, files or patterns; best of one camera at one setting')
    add('-o', '--output', required=True, metavar='OUT', help='folder for the model')
    length = result.add_mutually_exclusive_group()
    length.add_argument(
        '--seconds', type=number(float, 1e-3), default=90, help='time for the fine-tuning (default: 90)'
    )
    length.add_argument('--steps', type=positive, help='steps instead of a time: the same seed gives the same model')
    add('--model', metavar='WEIGHTS', help='start from this model instead of the shipped one')
    add('--seed', type=number(int, 0), default=0, help='seed of all random choices (default: 0)')
    add('--device', choices=('auto', 'cpu', 'cuda'), default='auto', help='where to run (default: a GPU if any)')
    add('--overwrite', action='store_true', help='replace a model that is there')
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 if it ran to its end, whether the model is kept or not, else 1, or 130."""
    args = parser().parse_args(argv)
    folder = Path(args.output).expanduser()
    return run_command('amsnet-denoise adapt', folder, lambda: _adapt(folder, args), 'nothing was written')


def _adapt(folder: Path, args: argparse.Namespace) -> Iterator[str]:
    if folder.exists() and not folder.is_dir():
        raise UserError(f'{folder} is a file; name a folder with -o')
    refuse_existing(folder / 'model.safetensors', args.overwrite)
    from amsnet_basicsr.fit.adapt.run import adapt  # imports PyTorch, which takes seconds

    yield from adapt(args, folder / 'model.safetensors')
