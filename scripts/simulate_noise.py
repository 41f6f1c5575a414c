"""Take a folder of clean images with a simulated camera: noisy and clean PNG images, and what was set for each.

    python scripts/simulate_noise.py datasets/clean -o datasets/simulated --camera phone --iso 800 6400

Writes OUT/noisy and OUT/clean, with the same names, and OUT/simulation.json. Images of subfolders get the folder's
name before theirs. An image's noise depends on its name and the seed alone.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from amsnet_basicsr.data.camera_noise_dataset import find_scenes, read_scene
from amsnet_basicsr.prepare.outputs import discard, partial_path, positive, publish, refuse_existing
from amsnet_basicsr.simulation.demosaic import BAYER_PATTERNS
from amsnet_basicsr.simulation.exposure import Simulation
from amsnet_basicsr.simulation.profiles import PROFILES
from amsnet_basicsr.utils.lock import exclusive_lock

RECORD = 'simulation.json'
MADE = {'noisy', 'clean', RECORD}


def check_target(target: Path, source: Path, overwrite: bool) -> None:
    """Make sure that nothing is lost; raises ValueError if something would be."""
    here, there = target.resolve(), source.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ValueError(f'{target}: the output and {source} must not lie in each other; choose another -o')
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ValueError(f'{target} is no folder of its own; choose another -o')
    held = {path.name for path in target.iterdir()} if target.exists() else set()
    if held:
        refuse_existing(target, overwrite)
        if RECORD not in held or held - MADE:
            raise ValueError(f'{target} holds more than a result of this command, and is left alone; choose another -o')


def flat_names(scenes: dict[str, str]) -> dict[str, str]:
    """Give every scene a file name of its own in one folder."""
    names: dict[str, str] = {}
    for name in scenes:
        flat = name.replace(os.sep, '_')
        if flat in names:
            raise ValueError(f'{scenes[name]} and {scenes[names[flat]]} would both be called {flat}; rename one')
        names[flat] = name
    return names


def write_images(
    scenes: dict[str, str], names: dict[str, str], target: Path, simulation: Simulation, shots: int, workers: int
) -> dict[str, dict[str, Any]]:
    """Take and write all images."""
    (target / 'noisy').mkdir()
    (target / 'clean').mkdir()

    def take(flat: str) -> dict[str, dict[str, Any]]:
        scene, records = read_scene(scenes[names[flat]]), {}
        for shot in range(shots):
            exposure = simulation.exposure(names[flat], shot)
            file_name = f'{flat}.png' if shots == 1 else f'{flat}_{shot}.png'
            _write(target / 'noisy' / file_name, exposure.noisy(scene))
            _write(target / 'clean' / file_name, exposure.clean(scene))
            records[file_name] = {'scene': scenes[names[flat]], 'shot_number': shot, **exposure.record()}
        return records

    images: dict[str, dict[str, Any]] = {}
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        for records in tqdm(pool.map(take, names), total=len(names), unit='scene', disable=None):
            images.update(records)
    finally:
        pool.shutdown(cancel_futures=True)
    return images


def _write(path: Path, image: Any) -> None:
    _, content = cv2.imencode('.png', image[..., ::-1])
    path.write_bytes(content.tobytes())


def _write_record(path: Path, settings: dict[str, Any], images: dict[str, dict[str, Any]]) -> None:
    """Write JSON with one line for each image."""
    lines = ',\n'.join(f'  {json.dumps(name)}: {json.dumps(record)}' for name, record in images.items())
    path.write_text(f'{{\n "settings": {json.dumps(settings)},\n "pictures": {{\n{lines}\n }}\n}}\n', encoding='utf-8')


def simulate(args: argparse.Namespace) -> str:
    """Do what the command line asks; the target is made whole or not at all."""
    source, target = Path(args.clean_folder).expanduser(), Path(args.output).expanduser()
    settings: dict[str, Any] = {
        'camera': {'profile': args.camera, 'pattern': args.pattern},
        'iso': args.iso if len(args.iso) > 1 else args.iso[0],
        'jpeg': args.jpeg if args.jpeg is None or len(args.jpeg) > 1 else args.jpeg[0],
        'seed': args.seed,
    }
    simulation = Simulation.from_options(settings, 'command line')
    if not source.is_dir():
        raise ValueError(f'there is no folder {source}')
    check_target(target, source, args.overwrite)
    scenes = find_scenes(str(source))
    if not scenes:
        raise ValueError(f'{source} holds no image')
    names = flat_names(scenes)
    partial = partial_path(target)
    with exclusive_lock(target):
        discard(partial)  # of a run that was killed
        partial.mkdir(parents=True)
        try:
            images = write_images(scenes, names, partial, simulation, args.shots, args.workers)
            _write_record(partial / RECORD, {**settings, 'shots': args.shots}, images)
            publish(target)
        finally:
            discard(partial)
    return f'{target}: {len(images)} noisy images of {len(scenes)} scenes, with clean ones and {RECORD}'


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    cameras = '\n'.join(f'  {name:12} {profile.description}' for name, profile in PROFILES.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f'cameras:\n{cameras}', formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('clean_folder', metavar='CLEAN_FOLDER', help='clean images; subfolders count')
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='folder to write; must not exist')
    parser.add_argument('--camera', choices=PROFILES, default='phone', help='default: phone')
    parser.add_argument(
        '--iso',
        type=float,
        nargs='+',
        default=[3200.0],
        metavar='N',
        help='ISO number, or lowest and highest; default: 3200',
    )
    parser.add_argument(
        '--jpeg',
        type=int,
        nargs='+',
        metavar='Q',
        help='quality of JPEG compression, or lowest and highest; default: none',
    )
    parser.add_argument(
        '--pattern', choices=[*BAYER_PATTERNS, 'random'], default='RGGB', help='Bayer pattern; default: RGGB'
    )
    parser.add_argument('--shots', type=positive, default=1, help='noisy images of each scene; default: 1')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument(
        '--workers', type=positive, default=os.cpu_count() or 1, help='images at a time; default: all cores'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an earlier result of this command')
    try:
        print(simulate(parser.parse_args(argv)))
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('stopped; nothing was written')


if __name__ == '__main__':
    main()
