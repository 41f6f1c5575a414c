"""The validation loop on datasets made of tensors."""

import json

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from amsnet_basicsr.models.validation import picture_strip
from tests.models.test_amsnet_model import build
from tests.pipeline.options import PSNR


class Pictures(Dataset):
    """Pictures of given names, with or without ground truth."""

    def __init__(self, paths: list[str], with_gt: bool = False, name: str = 'set') -> None:
        self.opt, self.paths, self.with_gt = {'name': name}, paths, with_gt

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        picture = torch.full((3, 16, 20), 0.1 * (index + 1))
        truth = {'gt': picture, 'gt_path': self.paths[index]} if self.with_gt else {}
        return {'lq': picture, 'lq_path': self.paths[index], **truth}


@pytest.fixture
def model(tmp_path):
    model = build(tmp_path)
    model.opt['val'] = {'val_freq': 1, 'strip': 0, 'metrics': {'psnr': dict(PSNR)}}
    return model


def validate(model, pictures, current_iter=1, save_img=True):
    model.nondist_validation(DataLoader(pictures), current_iter, None, save_img)


def test_equal_names_in_different_folders_keep_their_own_pictures(model, tmp_path):
    validate(model, Pictures(['a/x.png', 'b/x.png', 'b/y.png']))
    validate(model, Pictures(['c/x.png'], name='other'))
    assert {path.name for path in (tmp_path / 'set').iterdir()} == {'x', 'x_2', 'y'}
    paths = ('set/x/x_1.png', 'set/x_2/x_2_1.png', 'other/x/x_1.png')
    first, second, third = (cv2.imread(str(tmp_path / path)) for path in paths)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, third)


def test_nan_is_an_error_not_black(model):
    for parameter in model.net_g_ema.parameters():
        parameter.data.fill_(float('nan'))
    with pytest.raises(ValueError, match="NaN or infinite values for x of 'set'"):
        validate(model, Pictures(['x.png']))


def test_empty_set_is_an_error(model):
    with pytest.raises(ValueError, match='holds no image'):
        validate(model, Pictures([]))


def test_best_networks_are_kept_by_the_chosen_metric(model, tmp_path):
    model.opt['val'].update(metrics={'mask_l1': {'type': 'calculate_mask_l1'}, 'psnr': dict(PSNR)}, save_best='mask_l1')
    best = tmp_path / 'net_g_best.pth'

    def first_weight() -> torch.Tensor:
        return next(iter(torch.load(best, weights_only=True)['params_ema'].values()))

    validate(model, Pictures(['x.png']), 1)
    kept = first_weight()
    for parameter in model.net_g_ema.parameters():
        parameter.data.mul_(20)  # worse
    validate(model, Pictures(['x.png']), 2)
    assert torch.equal(first_weight(), kept)
    assert model.best_metric_results['set']['mask_l1']['iter'] == 1
    for parameter in model.net_g_ema.parameters():
        parameter.data.zero_()
    model.net_g_ema.model[-1].bias.data.fill_(-0.1)  # exactly right: DnCNN subtracts what it predicts
    validate(model, Pictures(['x.png']), 3)
    assert not torch.equal(first_weight(), kept)
    validate(model, Pictures(['x.png'], name='another'), 4)  # not the judge
    assert model.best_metric_results['set']['mask_l1'] == {'better': 'lower', 'val': pytest.approx(0), 'iter': 3}
    record = json.loads((tmp_path / 'net_g_best.json').read_text())
    assert record == {'metric': 'mask_l1', 'dataset': 'set', 'value': pytest.approx(0), 'iteration': 3}


def test_best_networks_outlive_a_restart(model, tmp_path):
    model.opt['val'].update(metrics={'mask_l1': {'type': 'calculate_mask_l1'}}, save_best='mask_l1')
    validate(model, Pictures(['x.png']), 1)
    kept = (tmp_path / 'net_g_best.pth').read_bytes()
    del model.best_metric_results  # as in a new process
    for parameter in model.net_g_ema.parameters():
        parameter.data.mul_(20)  # worse
    validate(model, Pictures(['x.png']), 2)
    assert (tmp_path / 'net_g_best.pth').read_bytes() == kept


def test_a_metric_without_its_settings_is_an_error_not_left_out(model):
    model.opt['val']['metrics'] = {'psnr': {'type': 'calculate_psnr'}}
    with pytest.raises(TypeError, match='crop_border'):
        validate(model, Pictures(['x.png'], with_gt=True))


def test_sets_with_and_without_ground_truth(model):
    validate(model, Pictures(['x.png'], with_gt=True, name='pairs'))
    assert set(model.metric_results) == {'psnr'}
    del model.metric_results
    validate(model, Pictures(['x.png'], name='noisy'))
    assert not hasattr(model, 'metric_results')


def test_strip_is_side_by_side():
    left, right = np.zeros((5, 6, 3), np.uint8), np.full((5, 6, 3), 7, np.uint8)
    strip = picture_strip([left, right])
    assert strip.shape == (5, 16, 3)
    assert (strip[:, 6:10] == 255).all() and (strip[:, 10:] == 7).all()
