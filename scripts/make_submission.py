"""Denoise the SIDD benchmark or DND with a trained model and write what their servers take; docs/data/datasets.md."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from amsnet_basicsr.prepare import dnd_submission as dnd
from amsnet_basicsr.prepare import sidd_submission as sidd
from amsnet_basicsr.prepare.command import run_command
from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.mat_blocks import BLOCK, GRID
from amsnet_basicsr.prepare.whole_output import (
    check_space,
    compare_settings,
    discard,
    human_bytes,
    only_run,
    partial_path,
    publish,
    refuse_existing,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Make one of the submissions.

    Args:
        argv: Arguments; default: those of the command line.

    Returns:
        Exit status.
    """
    return run_command('make_submission.py', build_parser().parse_args(argv), lambda done: done.next)


def submit_sidd(args: argparse.Namespace) -> str:
    """Write SubmitSrgb.mat and SubmitSrgb.csv."""
    if (args.denoised is None) == (args.noisy is None) or (args.noisy is None) != (args.opt is None):
        raise PrepareError('give -opt and --noisy to denoise, or --denoised for blocks that are denoised already')
    mat, csv = args.output / 'SubmitSrgb.mat', args.output / 'SubmitSrgb.csv'
    for path in (mat, csv):
        refuse_existing(path, args.overwrite)
    with only_run(args.output):
        folder, method, seconds = args.denoised, args.method, 0.0
        if folder is None:
            folder = args.output / 'denoised'
            with sidd.open_noisy(args.noisy) as read:
                height, width, _ = read(0, 0).shape
                if not args.ignore_space:
                    # The PNGs and the .mat at most as they are, the CSV with a third more.
                    check_space(GRID[0] * GRID[1] * height * width * 10, args.output)
                denoise, name = begin(args, folder, args.noisy, '*.png')
                method = method or name
                _, seconds = sidd.denoise_blocks(read, denoise, folder)
        blocks = sidd.read_denoised(folder)
        if blocks.shape[2:] != BLOCK:
            print(f'Warning: the blocks have {blocks.shape[2]}×{blocks.shape[3]} pixels; SIDD has 256×256')
        args.output.mkdir(parents=True, exist_ok=True)
        about = {'MethodName': method or '', 'Authors': args.authors, 'PaperTitle': args.title, 'Venue': args.venue}
        sidd.write_mat(mat, blocks, seconds, about)
        sidd.write_csv(csv, blocks)
    sizes = [f'{path} ({human_bytes(path.stat().st_size)})' for path in (mat, csv)]
    return f'{" and ".join(sizes)}: {blocks.shape[0] * blocks.shape[1]} blocks' + (
        f', {seconds:.2f} s/MP' if seconds else ''
    )


def submit_dnd(args: argparse.Namespace) -> str:
    """Write the bundle of 50 files."""
    boxes = dnd.read_boxes(args.data)
    counts = [len(image) for image in boxes]
    if counts != [dnd.BOXES] * dnd.IMAGES:
        print(f'Warning: {len(counts)} images with {sum(counts)} boxes; DND has {dnd.IMAGES} with {dnd.BOXES} each')
    crops, bundled = args.output / 'crops', args.output / 'bundled'
    refuse_existing(bundled, args.overwrite)
    with only_run(args.output):
        if not args.ignore_space:
            values = sum(3 * int((y2 - y1 + 1) * (x2 - x1 + 1)) for image in boxes for y1, x1, y2, x2 in image)
            check_space(2 * 4 * values, args.output)
        denoise, _ = begin(args, crops, args.data, '*_*.mat')
        dnd.denoise_crops(args.data, boxes, denoise, crops)
        discard(partial_path(bundled))
        publish(dnd.bundle(crops, counts, bundled), bundled)
    size = sum(path.stat().st_size for path in bundled.iterdir())
    return f'{bundled}: {len(counts)} files with {sum(counts)} crops, {human_bytes(size)}'


def begin(args: argparse.Namespace, folder: Path, source: Path, pattern: str) -> tuple[Callable, str]:
    """Load the model and open, or go on with, the folder that keeps what is denoised."""
    from amsnet_basicsr.prepare.trained_model import TrainedModel  # imports PyTorch: after the quick checks

    model = TrainedModel(args.opt)
    if args.restart:
        discard(folder)
    folder.mkdir(parents=True, exist_ok=True)
    done = len(list(folder.glob(pattern)))
    settings = {**model.settings, 'input': source.name}
    compare_settings(folder, folder / 'settings.json', settings, done > 0)
    if done:
        print(f'Going on: {done} in {folder} are there already')
    return model.denoise, model.name


def build_parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    test_options = 'options as for basicsr/test.py, e.g. options/test_amsnet_restormer.yml; data sets are ignored'

    command = commands.add_parser('sidd', help='SubmitSrgb.mat and SubmitSrgb.csv (Kaggle)')
    command.add_argument('-opt', type=Path, help=test_options)
    command.add_argument(
        '--noisy', type=Path, help='BenchmarkNoisyBlocksSrgb.mat, or what prepare_sidd.py benchmark makes of it'
    )
    command.add_argument('--denoised', type=Path, help='instead: folder of denoised blocks II_JJ.png')
    command.add_argument('--method', help="name of the method in SubmitSrgb.mat; default: the options' name")
    for name in ('authors', 'title', 'venue'):
        command.add_argument(f'--{name}', default='', help='for SubmitSrgb.mat, optional')
    command.set_defaults(
        run=submit_sidd,
        next='Next: upload SubmitSrgb.csv to Kaggle, or SubmitSrgb.mat to the benchmark (docs/data/datasets.md)',
    )

    command = commands.add_parser('dnd', help='bundle of 50 .mat files')
    command.add_argument('-opt', type=Path, required=True, help=test_options)
    command.add_argument('--data', type=Path, required=True, help='folder with info.mat and images_srgb/')
    command.set_defaults(run=submit_dnd, next="Next: upload the bundle to DND's server (docs/data/datasets.md)")

    for command in commands.choices.values():
        command.add_argument('-o', '--output', type=Path, required=True, help='folder to write to')
        command.add_argument('--overwrite', action='store_true', help='replace an existing submission')
        command.add_argument('--restart', action='store_true', help='denoise again what earlier runs have denoised')
        command.add_argument('--ignore-space', action='store_true', help='skip the check of the free disk')
    return parser


if __name__ == '__main__':
    sys.exit(main())
