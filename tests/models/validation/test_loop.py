"""The validation loop on datasets made of tensors."""

import json
import threading

import cv2
import numpy as np
import pytest
import torch
from basicsr.utils.registry import METRIC_REGISTRY
from torch.utils.data import DataLoader, Dataset

from amsnet_basicsr.models.validation.images import image_strip, name_images
from tests.models.test_amsnet_model import build
from tests.pipeline.options import PSNR


class Images(Dataset):
    """Images of given names, with or without ground truth."""

    def __init__(self, paths: list[str], with_gt: bool = False, name: str = 'set') -> None:
        self.opt, self.paths, self.with_gt = {'name': name}, paths, with_gt

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        image = torch.full((3, 16, 20), 0.1 * (index + 1))
        truth = {'gt': image, 'gt_path': self.paths[index]} if self.with_gt else {}
        return {'lq': image, 'lq_path': self.paths[index], **truth}


class NoisyPairs(Dataset):
    """Pairs of several sizes; neighbours are often alike. One of them may be unreadable."""

    sizes = ((16, 20), (16, 20), (20, 16), (20, 16), (20, 16), (16, 20), (17, 23))

    def __init__(self, count: int = 7, unreadable: int | None = None) -> None:
        self.opt, self.count, self.unreadable = {'name': 'pairs'}, count, unreadable
        self.paths = [f'{"ab"[number % 2]}/{number // 2}.png' for number in range(count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict:
        if index == self.unreadable:
            raise ValueError(f'{self.paths[index]} cannot be read')
        generator = torch.Generator().manual_seed(index)
        clean = torch.rand((3, 1, 1), generator=generator).expand(3, *self.sizes[index]).clone()
        noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
        return {'lq': noisy, 'gt': clean, 'lq_path': self.paths[index], 'gt_path': self.paths[index]}


def no_thread_is_left() -> bool:
    return not [
        thread for thread in threading.enumerate() if thread.name.startswith(('ThreadPoolExecutor', 'validation'))
    ]


@pytest.fixture
def model(tmp_path):
    model = build(tmp_path)
    model.opt['val'] = {'val_freq': 1, 'save_img': False, 'strip': 0, 'metrics': {'psnr': dict(PSNR)}}
    return model


def validate(model, images, current_iter=1, save_img=True):
    model.nondist_validation(DataLoader(images), current_iter, None, save_img)


def test_equal_names_in_different_folders_keep_their_own_images(model, tmp_path):
    validate(model, Images(['a/x.png', 'b/x.png', 'b/y.png']))
    validate(model, Images(['c/x.png'], name='other'))
    assert {path.name for path in (tmp_path / 'set').iterdir()} == {'x', 'x_2', 'y'}
    paths = ('set/x/x_1.png', 'set/x_2/x_2_1.png', 'other/x/x_1.png')
    first, second, third = (cv2.imread(str(tmp_path / path)) for path in paths)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, third)


def test_nan_is_an_error_not_black(model):
    for parameter in model.net_g_ema.parameters():
        parameter.data.fill_(float('nan'))
    with pytest.raises(ValueError, match="NaN or infinite values for x of 'set'"):
        validate(model, Images(['x.png']))


def test_images_too_small_for_a_metric_are_left_out_of_it(model, tmp_path):
    """A window of 11 pixels does not fit, or `crop_border` takes all: the figures are those of the other images."""
    small = {'ssim': {'type': 'calculate_ssim', 'crop_border': 0}, 'psnr': {'type': 'calculate_psnr', 'crop_border': 9}}
    model.opt['val'].update(metrics=small, save_best='ssim')
    images = NoisyPairs(count=3)
    images.sizes = ((16, 20), (20, 19), (10, 30))
    model.nondist_validation(DataLoader(images), 1, None, False)
    only = NoisyPairs(count=1)
    one = dict(model.metric_results)
    assert all(np.isfinite(value) for value in one.values()) and set(one) == {'ssim', 'psnr'}
    assert json.loads((tmp_path / 'net_g_best.json').read_text())['value'] == pytest.approx(one['ssim'])
    only.sizes = ((8, 8),)
    model.nondist_validation(DataLoader(only), 2, None, False)
    assert model.metric_results == one  # nothing measured: no figure, and no new best
    assert json.loads((tmp_path / 'net_g_best.json').read_text())['iteration'] == 1


def test_a_metric_of_ones_own_is_given_the_images_alone(model):
    @METRIC_REGISTRY.register()
    def calculate_of_two_images(img, img2):
        return float(np.abs(img - img2).mean())

    metrics = {'mine': {'type': 'calculate_of_two_images'}, 'hidden': {'type': 'calculate_mask_l1'}}
    model.opt['val'].update(metrics=metrics, save_best='mine')
    validate(model, NoisyPairs(count=2))
    assert model.metric_results['mine'] > 0


def test_a_metric_behind_a_decorator_is_given_the_images(model):
    def decorated(**anything):
        return float(np.abs(anything['img'] - anything['img2']).mean())

    METRIC_REGISTRY._do_register('calculate_decorated', decorated)
    model.opt['val']['metrics'] = {'mine': {'type': 'calculate_decorated'}}
    validate(model, NoisyPairs(count=2))
    assert model.metric_results['mine'] > 0


def test_pairs_of_unequal_size_are_named(model):
    class Unequal(NoisyPairs):
        def __getitem__(self, index: int) -> dict:
            item = super().__getitem__(index)
            return {**item, 'gt': item['gt'][..., 1:]}

    with pytest.raises(ValueError, match=r'^a/0\.png: its result has 20×16 pixels, the clean image of the pair 19×16$'):
        model.nondist_validation(DataLoader(Unequal(1)), 1, None, False)


@pytest.mark.parametrize(
    'damage', ['', '{"metric": "psnr"', '[]', '{"metric": 1, "dataset": 2, "value": NaN, "iteration": 1}']
)
def test_a_damaged_record_of_the_best_is_written_anew(model, tmp_path, damage):
    model.opt['val'].update(metrics={'mask_l1': {'type': 'calculate_mask_l1'}}, save_best='mask_l1')
    validate(model, Images(['x.png']), 1)
    record = tmp_path / 'net_g_best.json'
    record.write_text(damage)
    validate(model, Images(['x.png']), 2)
    assert json.loads(record.read_text())['iteration'] == 2
    weights = tmp_path / 'net_g_best.pth'
    weights.write_bytes(weights.read_bytes()[:500])
    validate(model, Images(['x.png']), 3)
    assert json.loads(record.read_text())['iteration'] == 3
    weights.unlink()
    validate(model, Images(['x.png']), 4)
    assert json.loads(record.read_text())['iteration'] == 4 and weights.exists()


def test_empty_set_is_an_error(model):
    with pytest.raises(ValueError, match='holds no image'):
        validate(model, Images([]))


def test_best_networks_are_kept_by_the_chosen_metric(model, tmp_path):
    model.opt['val'].update(metrics={'mask_l1': {'type': 'calculate_mask_l1'}, 'psnr': dict(PSNR)}, save_best='mask_l1')
    best = tmp_path / 'net_g_best.pth'

    def first_weight() -> torch.Tensor:
        return next(iter(torch.load(best, weights_only=True)['params_ema'].values()))

    validate(model, Images(['x.png']), 1)
    kept = first_weight()
    for parameter in model.net_g_ema.parameters():
        parameter.data.mul_(20)  # worse
    validate(model, Images(['x.png']), 2)
    assert torch.equal(first_weight(), kept)
    assert model.best_metric_results['set']['mask_l1']['iter'] == 1
    for parameter in model.net_g_ema.parameters():
        parameter.data.zero_()
    model.net_g_ema.model[-1].bias.data.fill_(-0.1)  # exactly right: DnCNN subtracts what it predicts
    validate(model, Images(['x.png']), 3)
    assert not torch.equal(first_weight(), kept)
    validate(model, Images(['x.png'], name='another'), 4)  # not the judge
    assert model.best_metric_results['set']['mask_l1'] == {'better': 'lower', 'val': pytest.approx(0), 'iter': 3}
    record = json.loads((tmp_path / 'net_g_best.json').read_text())
    assert record == {'metric': 'mask_l1', 'dataset': 'set', 'value': pytest.approx(0), 'iteration': 3}


def test_best_networks_outlive_a_restart(model, tmp_path):
    model.opt['val'].update(metrics={'mask_l1': {'type': 'calculate_mask_l1'}}, save_best='mask_l1')
    validate(model, Images(['x.png']), 1)
    kept = (tmp_path / 'net_g_best.pth').read_bytes()
    del model.best_metric_results  # as in a new process
    for parameter in model.net_g_ema.parameters():
        parameter.data.mul_(20)  # worse
    validate(model, Images(['x.png']), 2)
    assert (tmp_path / 'net_g_best.pth').read_bytes() == kept


def test_a_metric_without_its_settings_is_an_error_not_left_out(model):
    model.opt['val']['metrics'] = {'psnr': {'type': 'calculate_psnr'}}
    with pytest.raises(TypeError, match='crop_border'):
        validate(model, Images(['x.png'], with_gt=True))


def test_sets_with_and_without_ground_truth(model):
    validate(model, Images(['x.png'], with_gt=True, name='pairs'))
    assert set(model.metric_results) == {'psnr'}
    del model.metric_results
    validate(model, Images(['x.png'], name='noisy'))
    assert not hasattr(model, 'metric_results')


@pytest.mark.parametrize('refine', [None, {'type': 'R3', 'samples': 3}, {'type': 'PartitionAverage', 'samples': 2}])
def test_the_batch_changes_nothing(tmp_path, refine):
    model = build(tmp_path, scheme={'refine': refine})
    metrics = {'psnr': dict(PSNR), 'mask_l1': {'type': 'calculate_mask_l1'}}
    model.opt['val'] = {'val_freq': 1, 'save_img': False, 'strip': 3, 'metrics': metrics}
    images, found, batches, test = NoisyPairs(), {}, [], model.test

    def watched_test() -> None:
        batches[-1].append(len(model.lq))
        test()

    model.test = watched_test
    for size in (1, 3, 7):
        model.opt['val']['batch_size'] = size
        model.opt['path']['visualization'] = str(tmp_path / str(size))
        batches.append([])
        random = torch.get_rng_state()
        loader = DataLoader(images, generator=torch.Generator())
        model.nondist_validation(loader, 1, None, True)
        assert torch.equal(torch.get_rng_state(), random)  # or a resumed training would not go on exactly
        saved = {
            path.relative_to(tmp_path / str(size)): cv2.imread(str(path)).astype(int)
            for path in (tmp_path / str(size)).rglob('*.png')
        }
        found[size] = dict(model.metric_results), saved
    assert batches == [[1] * 7, [2, 1, 2, 1, 1], [2, 3, 1, 1]]
    expected_figures, expected_images = found[1]
    assert len(expected_images) == 7 + 3
    for figures, saved in found.values():
        assert figures == pytest.approx(expected_figures, rel=1e-4)
        assert saved.keys() == expected_images.keys()
        assert all(abs(image - expected_images[path]).max() <= 1 for path, image in saved.items())


def test_figures_are_those_of_each_image_by_itself(model):
    model.opt['val'].update(batch_size=3)
    images = NoisyPairs()
    model.nondist_validation(DataLoader(images), 1, None, False)
    alone = []
    for index in range(len(images)):
        item = images[index]
        model.feed_data({'lq': item['lq'][None], 'lq_path': ['x']})
        model.test()
        error = model.output[0].clamp(0, 1).mul(255).round() - item['gt'].mul(255).round()
        alone.append(10 * np.log10(255**2 / error.double().square().mean().item()))
    assert model.metric_results['psnr'] == pytest.approx(np.mean(alone), abs=1e-3)


@pytest.mark.parametrize('size', [1, 3])
def test_an_unreadable_image_ends_it_after_those_before(model, tmp_path, size):
    model.opt['val']['batch_size'] = size
    with pytest.raises(ValueError, match=r"^set 'pairs', image b/1\.png: b/1\.png cannot be read$"):
        model.nondist_validation(DataLoader(NoisyPairs(unreadable=3)), 1, None, True)
    assert no_thread_is_left()
    assert len(list((tmp_path / 'pairs').rglob('*.png'))) == 3
    assert not hasattr(model, 'metric_results')


def test_no_thread_is_left_after_a_stop_or_a_bad_result(model):
    class Stopped(Exception):  # noqa: N818 (as the training's)
        pass

    asked = []

    def stop_if_asked() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise Stopped

    model.stop_if_asked = stop_if_asked
    with pytest.raises(Stopped):
        model.nondist_validation(DataLoader(NoisyPairs()), 1, None, False)
    assert no_thread_is_left()
    model.test = lambda: setattr(model, 'output', model.lq * float('inf'))
    with pytest.raises(ValueError, match="NaN or infinite values for 0 of 'pairs'"):
        model.nondist_validation(DataLoader(NoisyPairs()), 1, None, False)
    assert no_thread_is_left()


def test_names_depend_on_the_order_of_the_set_alone():
    paths = dict(enumerate(['a/x.png', 'b/x.png', 'x_2.png', 'y.png', 'c/x.png', 'c/y.png', 'z.png']))
    expected = {0: 'x', 1: 'x_2', 2: 'x_2_2', 3: 'y', 4: 'x_3', 5: 'y_2', 6: 'z'}
    assert name_images(paths, {}) == expected
    assert name_images(dict(enumerate(['1_2.png', 'a/1.png', 'b/1.png', 'a/1.png'])), {}) == {
        0: '1_2', 1: '1', 2: '1_3', 3: '1_4',
    }  # fmt: skip
    taken: dict = {}  # two processes of two images each, block by block
    found = {}
    for block in ((2, 0, 3, 1), (6, 4, 5)):
        found |= name_images({number: paths[number] for number in block}, taken)
    assert found == expected


def test_strip_is_side_by_side():
    left, right = np.zeros((5, 6, 3), np.uint8), np.full((5, 6, 3), 7, np.uint8)
    strip = image_strip([left, right])
    assert strip.shape == (5, 16, 3)
    assert (strip[:, 6:10] == 255).all() and (strip[:, 10:] == 7).all()
