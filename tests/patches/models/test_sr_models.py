"""Validation of BasicSR's own models: no result is written over another, or as black where there is none."""

import math

import cv2
import numpy as np
import pytest
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import METRIC_REGISTRY, MODEL_REGISTRY
from torch.utils.data import DataLoader

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.patches.models.build import build_model
from tests.models.validation.test_loop import Images
from tests.pipeline.options import train_options


def model(folder, is_train: bool, model_type: str = 'SRModel'):
    options = train_options(folder, model_type=model_type)
    options['train']['pixel_opt'] = {'type': 'L1Loss'}
    options['train'].pop('mask_opt')
    options['train'].pop('ema_decay')
    options.update(num_gpu=0, is_train=is_train, dist=False, rank=0, world_size=1)
    options['path'] = {'models': str(folder), 'visualization': str(folder)}
    options['val'] = {'val_freq': 1, 'suffix': None}
    return build_model(options)


def validate(subject, images):
    subject.validation(DataLoader(images), 1, None, save_img=True)


def test_every_image_of_a_training_gets_a_file_of_its_own(tmp_path):
    subject = model(tmp_path, is_train=True)
    for _ in range(2):  # the next validation writes to the same places
        validate(subject, Images(['a/1.png', 'b/1.png', 'b/1.jpg', 'a.b.png', 'a.c.png', 'caf\udce9.png']))
        validate(subject, Images(['c/1.png', 'c/2.png'], name='another set'))
    expected = ['1', '1_2', '1_3', '1_4', '2', 'a.b', 'a.c', 'caf\\xe9']
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    written = [cv2.imread(str(tmp_path / name / f'{name}_1.png')) for name in ('1', '1_2', '1_3')]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(written[one], written[other])


def test_sets_of_a_test_keep_their_names(tmp_path):
    subject = model(tmp_path, is_train=False)
    validate(subject, Images(['a/1.png', 'b/1.png']))
    validate(subject, Images(['c/1.png'], name='another'))
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png'))
    assert files == ['another/1_tiny.png', 'set/1_2_tiny.png', 'set/1_tiny.png']


def test_without_a_suffix_results_have_the_name_of_the_run(tmp_path):
    subject = model(tmp_path, is_train=False)
    del subject.opt['val']['suffix']
    validate(subject, Images(['a/1.png']))
    assert [path.name for path in tmp_path.rglob('*.png')] == ['1_tiny.png']


def test_the_truth_of_a_training_batch_is_not_that_of_an_image_without(tmp_path, caplog):
    """BasicSR's `feed_data` keeps it."""
    subject = model(tmp_path, is_train=True)
    subject.opt['val']['metrics'] = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}
    subject.feed_data({'lq': torch.rand(2, 3, 16, 20), 'gt': torch.rand(2, 3, 16, 20)})
    with caplog.at_level('INFO', 'basicsr'):
        validate(subject, Images(['a/1.png', 'a/2.png']))
    assert not hasattr(subject, 'metric_results')
    assert caplog.messages[-1] == 'Validation set: no ground truth, so no psnr'


class LoopOfItsOwn(SRModel):
    """A model whose validation is not BasicSR's."""

    error: Exception

    def nondist_validation(self, dataloader: DataLoader, *_: object) -> None:
        """Fail at the first image."""
        self.feed_data(next(iter(dataloader)))
        raise self.error


def test_a_loop_of_ones_own_survives_a_full_disk_in_training_and_names_the_image(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(MODEL_REGISTRY._obj_map, 'LoopOfItsOwn', LoopOfItsOwn)
    subject = model(tmp_path, is_train=True, model_type='LoopOfItsOwn')
    subject.error = OSError(28, 'No space left on device')
    with caplog.at_level('WARNING', 'basicsr'):
        validate(subject, Images(['a/1.png']))
    assert caplog.messages == ['Validation stopped: [Errno 28] No space left on device; training continues']
    subject.error = AssertionError('Image shapes are different')
    with pytest.raises(ValueError, match=r'^a/1\.png: Image shapes are different$'):
        validate(subject, Images(['a/1.png']))
    subject = model(tmp_path, is_train=False, model_type='LoopOfItsOwn')
    subject.error = OSError(28, 'No space left on device')
    with pytest.raises(ValueError, match='No space left on device'):
        validate(subject, Images(['a/1.png']))


def test_nan_is_an_error_not_black(tmp_path):
    subject = model(tmp_path, is_train=False)
    with torch.no_grad():
        next(subject.net_g.parameters()).fill_(float('nan'))
    with pytest.raises(ValueError, match=r'the network returns NaN or infinite values for a/x\.png: not saved'):
        validate(subject, Images(['a/x.png']))
    assert not list(tmp_path.rglob('*.png'))


def test_pairs_of_unequal_size_are_named(tmp_path):
    class Unequal(Images):
        def __getitem__(self, index: int) -> dict:
            item = super().__getitem__(index)
            return {**item, 'gt': item['gt'][..., 1:]}

    subject = model(tmp_path, is_train=False)
    subject.opt['val']['metrics'] = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}
    with pytest.raises(ValueError, match=r'^a/x\.png: its result has 20×16 pixels, the clean image of the pair 19×16$'):
        validate(subject, Unequal(['a/x.png'], with_gt=True))


def test_a_set_of_unequal_pairs_has_figures_that_need_no_pairs(tmp_path, monkeypatch):
    """As with BasicSR's own loop; and a prediction of hidden pixels, which `SRModel` cannot make, may be lacking."""
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, 'brightness', lambda img, prediction=None, **_: float(img.mean()))
    subject = model(tmp_path, is_train=False)
    subject.opt['val']['metrics'] = {'brightness': {'type': 'brightness'}}
    pair = {'lq': torch.rand(3, 16, 20), 'gt': torch.rand(3, 12, 20), 'lq_path': 'a.png'}
    subject.validation(DataLoader(Pairs([pair])), 1, None, save_img=False)
    assert subject.metric_results['brightness'] > 0


def test_images_too_small_for_a_metric_are_left_out_of_it(tmp_path, caplog):
    """Else one of them makes the figure of the whole set NaN."""
    subject = model(tmp_path, is_train=True)
    subject.opt['val'].update(
        save_img=False,
        metrics={
            'ssim': {'type': 'calculate_ssim', 'crop_border': 0, 'better': 'higher'},
            'psnr': {'type': 'calculate_psnr', 'crop_border': 20, 'better': 'higher'},
        },
    )
    large = {'lq': torch.rand(3, 48, 50), 'gt': torch.rand(3, 48, 50), 'lq_path': 'large.png'}
    small = {'lq': torch.rand(3, 10, 50), 'gt': torch.rand(3, 10, 50), 'lq_path': 'small.png'}
    figures = []
    for images in ([large, small], [small, large], [large]):
        with caplog.at_level('WARNING', 'basicsr'):
            subject.validation(DataLoader(Pairs(images)), 1, None, save_img=False)
        figures.append(dict(subject.metric_results))
    assert figures[0] == figures[1] == figures[2] and all(map(math.isfinite, figures[0].values()))
    assert caplog.messages == [
        f'Validation set: too small for {metric}, left out of it: small' for metric in ('ssim', 'psnr')
    ]


class Pairs(list):
    """A set of pairs."""

    opt = {'name': 'set'}  # noqa: RUF012
