"""Pairs of unequal size are found before training, by their names."""

import cv2
import pytest

from tests.conftest import noisy_image
from tests.options.checks.test_run import check, sr_options


@pytest.fixture
def pairs(tmp_path):
    """Noisy images of 48×64 pixels, and clean ones of which one is of the size given."""

    def make(odd: tuple[int, int], suffix: str = 'png', scale: int = 1) -> dict:
        for kind, factor in (('noisy', 1), ('clean', scale)):
            (tmp_path / kind).mkdir()
            for number in range(3):
                size = odd if (kind, number) == ('clean', 1) else (48 * factor, 64 * factor)
                cv2.imwrite(str(tmp_path / kind / f'{number}.{suffix}'), noisy_image(*size, number))
        options = sr_options(str(tmp_path / 'noisy'), scale=scale)
        for dataset in options['datasets'].values():
            dataset['dataroot_gt'] = str(tmp_path / 'clean')
        return options

    return make


@pytest.mark.parametrize('suffix', ['png', 'jpg'])
def test_unequal_pairs_are_named(pairs, tmp_path, suffix):
    problems, _ = check(pairs((47, 64), suffix))
    said = (
        f'1 of 3 pairs are of unequal size: {tmp_path}/noisy/1.{suffix} has 48×64 pixels, '
        f'{tmp_path}/clean/1.{suffix} 47×64; crop them alike, or take them out'
    )
    assert problems == [f'datasets.train: {said}', f'datasets.val: {said}']


def test_what_basicsr_crops_is_no_fault(pairs):
    options = pairs((50, 64))
    problems, _ = check(options)
    assert len(problems) == 1 and problems[0].startswith('datasets.train: 1 of 3 pairs')
    options['val']['metrics'] = None  # then nothing is compared
    options['datasets']['train']['dataroot_gt'] = options['datasets']['train']['dataroot_lq']
    assert check(options) == ([], [])


def test_sizes_differ_by_the_scale(pairs):
    options = pairs((96, 127), scale=2)
    problems, _ = check(options)
    assert all('noisy/1.png has 48×64 pixels' in one and '96×127 (scale: 2)' in one for one in problems)
    assert len(problems) == 2


def test_the_lists_of_lmdbs_are_compared(pairs, tmp_path, make_lmdb):
    options = pairs((48, 60))
    for dataset in options['datasets'].values():
        dataset['io_backend'] = {'type': 'lmdb'}
    for kind, key in (('noisy', 'dataroot_lq'), ('clean', 'dataroot_gt')):
        path = str(make_lmdb(tmp_path / kind))
        for dataset in options['datasets'].values():
            dataset[key] = path
    problems, _ = check(options)
    assert len(problems) == 2 and all('1 has 48×64 pixels, 1 48×60' in one for one in problems)
