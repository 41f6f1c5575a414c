"""From noisy images to a model for their noise, or to the finding that the model they started from is as good."""

import copy
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise.load_model import Model, load_model
from amsnet_basicsr.fit.adapt.measure import is_better, risks, run
from amsnet_basicsr.fit.adapt.noise import NoiseModel, describe, estimate_noise_model
from amsnet_basicsr.fit.adapt.tune import tune
from amsnet_basicsr.fit.images import Box, Surveyed, find_images, plan_cuts, read_pixels, split, spread
from amsnet_basicsr.fit.progress_images import MOST_ROWS, comparison, write_png
from amsnet_basicsr.prepare.image_patches import LeftOutError
from amsnet_basicsr.prepare.noise_correlation import noise_spectra
from amsnet_basicsr.utils.errors import UserError

_IMAGES = 32
_TILE, _TILES = 384, 12  # trained on: at most so many tiles, of at least such sides where images have them
_SIDE, _CROP = 256, 128  # of what is held out of a tile, at most, and of the crops that it is measured in
_MULTIPLE = 16


@dataclass(frozen=True)
class Adaptation:
    """How to adapt.

    Attributes:
        seconds: Time for the fine-tuning.
        steps: Steps instead of a time.
        model: Weights to start from; None for the shipped student.
        seed: Seed of all draws.
        device: 'auto', 'cpu' or 'cuda'.
    """

    seconds: float = 90
    steps: int | None = None
    model: str | None = None
    seed: int = 0
    device: str = 'auto'


def adapt(inputs: Sequence[str], target: Path, how: Adaptation) -> Iterator[str]:
    """Adapt a model to images, and write it if it is better for them.

    Args:
        inputs: Folders, files and patterns.
        target: The file of the model; `comparison.png` is written beside it.
        how: How to adapt.

    Yields:
        Lines that say what was found and done.

    Raises:
        ValueError: If something can't be done.
    """
    if how.device == 'cuda' and not torch.cuda.is_available():
        raise UserError('--device cuda: PyTorch sees no such GPU here; --device cpu does without')
    device = torch.device('cuda' if how.device != 'cpu' and torch.cuda.is_available() else 'cpu')
    start = load_model(how.model)
    if start.scheme.type != 'plain':
        raise UserError(f'{start.source} denoises by masks; adapt takes a student, which denoises in one pass')
    train, held_out, lines = _read(inputs, target.parent, how.seed)
    yield from lines
    net = copy.deepcopy(start.net)
    with tqdm(total=100, desc='adapting', unit='%', disable=None, leave=False) as bar:
        steps, began = 0, time.monotonic()

        def progress(step: int) -> float:
            nonlocal steps, began
            if step == 0:
                began = time.monotonic()
            steps = step
            share = step / how.steps if how.steps else (time.monotonic() - began) / how.seconds
            bar.update(min(100, int(100 * share)) - bar.n)
            return share

        net.load_state_dict(tune(net, train, progress, device, how.seed))
    nets = [start.net.to(device).eval(), net.eval()]
    errors = risks(nets, held_out, device, how.seed)
    known = errors[np.isfinite(errors[:, 0])]
    before, after = (10 * np.log10(1 / max(value, 1e-7)) for value in known.mean(axis=0)) if len(known) else (0, 0)
    yield (
        f'{steps} steps; estimated PSNR on {len(known)} of {len(errors)} held-out crops: {before:.2f} dB by the model '
        f'it started from, {after:.2f} dB adapted'
    )
    if not is_better(errors):
        yield (
            'The adapted model is not better beyond doubt, so it was not kept: use the model as it is, more --seconds, '
            'or amsnet-denoise fit'
        )
        return
    yield from _write(target, start, nets, held_out, device)


def _read(
    inputs: Sequence[str], exclude: Path, seed: int
) -> tuple[list[tuple[np.ndarray, NoiseModel]], list[tuple[np.ndarray, NoiseModel]], list[str]]:
    """Read tiles to train on and to hold out, each with the noise of its image; and lines on the images."""
    paths = spread(find_images(inputs, exclude), _IMAGES)
    usable: list[Surveyed] = []
    noises: dict[Path, NoiseModel] = {}
    left_out: dict[Path, str] = {}
    for path in tqdm(paths, 'reading', unit='image', disable=None, leave=False):
        try:
            pixels = read_pixels(path)
            noises[path] = estimate_noise_model([noise_spectra(pixels)])  # of each, as settings and cameras may differ
            usable.append(Surveyed(path, *pixels.shape[:2]))
        except LeftOutError as error:
            left_out[path] = str(error)
        except ValueError as error:
            left_out[path] = f'its noise cannot be estimated: {error}'
    if not usable:
        path, reason = next(iter(left_out.items()))
        raise UserError(f'none of {len(paths)} images can be used; {path}: {reason}')
    train, held_out = [], []
    for cut in plan_cuts(usable, _TILE, _TILES, seed):
        if cut.train or cut.held_out:
            pixels, noise = read_pixels(cut.image.path), noises[cut.image.path]
            train += [(_tile(pixels, box, 2 * _TILE), noise) for box in cut.train]
            for top, left, bottom, right in cut.held_out:
                part = Surveyed(cut.image.path, min(bottom - top, _SIDE), min(right - left, _SIDE))
                boxes = [(top + y, left + x, top + y2, left + x2) for y, x, y2, x2 in split(part, _CROP)]
                held_out += [(_tile(pixels, box, _SIDE), noise) for box in boxes]
    lines = [f'left out: {path}: {reason}' for path, reason in left_out.items()]
    return train, held_out, [*lines, f'{len(usable)} images: {describe(list(noises.values()))}']


def _tile(pixels: np.ndarray, box: Box, most: int) -> np.ndarray:
    """Cut a tile, float32 in [0, 1], whose sides are multiples of what networks take."""
    top, left, bottom, right = box
    height, width = (min(side, most) // _MULTIPLE * _MULTIPLE for side in (bottom - top, right - left))
    return pixels[top : top + height, left : left + width].astype(np.float32) / 255


def _write(
    target: Path,
    start: Model,
    nets: list[torch.nn.Module],
    held_out: list[tuple[np.ndarray, NoiseModel]],
    device: torch.device,
) -> Iterator[str]:
    target.parent.mkdir(parents=True, exist_ok=True)
    shown = sorted((tile for tile, _ in held_out), key=lambda tile: -float(tile.std()))[:MOST_ROWS]
    rows = [[tile, *(run(net, tile, device) for net in nets)] for tile in shown]
    table = [[(image.clip(0, 1) * 255).round().astype(np.uint8) for image in row] for row in rows]
    image = target.parent / 'comparison.png'
    write_png(image, comparison(table, ('noisy', 'before', 'adapted')))
    weights = {name: value.cpu() for name, value in nets[1].state_dict().items()}
    write_file(target, weights, start.arch, start.options, overwrite=True, scheme={'type': 'plain'})
    folder = shlex.quote(str(target.parent))
    yield f'Done: {target}; look at {image} (noisy | before | adapted)'
    yield f'Next: amsnet-denoise IMAGES -o cleaned --model {folder}'
