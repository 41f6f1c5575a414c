"""Results on the SIDD benchmark in the formats of its servers.

- `SubmitSrgb.mat`, for the benchmark's own server: cell array `DenoisedBlocksSrgb` (40×32) of uint8 blocks, seconds per
  megapixel `TimeMPSrgb`, and `OptionalData` with MethodName, Authors, PaperTitle and Venue, as in its own code.
- `SubmitSrgb.csv`, for Kaggle: `ID,BLOCK`, the block's bytes (rows, columns, RGB) in base64, 32 rows for each image.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
import scipy.io

from amsnet_basicsr.prepare.mat_blocks import BLOCK, GRID, block_name, open_blocks
from amsnet_basicsr.prepare.outputs import human_bytes, refuse_existing
from amsnet_basicsr.prepare.sidd.blocks import BENCHMARK, find_mat_files
from amsnet_basicsr.prepare.submission.denoise import Submission, denoise_images
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.text import name_some

#: Reads a block, RGB (H, W, 3) uint8, by the indices of image and block, from 0.
ReadBlock = Callable[[int, int], np.ndarray]
_BLOCK_FILE = re.compile(r'(\d{2}_\d{2})(_.*)?\.png', re.IGNORECASE)
_PLACES: dict[str, tuple[int, int]] = {block_name(i, j): (i, j) for i, j in np.ndindex(GRID)}


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
        refuse_existing(path, how.choices.overwrite)
    seconds = 0.0
    with exclusive_lock(how.output):
        if noisy is not None:
            denoised = how.output / 'denoised'
            name, seconds = denoise_blocks(noisy, denoised, how)
            about = {**about, 'MethodName': about.get('MethodName') or name}
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


def denoise_blocks(noisy: Path, folder: Path, how: Submission) -> tuple[str, float]:
    """Denoise the blocks to `II_JJ.png`; returns the model's name and the seconds per megapixel."""
    with open_noisy(noisy) as read:
        height, width, _ = read(0, 0).shape
        needed = 10 * len(_PLACES) * height * width  # the PNGs and the .mat at most as they are, the CSV a third more
        blocks = {f'{name}.png': partial(_as_float, read, place) for name, place in _PLACES.items()}
        return denoise_images(how, folder, noisy, needed, blocks, _encode_denoised)


def _as_float(read: ReadBlock, place: tuple[int, int]) -> np.ndarray:
    return read(*place).astype(np.float32) / 255


def _encode_denoised(denoised: np.ndarray) -> bytes:
    # Rounded once, here, as test.py does before it computes the metrics.
    return cv2.imencode('.png', (denoised * 255).round().astype(np.uint8)[..., ::-1])[1].tobytes()


@contextmanager
def open_noisy(source: Path) -> Iterator[ReadBlock]:
    """Open the noisy blocks: `BenchmarkNoisyBlocksSrgb.mat`, or the LMDB or folder that `prepare_sidd.py` made."""
    if source.suffix == '.lmdb':
        yield _lmdb_reader(source)
    elif source.is_dir():
        yield _folder_reader(source)
    else:
        find_mat_files([source], BENCHMARK)
        with open_blocks(source, BENCHMARK['noisy']) as blocks:
            if blocks.shape[:2] != GRID:
                raise UserError(f'{source} holds {blocks.shape[0]}×{blocks.shape[1]} blocks; the benchmark has 40×32')
            image = lru_cache(maxsize=1)(blocks.image)
            yield lambda i, j: image(i)[j]


def _lmdb_reader(source: Path) -> ReadBlock:
    from amsnet_basicsr.data.lmdb_env import SharedLmdb  # imports PyTorch

    if not (source / 'data.mdb').is_file():
        raise UserError(f'{source} is not an LMDB')
    reader = SharedLmdb(str(source))
    _refuse_missing(source, reader.missing(_PLACES))
    return lambda i, j: _decode(reader.get(block_name(i, j)), f'{source}: {block_name(i, j)}')


def _folder_reader(source: Path) -> ReadBlock:
    """Read `II_JJ.png`, or `II_JJ_<suffix>.png` as `basicsr/test.py` writes them."""
    if not source.is_dir():
        raise UserError(f'there is no folder {source}')
    files: dict[str, Path] = {}
    for path in sorted(source.iterdir()):
        if match := _BLOCK_FILE.fullmatch(path.name):
            if match[1] in files:
                raise UserError(f'{source} holds {match[1]} twice: {files[match[1]].name} and {path.name}')
            files[match[1]] = path
    _refuse_missing(source, [f'{name}.png' for name in _PLACES if name not in files])
    return lambda i, j: _decode(files[block_name(i, j)].read_bytes(), str(files[block_name(i, j)]))


def _refuse_missing(source: Path, names: list[str]) -> None:
    if names:
        raise UserError(f'{source} lacks {len(names)} of {len(_PLACES)} blocks: {name_some(names, 3)}')


def _decode(content: bytes, name: str) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise UserError(f'{name} is damaged')
    return np.ascontiguousarray(image[..., ::-1])


def read_denoised(folder: Path) -> np.ndarray:
    """Read all denoised blocks of a folder, (40, 32, H, W, 3) uint8 RGB."""
    read = _folder_reader(folder)
    shape = read(0, 0).shape
    blocks = np.empty((*GRID, *shape), np.uint8)
    for name, place in _PLACES.items():
        block = read(*place)
        if block.shape != shape:
            raise UserError(f'{folder}: {name} is {block.shape}, but {block_name(0, 0)} is {shape}')
        blocks[place] = block
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
