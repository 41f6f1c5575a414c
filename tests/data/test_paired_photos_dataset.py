"""Pairs of images as PolyU, CC15 and users name them, alone and through BasicSR's test."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from amsnet_basicsr.data import PairedPhotosDataset
from amsnet_basicsr.options.checks.run import check_options
from amsnet_basicsr.options.reader import read_options
from tests.conftest import REPOSITORY, noisy_image
from tests.pipeline.options import some_weights


def put(path: Path, seed: int = 0, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = noisy_image(*size, seed)
    cv2.imwrite(str(path), image)
    return image


def dataset(**opt: object) -> PairedPhotosDataset:
    return PairedPhotosDataset({'name': 'pairs', 'type': 'PairedPhotosDataset', 'phase': 'test', **opt})


def names(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(Path(noisy).name, Path(clean).name) for noisy, clean in pairs]


def test_polyu_and_cc_names_pair_in_either_case(tmp_path):
    root = tmp_path / 'PolyU'
    put(root / 'Canon80D_9_8_3200_ball_16_Real.JPG', 1)
    put(root / 'Canon80D_9_8_3200_ball_16_mean.JPG', 2)
    put(root / 'Sony_4_125_6400_plant_1_real.jpg', 3)
    put(root / 'Sony_4_125_6400_plant_1_Mean.JPG', 4)
    noisy = put(root / 'cc' / 'd800_iso6400_1_real.png', 5)
    clean = put(root / 'cc' / 'd800_iso6400_1_mean.png', 6)
    (root / 'readme.txt').write_text('no image')
    pairs = dataset(dataroot=str(root))
    assert names(pairs.pairs) == [
        ('Canon80D_9_8_3200_ball_16_Real.JPG', 'Canon80D_9_8_3200_ball_16_mean.JPG'),
        ('d800_iso6400_1_real.png', 'd800_iso6400_1_mean.png'),
        ('Sony_4_125_6400_plant_1_real.jpg', 'Sony_4_125_6400_plant_1_Mean.JPG'),
    ]
    item = pairs[1]
    assert set(item) == {'lq', 'gt', 'lq_path', 'gt_path'}
    assert item['lq_path'].endswith('cc/d800_iso6400_1_real.png')
    for key, image in (('lq', noisy), ('gt', clean)):
        expected = torch.from_numpy(image[..., ::-1].transpose(2, 0, 1) / np.float32(255))
        assert item[key].dtype == torch.float32 and torch.equal(item[key], expected)


def test_own_patterns(tmp_path):
    put(tmp_path / 'in_1.png')
    put(tmp_path / 'ref_1_v2.png')
    put(tmp_path / 'other.png')
    pairs = dataset(dataroot=str(tmp_path), noisy='in_*.png', clean='ref_*_v*.png').pairs
    assert names(pairs) == [('in_1.png', 'ref_1_v2.png')]


def test_subfolders_and_line_breaks_are_part_of_a_name(tmp_path):
    stems = ['A/x', 'a/x', 'two\nlines']
    for stem in stems:
        put(tmp_path / f'{stem}_Real.png')
        put(tmp_path / f'{stem}_mean.png')
    found = dataset(dataroot=str(tmp_path)).pairs
    assert found == [tuple(str(tmp_path / f'{stem}_{end}.png') for end in ('Real', 'mean')) for stem in stems]
    found = dataset(dataroot_lq=str(tmp_path / 'A'), dataroot_gt=str(tmp_path / 'A')).pairs
    assert len(found) == 2
    (tmp_path / 'a' / 'two\nlines.png').write_bytes((tmp_path / 'a' / 'x_Real.png').read_bytes())
    with pytest.raises(ValueError, match=r'^\S+ \S+ \S+ 1 images in \S+ \(two\\nlines.png\) have no partner'):
        dataset(dataroot_lq=str(tmp_path / 'a'), dataroot_gt=str(tmp_path / 'A'))


def test_two_folders_with_the_same_names_but_other_suffixes_and_depths(tmp_path):
    put(tmp_path / 'noisy' / 'day' / '1.JPG', size=(48, 40))
    image = np.full((48, 40, 3), 40000, np.uint16)
    (tmp_path / 'clean' / 'day').mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'clean' / 'day' / '1.tif'), image)
    pairs = dataset(dataroot_lq=str(tmp_path / 'noisy'), dataroot_gt=str(tmp_path / 'clean'))
    assert names(pairs.pairs) == [('1.JPG', '1.tif')]
    assert pairs[0]['gt'].unique().tolist() == pytest.approx([40000 / 65535])


def test_sizes_are_compared_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(noisy_image(40, 48, 0)).save(tmp_path / 'a_Real.jpg', exif=exif.tobytes())
    put(tmp_path / 'a_mean.png', size=(48, 40))
    assert dataset(dataroot=str(tmp_path))[0]['lq'].shape == (3, 48, 40)


def wrong_size(root: Path) -> None:
    put(root / '1_Real.png', size=(40, 40))


def alone(root: Path) -> None:
    put(root / '2_Real.png')
    put(root / '3_mean.png')


def damaged(root: Path) -> None:
    (root / '1_mean.png').write_bytes(b'no image')


def twice(root: Path) -> None:
    put(root / '1_Real.jpg')


def unlike(root: Path) -> None:
    (root / '1_Real.png').rename(root / '1_noisy.png')


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (wrong_size, r'1 of 1 pairs cannot be compared: \S+1_Real.png has 40×40 pixels, \S+1_mean.png 40×48'),
        (alone, r"1 images like '\*_Real.\*' in \S+ \(2_Real.png\) and 1 .* \(3_mean.png\) have no partner"),
        (damaged, r'1_mean.png: '),
        (twice, r'1_Real.\w+ and 1_Real.\w+ would have the same partner'),
        (unlike, r"holds no image whose name is like '\*_Real.\*'"),
    ],
)
def test_what_does_not_match_is_told_at_the_start(tmp_path, spoil, message):
    put(tmp_path / '1_Real.png')
    put(tmp_path / '1_mean.png')
    spoil(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        dataset(dataroot=str(tmp_path))
    assert '\n' not in str(error.value) and "'pairs' (PairedPhotosDataset)" in str(error.value)


@pytest.mark.parametrize(
    ('opt', 'message'),
    [
        ({}, 'give either dataroot'),
        ({'dataroot_lq': '.'}, 'give either dataroot'),
        ({'dataroot': '.', 'dataroot_gt': '.'}, 'give either dataroot'),
        ({'dataroot_lq': '.', 'dataroot_gt': '.', 'noisy': '*'}, 'patterns'),
        ({'dataroot': '.', 'noisy': 'a.png'}, r'needs a \*'),
        ({'dataroot': '.', 'nois': '*'}, "did you mean 'noisy'"),
        ({'dataroot': '.', 'phase': 'train'}, 'for validation and tests'),
        ({'dataroot': 'missing'}, 'there is no folder missing'),
        ({'dataroot': 'empty'}, 'empty holds no image'),
        ({'dataroot_lq': 'empty', 'dataroot_gt': '.'}, r'empty holds no image \(.jpg'),
    ],
)
def test_options_that_cannot_be(tmp_path, monkeypatch, opt, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    put(tmp_path / 'a.png')
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        dataset(**opt)


@pytest.mark.parametrize('name', ['polyu', 'cc15', 'pairs'])
def test_the_options_files_name_what_is_there(name, tmp_path, monkeypatch):
    """Without data and weights these are what is missed; with them there is nothing to complain about."""
    import amsnet_basicsr.plugin  # noqa: F401 (registers the network)

    monkeypatch.chdir(tmp_path)
    opt = read_options(str(REPOSITORY / 'options' / f'test_{name}.yml'))
    opt.update(is_train=False, dist=False)
    weights = Path(opt['path']['pretrain_network_g'])
    (data,) = opt['datasets'].values()
    data['phase'] = 'test'
    problems = check_options(opt).problems
    assert any('pretrain_network_g' in problem for problem in problems)
    weights.parent.mkdir(parents=True)
    some_weights(weights)
    assert 'datasets' in '; '.join(check_options(opt).problems)
    if 'dataroot' in data:
        put(Path(data['dataroot']) / 'a_real.png')
        put(Path(data['dataroot']) / 'a_mean.png')
    else:
        put(Path(data['dataroot_lq']) / 'a.png')
        put(Path(data['dataroot_gt']) / 'a.png')
    assert check_options(opt)[:2] == ([], [])
