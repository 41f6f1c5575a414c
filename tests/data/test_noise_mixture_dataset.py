"""Pairs for a student: real ones, transplanted noise and made noise, from real files."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.data import NoiseMixtureDataset


@pytest.fixture
def pairs(make_folder, tmp_path) -> Path:
    """`noisy` and `target`, the noisy ones blurred, 16 images each."""
    noisy = make_folder('noisy', count=16, size=(64, 64))
    target = tmp_path / 'target'
    target.mkdir()
    for path in noisy.iterdir():
        cv2.imwrite(str(target / path.name), cv2.GaussianBlur(cv2.imread(str(path)), None, 2))
    return tmp_path


def dataset(pairs: Path, **options) -> NoiseMixtureDataset:
    return NoiseMixtureDataset(
        {'name': 'mix', 'dataroot_lq': str(pairs / 'noisy'), 'dataroot_gt': str(pairs / 'target'), 'crop_size': 32}
        | options
    )


def test_the_same_for_a_seed_and_in_range(pairs):
    data = dataset(pairs, drawn=4)
    assert len(data) == 16
    for index in range(16):
        torch.manual_seed(index)
        first = data[index]
        torch.manual_seed(index)
        again = data[index]
        for key in ('lq', 'gt'):
            assert first[key].shape == (3, 32, 32) and first[key].dtype == torch.float32
            assert first[key].min() >= 0 and first[key].max() <= 1
            torch.testing.assert_close(first[key], again[key], rtol=0, atol=0)


def test_real_pairs_are_parts_of_the_files(pairs):
    data = dataset(pairs, real=1, transplanted=0, crop_size=64)
    item = data[3]
    noisy, target = (cv2.imread(str(pairs / kind / data.names[3]))[..., ::-1] for kind in ('noisy', 'target'))
    for got, file in ((item['lq'], noisy), (item['gt'], target)):
        assert sorted((got * 255).round().int().flatten().tolist()) == sorted(file.flatten().tolist())


def test_transplanted_pairs_have_the_target_of_the_image_under_other_noise(pairs):
    data = dataset(pairs, real=0, transplanted=1, crop_size=64)
    item = data[3]
    target = cv2.imread(str(pairs / 'target' / data.names[3]))
    assert sorted((item['gt'] * 255).round().int().flatten().tolist()) == sorted(target.flatten().tolist())
    assert 10 < 255 * (item['lq'] - item['gt']).std() < 30  # the files have 20


def test_made_noise_has_grey_images_and_clean_ones(pairs):
    data = dataset(pairs, real=0, transplanted=0, drawn=4)
    torch.manual_seed(0)
    items = [data[index % 16] for index in range(160)]
    neutral = [
        torch.equal(item['gt'][0], item['gt'][1]) and torch.equal(item['gt'][1], item['gt'][2]) for item in items
    ]
    clean = [torch.equal(item['lq'], item['gt']) for item in items]
    assert 0.08 < np.mean(neutral) < 0.5
    assert 0.02 < np.mean(clean) < 0.3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'rael': 0.5}, 'rael'),
        ({'crop_size': 65}, 'not smaller than 65'),
        ({'dataroot_lq': 'nowhere'}, 'No such file'),
    ],
)
def test_bad_options_are_told(pairs, options, message):
    with pytest.raises(ValueError, match=message):
        dataset(pairs, **options)


def test_noise_of_another_image_needs_one(pairs):
    (pairs / 'list.txt').write_text('im3.png')
    options = {'meta_info_file': str(pairs / 'list.txt'), 'drawn': 0}
    with pytest.raises(ValueError, match='needs two pairs; set transplanted: 0'):
        dataset(pairs, **options)
    assert dataset(pairs, **options, transplanted=0)[0]['lq'].shape == (3, 32, 32)
