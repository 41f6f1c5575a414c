"""AMSNetModel in this process: what one step runs, learns and keeps."""

import pytest
import torch
from torch import nn

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.models import AMSNetModel
from amsnet_basicsr.options.blocks import SchemeOptions
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
    assert SchemeOptions.read(None, 'scheme') == SchemeOptions()
    assert SchemeOptions.read({'refine': {'type': 'R3'}}, 'scheme').refine == R3(8, 0.16)
    assert SchemeOptions.read({'size_multiple': None, 'tile': {'size': 128}}, 'scheme').tile.size == 128
    for wrong, message in (
        ({'train_strid': 5}, "did you mean 'train_stride'"),
        ({'branches': 1}, 'branches must be a whole number of at least 2'),
        ({'test_stride': 2.5}, 'test_stride must be a whole number'),
        ({'tile': 512}, 'tile must be'),
        ({'tile': {'size': 100, 'overlap': 50}}, 'less than half'),
        ({'train_stride': None}, 'train_stride must be a whole number'),
        ({'seed': None}, 'seed must be a whole number'),
        ({'mask_per_channel': 'no'}, 'mask_per_channel must be true or false'),
        ({'tile': {'size': '512'}}, 'tile.size must be'),
        ({'refine': {'type': 'R3', 'samples': 2.5}}, 'whole number of samples'),
        ({'refine': {'type': 'R4'}}, 'scheme.refine: type must be one of'),
    ):
        with pytest.raises(ValueError, match=message):
            SchemeOptions.read(wrong, 'scheme')


def test_tiles_that_the_network_cannot_do_are_refused_at_the_start(tmp_path):
    unet = {'type': 'UNet', 'in_nc': 3, 'out_nc': 3, 'n_feature': 8}
    with pytest.raises(ValueError, match='64 is too much for tiles of 128'):
        build(tmp_path, network_g=unet, scheme={'tile': {'size': 100, 'overlap': 40}})


def test_masks_depend_on_seed_and_iteration_alone(tmp_path):
    def masks(seed: int, iterations: list[int]) -> list[torch.Tensor]:
        model, drawn = build(tmp_path, manual_seed=seed), []
        draw = model.draw_masks
        model.draw_masks = lambda noisy: drawn.append(draw(noisy)) or drawn[-1]
        for iteration in iterations:
            model.feed_data(batch())
            model.optimize_parameters(iteration)
        return drawn

    first, second, third = masks(0, [1, 2, 3])
    assert not torch.equal(first, second)
    assert torch.equal(masks(0, [3])[0], third)  # as after going on from iteration 2
    assert not torch.equal(masks(1, [1])[0], first)


def test_processes_share_the_masks_that_one_would_draw(tmp_path):
    def masks(images: int, **process: int) -> torch.Tensor:
        model = build(tmp_path)
        model.opt.update(process)
        model.generator.manual_seed(0)
        return model.draw_masks(torch.zeros(images, 3, 40, 40))

    whole = masks(4)
    assert whole.shape == (4, 25, 1, 8, 8)
    for rank in (0, 1):
        assert torch.equal(masks(2, world_size=2, rank=rank), whole[rank::2])


PLAIN = {'type': 'DnCNN', 'in_nc': 3, 'out_nc': 3, 'nc': 8, 'nb': 4, 'act_mode': 'R'}  # no BatchNorm: parts are alike


def stepped(tmp_path, more: dict, smooth: bool = False, network: dict = PLAIN, **options) -> AMSNetModel:
    """A model after two steps on three images, from the same weights each time."""
    train = {**train_options(tmp_path)['train'], **more}
    train['optim_g'] = {'type': 'SGD', 'lr': 0.1}  # differences stay as small as they are
    if smooth:
        train['smooth_opt'] = {'type': 'SmoothnessLoss'}
    torch.manual_seed(0)
    model = build(tmp_path, train=train, network_g=dict(network), **options)
    for step in (1, 2):
        model.feed_data(batch(n=3))
        model.optimize_parameters(step)
    return model


def assert_same_weights(first: AMSNetModel, second: AMSNetModel, tolerance: float) -> None:
    for name, value in first.get_bare_model(first.net_g).state_dict().items():
        torch.testing.assert_close(second.net_g.state_dict()[name], value, atol=tolerance, rtol=0)
    assert second.get_current_log() == pytest.approx(first.get_current_log(), rel=max(1e-5, tolerance))


@pytest.mark.parametrize('smooth', [False, True])
@pytest.mark.parametrize('parts', [2, 3, 8])
def test_a_batch_in_parts_gives_the_same_step(tmp_path, parts, smooth):
    assert_same_weights(stepped(tmp_path, {}, smooth), stepped(tmp_path, {'accumulate': parts}, smooth), 5e-6)


def test_recomputed_features_give_the_same_step(tmp_path):
    network = {'type': 'NAFNet', 'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': [1], 'dec_blk_nums': [1]}
    whole, again = (stepped(tmp_path, more, network=network) for more in ({}, {'checkpointing': True}))
    assert_same_weights(whole, again, 0)


@pytest.mark.parametrize(('amp', 'dtype'), [('bf16', torch.bfloat16), (True, torch.bfloat16), ('fp16', torch.float16)])
def test_half_precision_runs_the_network_only(tmp_path, amp, dtype):
    whole, half = stepped(tmp_path, {}), stepped(tmp_path, {'amp': amp})
    assert_same_weights(whole, half, 2e-3)
    assert all(value.dtype == torch.float32 for value in half.net_g.parameters())
    seen = []
    half.net_g.model[-1].register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    half.optimize_parameters(3)
    assert seen == [dtype] and half.log_dict['l_mask'].dtype == torch.float32
    state = half.extra_state()
    assert bool(state) == (amp == 'fp16')
    half.load_extra_state(state)


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
    assert plain.get_current_log()['l_mask'] == pytest.approx(last.get_current_log()['l_mask'], rel=1e-5)


def test_any_optimizer_of_torch_but_no_other(tmp_path):
    options = train_options(tmp_path)['train']
    model = build(tmp_path, train={**options, 'optim_g': {'type': 'RMSprop', 'lr': 0.1}})
    assert isinstance(model.optimizer_g, torch.optim.RMSprop)
    for name in ('Adamm', 'lr_scheduler'):
        with pytest.raises(ValueError, match=f"no optimizer '{name}'"):
            build(tmp_path, train={**options, 'optim_g': {'type': name, 'lr': 0.1}})
