"""From noisy images to a model for their noise, or to the finding that the model they started from is as good."""

import argparse
import copy
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit.adapt.measure import is_better, psnr, risks, run
from amsnet_basicsr.fit.adapt.noise import NoiseModel, describe, estimate_noise_model
from amsnet_basicsr.fit.adapt.tune import Tile, tune
from amsnet_basicsr.fit.images import Surveyed, find_images, read_pixels, spread, survey
from amsnet_basicsr.fit.patches import Box, plan_cuts, split, write_png
from amsnet_basicsr.fit.progress_images import MOST_ROWS, comparison
from amsnet_basicsr.fit.state import choose_device
from amsnet_basicsr.prepare.noise_correlation import noise_spectra
from amsnet_basicsr.utils.errors import UserError

_IMAGES = 32
_TILE, _TILES = 384, 12  # trained on: at most so many tiles, of at least such sides where images have them
_SIDE, _CROP = 256, 128  # of what is held out of a tile, at most, and of the crops that it is measured in
_MULTIPLE = 16
_ONE_IN = 4  # held out: whether a model is better must not hang on a single image


def adapt(args: argparse.Namespace, target: Path) -> Iterator[str]:
    """Adapt a model to images, and write it if it is better for them, with `comparison.png`; yields what to print."""
    device = choose_device(args.device)
    start = load_model(args.model)
    if start.scheme.type != 'plain':
        raise UserError(f'{start.source} denoises by masks; adapt takes a student, which denoises in one pass')
    train, held_out, summary = _read(args.images, target.parent, args.seed)
    yield summary
    net = copy.deepcopy(start.net)
    steps, began = 0, 0.0
    with tqdm(total=100, desc='adapting', unit='%', disable=None, leave=False) as bar:

        def progress(step: int) -> float:
            nonlocal steps, began
            steps, began = step, began if step else time.monotonic()
            share = step / args.steps if args.steps else (time.monotonic() - began) / args.seconds
            bar.update(min(100, int(100 * share)) - bar.n)
            return share

        net.load_state_dict(tune(net, train, progress, device, args.seed))
    nets = [start.net.to(device).eval(), net.eval()]
    for model in (start, replace(start, net=net)):
        model.pool_locally()  # as they will be run
    errors = risks(nets, held_out, device, args.seed)
    count, (before, after) = psnr(errors)
    judged = f'{before:.2f} dB by the model it started from, {after:.2f} dB adapted' if count else 'noise misjudged'
    yield f'{steps} steps; estimated PSNR on {count} of {len(errors)} held-out crops: {judged}'
    if not is_better(errors):
        yield (
            'The adapted model is not better beyond doubt, so it was not kept: use the model as it is, more --seconds, '
            'or amsnet-denoise fit'
        )
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.cpu() for name, value in net.state_dict().items()}
    write_file(target, weights, start.arch, start.options, overwrite=True, scheme={'type': 'plain'}, crop=start.crop)
    image = target.with_name('comparison.png')
    shown = sorted((tile for tile, _ in held_out), key=lambda tile: -float(tile.std()))[:MOST_ROWS]
    rows = [[tile, *(run(net, tile, device) for net in nets)] for tile in shown]
    write_png(image, comparison([[_to_8_bit(tile) for tile in row] for row in rows], ('noisy', 'before', 'adapted')))
    yield f'Done: {target}; look at {image} (noisy | before | adapted)'
    yield f'Next: amsnet-denoise IMAGES -o cleaned --model {shlex.quote(str(target.parent))}'


def _read(inputs: list[str], exclude: Path, seed: int) -> tuple[list[Tile], list[Tile], str]:
    """Read tiles to train on and to hold out, each with the noise of its image; and describe the noise."""

    def estimate(path: Path) -> tuple[Surveyed, NoiseModel]:  # of each image, as settings and cameras may differ
        pixels = read_pixels(path)
        try:
            return Surveyed(path, *pixels.shape[:2]), estimate_noise_model([noise_spectra(pixels)])
        except ValueError as error:
            raise ValueError(f'its noise cannot be estimated: {error}') from None

    noise_of = dict(survey(spread(find_images(inputs, exclude), _IMAGES), estimate)[0])
    train: list[Tile] = []
    held_out: list[Tile] = []
    for cut in plan_cuts(list(noise_of), _TILE, _TILES, seed, _ONE_IN):
        pixels, noise = read_pixels(cut.image.path), noise_of[cut.image]
        train += [(_tile(pixels, box, 2 * _TILE), noise) for box in cut.train]
        for top, left, bottom, right in cut.held_out:
            part = Surveyed(cut.image.path, min(bottom - top, _SIDE), min(right - left, _SIDE))
            boxes = [(top + y, left + x, top + y2, left + x2) for y, x, y2, x2 in split(part, _CROP)]
            held_out += [(_tile(pixels, box, _SIDE), noise) for box in boxes]
    return train, held_out, f'{len(noise_of)} images: {describe(list(noise_of.values()))}'


def _tile(pixels: np.ndarray, box: Box, most: int) -> np.ndarray:
    """Cut a tile, float32 in [0, 1], whose sides are multiples of what networks take."""
    top, left, bottom, right = box
    height, width = (min(side, most) // _MULTIPLE * _MULTIPLE for side in (bottom - top, right - left))
    return pixels[top : top + height, left : left + width].astype(np.float32) / 255


def _to_8_bit(image: np.ndarray) -> np.ndarray:
    return (image.clip(0, 1) * 255).round().astype(np.uint8)
