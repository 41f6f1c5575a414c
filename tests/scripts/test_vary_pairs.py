"""More pairs for a student: the noise that is left is what was drawn, targets are the teacher's, nothing is lost."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope='module')
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / 'scripts')
        yield importlib.import_module('vary_pairs')


def pair(seed: int, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = np.broadcast_to(rng.integers(80, 170, 3), (side, side, 3)).astype(np.uint8)
    return (target + rng.normal(0, 20, target.shape)).round().clip(0, 255).astype(np.uint8), target


@pytest.mark.parametrize('share', [0, 0.3, 1])
def test_a_share_of_the_noise_is_left(script, share):
    noisy, target = pair(0)
    weak = script.weaken(noisy, target, share).astype(float)
    np.testing.assert_allclose(weak - target, share * (noisy.astype(float) - target), atol=0.51)


def test_the_small_picture_is_the_target_at_half_size_with_noise_of_full_size(script):
    noisy, target = pair(1)
    target = target.copy()
    target[:, 16:] //= 2
    same, small = script.sharpen(noisy, target, 0, (3, 5))
    np.testing.assert_array_equal(same, small)
    np.testing.assert_array_equal(small, target[::2, ::2])  # flat halves: no pixel is between them
    noisy = np.clip(target + np.random.default_rng(2).normal(0, 9, target.shape), 0, 255).astype(np.uint8)
    full, small = script.sharpen(noisy, target, 1, (3, 5))
    window = (slice(3, 19), slice(5, 21))
    expected = (small + noisy[window].astype(float) - target[window]).clip(0, 255)
    np.testing.assert_array_equal(full, expected)


def test_all_kinds_of_all_pairs_the_same_for_a_seed(script):
    pairs = [(f'p{number}', pair(number)) for number in range(9)]
    made = dict(script.vary(pairs, 2, 0))
    again, other = dict(script.vary(pairs, 2, 0)), dict(script.vary(pairs, 2, 1))
    assert list(made) == [f'p{n}{end}' for n in range(9) for end in ('', '_weak')] + [
        f'small_{number}_{place:04}' for number in range(2) for place in range(2)
    ]
    for name, (noisy, target) in made.items():
        assert noisy.shape == target.shape == (32, 32, 3) and noisy.dtype == target.dtype == np.uint8
        np.testing.assert_array_equal(noisy, again[name][0])
    assert any((made[name][0] != other[name][0]).any() for name in made)
    tiles = {tuple(made['small_0_0000'][1][row, column]) for row in (0, 31) for column in (0, 31)}
    assert len(tiles) == 4 and tiles <= {tuple(target[0, 0]) for _, (_, target) in pairs}


def test_leaves_are_pictures_of_detail_in_the_colours_of_the_targets_with_a_pairs_noise(script):
    pairs = [(f'p{number}', pair(number, 64)) for number in range(6)]
    before, made = dict(script.vary(pairs, 1, 0)), dict(script.vary(pairs, 1, 0, 9))
    assert list(made) == [*before, *(f'leaves_{number:04}' for number in range(9))]
    assert all((made[name][0] == noisy).all() for name, (noisy, _) in before.items())
    lowest, highest = (pick([target for _, (_, target) in pairs], axis=(0, 1, 2)) for pick in (np.min, np.max))
    strong = 0
    for name in list(made)[-9:]:
        noisy, target = made[name]
        assert noisy.shape == target.shape == (64, 64, 3) and noisy.dtype == target.dtype == np.uint8
        mean = target.mean(axis=(0, 1))
        assert (mean > lowest - 2).all() and (mean < highest + 2).all()
        assert len(np.unique(target.reshape(-1, 3), axis=0)) > 20
        noise, whole = noisy.astype(float) - target, (noisy > 0) & (noisy < 255)
        fits = []
        for _, (noisy_pair, target_pair) in pairs:
            residual = noisy_pair.astype(float) - target_pair
            share = (noise * residual)[whole].sum() / (residual[whole] ** 2).sum()
            fits.append(np.abs(noise - share * residual)[whole].max() < 0.6)  # 0.5 is rounding
        assert any(fits), fits
        if noise.std() > 2:  # else rounding fits with all
            assert sum(fits) == 1, fits
            strong += 1
    assert strong > 2


def write(folder: Path, pictures: list[np.ndarray]) -> Path:
    folder.mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f'{number}.png'), picture)
    return folder


def test_folders_are_written_once_and_mistakes_take_one_line(script, tmp_path, capsys):
    pairs = [pair(number) for number in range(5)]
    noisy, target = (write(tmp_path / name, [p[i] for p in pairs]) for i, name in enumerate(('noisy', 'target')))
    (tmp_path / 'list.txt').write_text('0.png\n1.png\n2.png\n3.png\n')
    arguments = [str(noisy), str(target), '-o', str(tmp_path / 'out'), '--list', str(tmp_path / 'list.txt')]
    script.main(arguments)
    assert '12 pairs of 4' in capsys.readouterr().out
    names = {path.name for path in (tmp_path / 'out' / 'noisy').iterdir()}
    assert names == {path.name for path in (tmp_path / 'out' / 'target').iterdir()} and len(names) == 12
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'out' / 'noisy' / '2.png')), pairs[2][0])
    with pytest.raises(SystemExit, match='exists already'):
        script.main(arguments)
    cv2.imwrite(str(target / '3.png'), pairs[3][1][:30])
    for wrong, message in (([], '3.png: pictures must be of one size'), (['--rounds', '-1'], 'choose 0 or more')):
        with pytest.raises(SystemExit, match=message):
            script.main([str(noisy), str(target), '-o', str(tmp_path / 'new'), *wrong])
    small = [write(tmp_path / f'{kind}_small', [pair(number, 16)[0]] * 4) for number, kind in enumerate(('a', 'b'))]
    with pytest.raises(SystemExit, match='--leaves takes square pictures of 32x32 or more, not 16x16'):
        script.main([*map(str, small), '-o', str(tmp_path / 'new'), '--leaves', '1'])
    (tmp_path / 'few.txt').write_text('0.png\n1.png\n2.png\n')
    with pytest.raises(SystemExit, match='four pictures or more'):
        script.main([str(noisy), str(target), '-o', str(tmp_path / 'new'), '--list', str(tmp_path / 'few.txt')])
    (target / '0.png').unlink()
    with pytest.raises(SystemExit, match=r'0\.png: there is no such picture'):
        script.main([str(noisy), str(target), '-o', str(tmp_path / 'new'), '--list', str(tmp_path / 'list.txt')])
    assert not (tmp_path / 'new').exists()
