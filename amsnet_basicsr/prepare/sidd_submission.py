"""Results on the SIDD benchmark in the formats of its servers.

- `SubmitSrgb.mat`, for the benchmark's own server: cell array `DenoisedBlocksSrgb` (40×32) of uint8 blocks, seconds per
  megapixel `TimeMPSrgb`, and `OptionalData` with MethodName, Authors, PaperTitle and Venue, as in its own code.
- `SubmitSrgb.csv`, for Kaggle: `ID,BLOCK`, the block's bytes (rows, columns, RGB) in base64, 32 rows for each image.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import scipy.io
from tqdm import tqdm

from amsnet_basicsr.prepare.mat_blocks import BLOCK, GRID, block_name, open_blocks
from amsnet_basicsr.prepare.outputs import (
    check_space,
    compare_settings,
    discard,
    human_bytes,
    refuse_existing,
)
from amsnet_basicsr.prepare.sidd_blocks import BENCHMARK
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.text import name_some

if TYPE_CHECKING:
    from amsnet_basicsr.prepare.trained_model import TrainedModel

#: Reads a block, RGB (H, W, 3) uint8, by the indices of image and block, from 0.
ReadBlock = Callable[[int, int], np.ndarray]
_BLOCK_FILE = re.compile(r'(\d{2}_\d{2})(_.*)?\.png', re.IGNORECASE)


@dataclass(frozen=True)
class Submission:
    """Test options with a trained model, the folder to write to, and how to treat what is there."""

    options: Path | None
    output: Path
    overwrite: bool = False
    restart: bool = False
    ignore_space: bool = False


def submit(noisy: Path | None, denoised: Path | None, about: Mapping[str, str], how: Submission) -> str:
    """Write `SubmitSrgb.mat` and `SubmitSrgb.csv`; returns what was made, in words.

    Args:
        noisy: The noisy blocks, to be denoised by the model.
        denoised: Instead: a folder of denoised blocks.
        about: MethodName (default: the name in the options), Authors, PaperTitle and Venue.
        how: Model and output.
    """
    if (denoised is None) == (noisy is None) or (noisy is None) != (how.options is None):
        raise UserError('give -opt and --noisy to denoise, or --denoised for blocks that are denoised already')
    mat, csv = how.output / 'SubmitSrgb.mat', how.output / 'SubmitSrgb.csv'
    for path in (mat, csv):
        refuse_existing(path, how.overwrite)
    seconds = 0.0
    with exclusive_lock(how.output):
        if noisy is not None:
            denoised = how.output / 'denoised'
            with open_noisy(noisy) as read:
                height, width, _ = read(0, 0).shape
                if not how.ignore_space:
                    # The PNGs and the .mat at most as they are, the CSV with a third more.
                    check_space(GRID[0] * GRID[1] * height * width * 10, how.output)
                model = begin(how, denoised, noisy, '*.png')
                about = {**about, 'MethodName': about.get('MethodName') or model.name}
                seconds = denoise_blocks(read, model.denoise, denoised)
        assert denoised is not None
        blocks = read_denoised(denoised)
        if blocks.shape[2:] != BLOCK:
            print(f'Warning: the blocks have {blocks.shape[2]}×{blocks.shape[3]} pixels; SIDD has 256×256')
        how.output.mkdir(parents=True, exist_ok=True)
        write_mat(mat, blocks, seconds, about)
        write_csv(csv, blocks)
    sizes = [f'{path} ({human_bytes(path.stat().st_size)})' for path in (mat, csv)]
    timing = f', {seconds:.2f} s/MP' if seconds else ''
    return f'{" and ".join(sizes)}: {blocks.shape[0] * blocks.shape[1]} blocks{timing}'


def begin(how: Submission, folder: Path, source: Path, pattern: str) -> 'TrainedModel':
    """Load the model and open, or resume, the folder that keeps what is denoised."""
    from amsnet_basicsr.prepare.trained_model import TrainedModel  # imports PyTorch: after the quick checks

    assert how.options is not None
    model = TrainedModel(how.options)
    if how.restart:
        discard(folder)
    folder.mkdir(parents=True, exist_ok=True)
    done = len(list(folder.glob(pattern)))
    compare_settings(folder, folder / 'settings.json', {**model.settings, 'input': source.name}, done > 0)
    if done:
        print(f'Resuming: {done} in {folder} are done already')
    return model


def denoise_missing(
    folder: Path, names: Mapping[str, tuple[int, int]], suffix: str, denoise: Callable[[tuple[int, int]], bytes]
) -> None:
    """Make the files of a folder that are not there yet, each whole or not at all.

    Args:
        folder: The folder.
        names: The indices that each name stands for.
        suffix: What all names end in.
        denoise: Denoises what two indices stand for; returns the file.
    """
    left = [name for name in names if not (folder / f'{name}{suffix}').is_file()]
    with tqdm(total=len(names), initial=len(names) - len(left), unit='image', disable=None) as bar:
        for name in left:
            try:
                content = denoise(names[name])
            except UserError as error:
                raise UserError(f'{name}: {error}') from error
            with atomic_write(folder / f'{name}{suffix}') as file:
                file.write(content)
            bar.update()


@contextmanager
def open_noisy(source: Path) -> Iterator[ReadBlock]:
    """Open the noisy blocks: `BenchmarkNoisyBlocksSrgb.mat`, or the LMDB or folder that `prepare_sidd.py` made."""
    if source.suffix == '.lmdb':
        yield _lmdb_reader(source)
    elif source.is_dir():
        yield _folder_reader(source)
    else:
        with open_blocks(source, list(BENCHMARK.values())) as blocks:
            if blocks.shape[:2] != GRID:
                raise UserError(f'{source} holds {blocks.shape[0]}×{blocks.shape[1]} blocks; the benchmark has 40×32')
            image = lru_cache(maxsize=1)(blocks.image)
            yield lambda i, j: image(i)[j]


def _lmdb_reader(source: Path) -> ReadBlock:
    from amsnet_basicsr.data.lmdb_env import SharedLmdb

    if not (source / 'data.mdb').is_file():
        raise UserError(f'{source} is not an LMDB')
    reader = SharedLmdb(str(source))
    missing = reader.missing(block_name(i, j) for i, j in np.ndindex(GRID))
    if missing:
        raise UserError(f'{source} lacks {_some(missing)}')
    return lambda i, j: _decode(reader.get(block_name(i, j)), f'{source}: {block_name(i, j)}')


def _folder_reader(source: Path) -> ReadBlock:
    files = find_block_files(source)
    return lambda i, j: _decode(files[block_name(i, j)].read_bytes(), str(files[block_name(i, j)]))


def find_block_files(folder: Path) -> dict[str, Path]:
    """Find the image of each of the 1280 blocks: `II_JJ.png`, or `II_JJ_<suffix>.png` as `basicsr/test.py` writes."""
    if not folder.is_dir():
        raise UserError(f'there is no folder {folder}')
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if match := _BLOCK_FILE.fullmatch(path.name):
            if match[1] in files:
                raise UserError(f'{folder} holds {match[1]} twice: {files[match[1]].name} and {path.name}')
            files[match[1]] = path
    missing = [block_name(i, j) for i, j in np.ndindex(GRID) if block_name(i, j) not in files]
    if missing:
        raise UserError(f'{folder} lacks {_some([f"{name}.png" for name in missing])}')
    return files


def _some(names: list[str]) -> str:
    return f'{len(names)} of {GRID[0] * GRID[1]} blocks: {name_some(names, 3)}'


def _decode(content: bytes, name: str) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise UserError(f'{name} is damaged')
    return np.ascontiguousarray(image[..., ::-1])


def denoise_blocks(read: ReadBlock, denoise: Callable[[np.ndarray], np.ndarray], folder: Path) -> float:
    """Denoise the blocks that aren't `II_JJ.png` in a folder yet; returns the seconds per megapixel of all of them.

    Args:
        read: Reads a noisy block.
        denoise: Denoises an image, RGB (H, W, 3) float32 in [0, 1].
        folder: Where they go, and `timing.json`.
    """
    record = folder / 'timing.json'
    try:
        seconds, megapixels = map(float, json.loads(record.read_bytes())) if record.is_file() else (0.0, 0.0)
    except (TypeError, ValueError) as error:
        raise UserError(f'{record} is damaged; remove it, and the time counts from here on') from error

    def denoise_block(place: tuple[int, int]) -> bytes:
        nonlocal seconds, megapixels
        noisy = read(*place)
        start = time.perf_counter()
        denoised = denoise(noisy.astype(np.float32) / 255)
        seconds += time.perf_counter() - start
        megapixels += noisy.shape[0] * noisy.shape[1] / 1e6
        with atomic_write(record) as file:
            file.write(json.dumps([seconds, megapixels]).encode())
        # Rounded once, here, as test.py does before it computes the metrics.
        return cv2.imencode('.png', (denoised * 255).round().astype(np.uint8)[..., ::-1])[1].tobytes()

    denoise_missing(folder, {block_name(i, j): (i, j) for i, j in np.ndindex(GRID)}, '.png', denoise_block)
    return seconds / megapixels if megapixels else 0.0


def read_denoised(folder: Path) -> np.ndarray:
    """Read all denoised blocks of a folder, (40, 32, H, W, 3) uint8 RGB."""
    read = _folder_reader(folder)
    shape = read(0, 0).shape
    blocks = np.empty((*GRID, *shape), np.uint8)
    for i, j in np.ndindex(GRID):
        block = read(i, j)
        if block.shape != shape:
            raise UserError(f'{folder}: {block_name(i, j)} is {block.shape}, but {block_name(0, 0)} is {shape}')
        blocks[i, j] = block
    return blocks


def write_mat(path: Path, blocks: np.ndarray, seconds_per_megapixel: float, about: Mapping[str, str]) -> None:
    """Write `SubmitSrgb.mat` from denoised blocks, (40, 32, H, W, 3) uint8 RGB."""
    cells = np.empty(blocks.shape[:2], object)
    for place in np.ndindex(cells.shape):
        cells[place] = blocks[place]
    content = {
        'DenoisedBlocksSrgb': cells,
        'TimeMPSrgb': float(seconds_per_megapixel),
        'OptionalData': {name: about.get(name) or '' for name in ('MethodName', 'Authors', 'PaperTitle', 'Venue')},
    }
    with atomic_write(path) as file:
        scipy.io.savemat(file, content, do_compression=True)


def write_csv(path: Path, blocks: np.ndarray) -> None:
    """Write `SubmitSrgb.csv` from denoised blocks, (40, 32, H, W, 3) uint8 RGB."""
    with atomic_write(path) as file:
        file.write(b'ID,BLOCK\n')
        for number, place in enumerate(np.ndindex(blocks.shape[:2])):
            file.write(b'%d,%s\n' % (number, base64.b64encode(blocks[place].tobytes())))
