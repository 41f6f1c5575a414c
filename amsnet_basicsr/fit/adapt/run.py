"""From noisy images to a model for their noise, or to the finding that the model they started from is as good."""

import argparse
import copy
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit.adapt.measure import as_run, as_tile, is_better, psnr, risks, run
from amsnet_basicsr.fit.adapt.noise import NoiseModel, describe, estimate_noise_model
from amsnet_basicsr.fit.adapt.tune import Tile, tune
from amsnet_basicsr.fit.patches import Size, find_images, plan_cuts, read_pixels, split, spread, survey, write_png
from amsnet_basicsr.fit.progress_images import MOST_ROWS, comparison
from amsnet_basicsr.fit.state import choose_device
from amsnet_basicsr.prepare.noise_correlation import noise_spectra
from amsnet_basicsr.utils.errors import UserError

_IMAGES = 32
_TILE, _TILES = 384, 12  # trained on: at most so many tiles, of at least such sides where images have them
_SIDE, _CROP = 256, 128  # of what is held out of a tile, at most, and of the crops that it is measured in
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
    steps, weights = tune(net, train, args.seconds, args.steps, device, args.seed)
    net.load_state_dict(weights)
    nets = as_run([start, replace(start, net=net)], device)
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
    weights = {name: value.cpu() for name, value in weights.items()}
    write_file(target, weights, start.arch, start.options, overwrite=True, scheme={'type': 'plain'}, crop=start.crop)
    image = target.with_name('comparison.png')
    shown = sorted((tile for tile, _ in held_out), key=lambda tile: -float(tile.std()))[:MOST_ROWS]
    rows = [[tile, *(run(net, tile, device) for net in nets)] for tile in shown]
    write_png(image, comparison([[_to_8_bit(tile) for tile in row] for row in rows], ('noisy', 'before', 'adapted')))
    yield f'Done: {target}; look at {image} (noisy | before | adapted)'
    yield f'Next: amsnet-denoise IMAGES -o cleaned --model {shlex.quote(str(target.parent))}'


def _read(inputs: list[str], exclude: Path, seed: int) -> tuple[list[Tile], list[Tile], str]:
    """Read tiles to train on and to hold out, each with the noise of its image; and describe the noise."""

    def estimate(path: Path) -> tuple[Size, NoiseModel]:  # of each image, as settings and cameras may differ
        pixels = read_pixels(path)
        try:
            return pixels.shape[:2], estimate_noise_model([noise_spectra(pixels)])
        except ValueError as error:
            raise ValueError(f'its noise cannot be estimated: {error}') from None

    found, _ = survey(spread(find_images(inputs, exclude), _IMAGES), estimate)
    train: list[Tile] = []
    held_out: list[Tile] = []
    for cut in plan_cuts({path: size for path, (size, _) in found.items()}, _TILE, _TILES, seed, _ONE_IN):
        pixels, (_, noise) = read_pixels(cut.path), found[cut.path]
        train += [(as_tile(pixels[top:bottom, left:right], 2 * _TILE), noise) for top, left, bottom, right in cut.train]
        for top, left, bottom, right in cut.held_out:
            part = pixels[top:bottom, left:right][:_SIDE, :_SIDE]
            crops = split(part.shape[0], part.shape[1], _CROP)
            held_out += [(as_tile(part[y:y2, x:x2], _SIDE), noise) for y, x, y2, x2 in crops]
    return train, held_out, f'{len(found)} images: {describe([noise for _, noise in found.values()])}'


def _to_8_bit(image: np.ndarray) -> np.ndarray:
    return (image.clip(0, 1) * 255).round().astype(np.uint8)
