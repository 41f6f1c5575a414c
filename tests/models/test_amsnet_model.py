"""AMSNetModel in this process: what one step runs, learns and keeps."""

import pytest
import torch
from torch import nn

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.models import AMSNetModel
from amsnet_basicsr.models.scheme_options import SchemeOptions
from amsnet_basicsr.scheme import R3
from tests.pipeline.options import train_options


def build(tmp_path, **changes) -> AMSNetModel:
    options = train_options(tmp_path, **changes)
    options.update(num_gpu=0, is_train=True, dist=False, rank=0, world_size=1)
    options['path'] = {'models': str(tmp_path), 'visualization': str(tmp_path)}
    return AMSNetModel(options)


def batch(size: int = 40, n: int = 2) -> dict:
    return {'lq': torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)), 'lq_path': ['a'] * n}


class Counting(nn.Module):
    """Counts the images that a network is shown."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.images = net, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.images += x.shape[0]
        return self.net(x)


@pytest.mark.parametrize('branches', [2, 3])
@pytest.mark.parametrize('fine_tuning', [False, True])
def test_training_runs_one_branch_and_fine_tuning_all(tmp_path, branches, fine_tuning):
    model = build(tmp_path, scheme={'branches': branches})
    if fine_tuning:
        model.cri_smooth = nn.Identity()
        model.cri_smooth.forward = lambda image: image.mean()
    model.net_g = Counting(model.net_g)
    model.feed_data(batch())
    losses = model.compute_losses(model.lq)
    assert model.net_g.images == 2 * 25 * (branches if fine_tuning else 1)
    assert set(losses) == ({'l_mask', 'l_smooth'} if fine_tuning else {'l_mask'})


def test_steps_are_seeded_and_learn(tmp_path):
    first, second = build(tmp_path), build(tmp_path)
    second.net_g.load_state_dict(first.net_g.state_dict())
    logs = []
    for step in range(1, 25):
        for model in (first, second):
            model.feed_data(batch())
            model.optimize_parameters(step)
        logs.append(first.get_current_log()['l_mask'])
        assert first.get_current_log() == second.get_current_log()
    assert sum(logs[-4:]) < sum(logs[:4])
    assert set(first.get_current_log()) == {'l_mask', 'lr'}


def test_average_takes_batchnorm_statistics_too(tmp_path):
    model = build(tmp_path)
    model.feed_data(batch())
    before = {name: value.clone() for name, value in model.net_g_ema.state_dict().items()}
    model.optimize_parameters(1)
    current = model.net_g.state_dict()
    for name, value in model.net_g_ema.state_dict().items():
        if value.is_floating_point():
            expected = 0.9 * before[name] + 0.1 * current[name]  # ema_decay 0.9
            torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)
        else:
            assert torch.equal(value, current[name])


def test_gradient_is_clipped(tmp_path):
    model = build(tmp_path)
    model.grad_clip_norm = 1e-3
    model.feed_data(batch())
    model.optimize_parameters(1)
    norm = torch.stack([p.grad.norm() for p in model.net_g.parameters()]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_ground_truth_of_an_earlier_batch_is_forgotten(tmp_path):
    model = build(tmp_path)
    model.feed_data({**batch(), 'gt': torch.zeros(2, 3, 40, 40)})
    assert hasattr(model, 'gt')
    model.feed_data(batch())
    assert not hasattr(model, 'gt')


def test_denoising_restores_the_training_mode_and_repeats(tmp_path):
    model = build(tmp_path)
    del model.net_g_ema
    model.feed_data(batch(33, 1))
    model.net_g.train()
    model.test()
    first = model.output
    assert model.net_g.training and first.shape == (1, 3, 33, 33)
    model.test()
    assert torch.equal(model.output, first)
    assert model.predict_hidden().shape == (1, 3, 33, 33)


def test_scheme_options():
    assert SchemeOptions.from_options(None) == SchemeOptions()
    assert SchemeOptions.from_options({'refine': {'type': 'R3'}}).refine == R3(8, 0.16)
    assert SchemeOptions.from_options({'size_multiple': None, 'tile': {'size': 128}}).tile == {'size': 128}
    for wrong, message in (
        ({'train_strid': 5}, "did you mean 'train_stride'"),
        ({'branches': 1}, 'branches must be a whole number of at least 2'),
        ({'test_stride': 2.5}, 'test_stride must be a whole number'),
        ({'tile': 512}, 'tile must be'),
        ({'tile': {'size': 100, 'overlap': 50}}, 'less than half'),
        ({'train_stride': None}, 'train_stride must be a whole number'),
        ({'seed': None}, 'seed must be a whole number'),
        ({'mask_per_channel': 'no'}, 'mask_per_channel must be true or false'),
        ({'tile': {'size': '512'}}, 'tile must be'),
        ({'refine': {'type': 'R3', 'samples': 2.5}}, 'whole number of samples'),
        ({'refine': {'type': 'R4'}}, 'scheme: refine: type must be one of'),
    ):
        with pytest.raises(ValueError, match=message):
            SchemeOptions.from_options(wrong)


def test_tiles_that_the_network_cannot_do_are_refused_at_the_start(tmp_path):
    unet = {'type': 'UNet', 'in_nc': 3, 'out_nc': 3, 'n_feature': 8}
    with pytest.raises(ValueError, match='64 is too much for tiles of 128'):
        build(tmp_path, network_g=unet, scheme={'tile': {'size': 100, 'overlap': 40}})


def test_resuming_draws_other_masks_than_the_start(tmp_path):
    model = build(tmp_path)
    start = model.generator.get_state()
    state = {'epoch': 0, 'iter': 3, 'optimizers': [model.optimizer_g.state_dict()], 'schedulers': []}
    state['schedulers'] = [scheduler.state_dict() for scheduler in model.schedulers]
    model.resume_training(state)
    first = model.generator.get_state()
    assert not torch.equal(first, start)
    model.resume_training(state)
    assert torch.equal(model.generator.get_state(), first)


def test_pixel_losses_are_refused(tmp_path):
    options = train_options(tmp_path)['train']
    for wrong in ({'mask_opt': None}, {'pixel_opt': {'type': 'L1Loss'}}):
        with pytest.raises(ValueError, match='mask_opt'):
            build(tmp_path, train={**options, **wrong})


def test_channels_last_gives_the_same_numbers(tmp_path):
    plain, last = build(tmp_path), build(tmp_path, channels_last=True)
    last.net_g.load_state_dict(plain.net_g.state_dict())
    assert last.net_g.model[2].weight.is_contiguous(memory_format=torch.channels_last)
    for model in (plain, last):
        model.feed_data(batch())
        model.optimize_parameters(1)
    assert plain.log_dict['l_mask'] == pytest.approx(last.log_dict['l_mask'], rel=1e-5)


def test_any_optimizer_of_torch_but_no_other(tmp_path):
    options = train_options(tmp_path)['train']
    model = build(tmp_path, train={**options, 'optim_g': {'type': 'RMSprop', 'lr': 0.1}})
    assert isinstance(model.optimizer_g, torch.optim.RMSprop)
    for name in ('Adamm', 'lr_scheduler'):
        with pytest.raises(ValueError, match=f"no optimizer '{name}'"):
            build(tmp_path, train={**options, 'optim_g': {'type': name, 'lr': 0.1}})
