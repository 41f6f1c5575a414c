"""`amsnet-denoise fit IMAGES -o my_model`: a denoiser for your own images, trained on them alone."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import Any

from amsnet_basicsr.fit.state import NAME, SMALLEST, Fit, Settings, choose_device
from amsnet_basicsr.prepare.outputs import check_space, differences, discard, number, positive, run_command
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.text import say

_RESULTS = ('model.safetensors', 'teacher.safetensors', 'report.md', 'progress')
"""What --restart keeps of a finished fit."""
_WORK = (
    'patches', 'pairs', 'experiments', 'teacher.yml', 'student.yml', 'teacher.log', 'student.log', 'init.pth',
    'student_init.pth', 'student.safetensors',
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    result = argparse.ArgumentParser(
        prog='amsnet-denoise fit',
        description='Train a denoiser on your own noisy images alone: no clean images are needed. Use it with '
        'amsnet-denoise IMAGES -o CLEANED --model OUT. The same command again resumes after an interruption.',
    )
    add = result.add_argument
    add('images', nargs='*', metavar='IMAGES', help='folders, files or patterns; may be left out to resume')
    add('-o', '--output', required=True, metavar='OUT', help='work folder, which becomes the model')
    time = result.add_mutually_exclusive_group()
    time.add_argument('--minutes', type=number(float, 1e-6), help='time that it may take, about (default: 15)')
    time.add_argument(
        '--iterations',
        type=positive,
        help='training steps of the teacher, instead of a time; the student takes half as many',
    )
    add('--seed', type=number(int, 0), help='seed of all random choices (default: 0)')
    add('--width', type=positive, help='width of the network (default: 16; more is slower and better in the end)')
    add('--patch', type=number(int, SMALLEST), help='least side of the training patches in pixels (default: 256)')
    add('--patches', type=positive, help='most patches to cut (default: 1000, about 200 MB)')
    add('--batch', type=positive, help='crops in a training step (default: 2 on a CPU, 16 on a GPU)')
    add('--train-stride', type=number(int, 1, 8), help='distance at which noise is independent (default: estimated)')
    add('--test-stride', type=positive, help='stride while denoising (default: 2, 1 for white noise)')
    add(
        '--init',
        metavar='WEIGHTS',
        help='weights for the teacher to start from, e.g. teacher.safetensors of a fit; none: from scratch '
        '(default: the shipped teacher, if --width is 16)',
    )
    add('--device', choices=('auto', 'cpu', 'cuda'), default='auto', help='where to train (default: a GPU if any)')
    add('--workers', type=number(int, 0), help='processes that read images (default: 0 on a CPU, else 4)')
    add('--restart', action='store_true', help='start over; a finished model is kept in OUT/previous-1, -2, …')
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments; returns 0 if the model is there, else 1, or 130 if interrupted."""
    args = parser().parse_args(argv)
    folder = Path(args.output).expanduser()
    return run_command('amsnet-denoise fit', folder, lambda: _fit(folder, args))


def _fit(folder: Path, args: argparse.Namespace) -> list[str]:
    given = _given(args)
    if Fit.read(folder) is None and not args.images:  # refuse a foreign folder before writing a lock beside it
        raise UserError('give images: folders, files or patterns')
    images = _list_images(args.images, folder)
    device = choose_device(args.device)
    with exclusive_lock(folder):
        fit = Fit.read(folder)
        settings = Settings(**given)
        if fit is not None:
            changed = [] if args.restart else _differences(fit, given, images)
            if changed and fit.done('plan'):
                raise UserError(
                    f'{folder} was begun differently: {", ".join(changed)}. Give the same, another -o, or --restart'
                )
            if changed or args.restart:  # nothing has been trained yet, or it is not wanted
                images, settings, fit = images or fit.images, replace(fit.settings, **given), None
        if fit is None:
            fit = _begin(folder, settings, images)
        default = min(4, (os.cpu_count() or 2) // 2) if device.type == 'cuda' else 0
        fit.device, fit.workers = device, default if args.workers is None else args.workers
        return _run(fit)


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Take the settings that were given."""
    given = {field.name: getattr(args, field.name) for field in fields(Settings)}
    given = {name: value for name, value in given.items() if value is not None}
    if 'minutes' in given:
        given['iterations'] = None
    if given.get('init', 'none') != 'none':
        given['init'] = str(Path(given['init']).expanduser().resolve())
    return given


def _list_images(inputs: list[str], folder: Path) -> dict[str, int | None]:
    """Bytes of each image by its path, None for a link to nothing or where one may not look; none without inputs."""
    from amsnet_basicsr.fit.patches import find_images

    sizes: dict[str, int | None] = {}
    for path in find_images(inputs, folder) if inputs else []:
        sizes[str(path)] = None
        with suppress(OSError):
            sizes[str(path)] = path.stat().st_size
    return sizes


def _differences(fit: Fit, given: dict[str, Any], images: dict[str, int | None]) -> list[str]:
    """List what differs from when the fit began, e.g. `width 4 instead of 8`."""
    differing = differences({name: value for name, value in vars(fit.settings).items() if name in given}, given)
    if images and images != fit.images:
        path = min(path for path, _ in images.items() ^ fit.images.items())
        what = 'is new' if path not in fit.images else 'has changed' if path in images else 'is no longer there'
        differing.append(f'other images ({path} {what})')
    return differing


def _begin(folder: Path, settings: Settings, images: dict[str, int | None]) -> Fit:
    """Start over: check everything, then put an earlier fit's results aside and remove its files."""
    from amsnet_basicsr.fit.networks import check_init, network_bytes, start_weights

    init = start_weights(settings)
    if init is not None and init.is_relative_to(folder.resolve()):
        raise UserError(f'--init {init} is in the work folder itself, which starts over; give another -o')
    check_init(settings)
    check_space(network_bytes(settings.width), folder, 'a smaller --width')
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / _RESULTS[0]).exists():
        aside = next(path for number in count(1) if not (path := folder / f'previous-{number}').exists())
        aside.mkdir()
        for name in (*_RESULTS, NAME):
            if (folder / name).exists():
                os.rename(folder / name, aside / name)
    for name in (*_WORK, *_RESULTS, NAME):
        discard(folder / name)
    return Fit.begin(folder, settings, images)


def _run(fit: Fit) -> list[str]:
    from amsnet_basicsr.fit import report  # imports PyTorch, which takes seconds
    from amsnet_basicsr.fit.stages.pack import is_finished
    from amsnet_basicsr.fit.stages.run import run_stages

    folder = fit.folder
    if is_finished(fit):
        return [f'{folder} is finished: see {folder / "report.md"}; --restart starts over']
    run_stages(fit)
    say(f'\n{"Done" if report.is_advised(fit) else "Done, but not clearly better"}: {folder / _RESULTS[0]}')
    say(f'Look at {folder / "progress" / "result.png"} (noisy | teacher | student); figures in {folder / "report.md"}')
    doubts = report.doubts(fit) or ['The student denoises nearly as its teacher does.']
    return [*doubts, 'Next:', *report.next_steps(fit)]


if __name__ == '__main__':
    sys.exit(main())
