"""What must hold for any size, stride, k and seed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from amsnet_basicsr.scheme import (
    R3,
    AsymmetricMaskDenoiser,
    PartitionAverage,
    build_refinement,
    channels_and_multiple,
    hide,
    image_channels,
    multi_branch_denoise,
    pad_to_multiple,
    pixel_downsample,
    pixel_upsample,
    random_partition,
    required_multiple,
    tiled_forward,
)

sides = st.integers(1, 23)
seeds = st.integers(0, 2**32)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 3, padding=1)).eval()


@given(st.integers(1, 6), sides, sides, st.integers(1, 3), st.integers(1, 4), seeds)
@settings(max_examples=40, deadline=None)
def test_pixel_upsample_undoes_downsample(stride, h, w, n, c, seed):
    x = torch.rand((n, c, h * stride, w * stride), generator=generator(seed))
    sub = pixel_downsample(x, stride)
    assert sub.shape == (n * stride**2, c, h, w)
    assert torch.equal(sub[0], x[0, :, ::stride, ::stride])
    assert torch.equal(pixel_upsample(sub, stride), x)


def test_pixel_downsample_refuses_other_sizes():
    with pytest.raises(ValueError, match='pad it'):
        pixel_downsample(torch.zeros(1, 3, 7, 8), 2)
    with pytest.raises(ValueError, match='sub-images'):
        pixel_upsample(torch.zeros(3, 3, 4, 4), 2)


@given(st.integers(2, 7), sides, sides, seeds, st.booleans())
@settings(max_examples=40, deadline=None)
def test_masks_hide_every_pixel_exactly_once(branches, h, w, seed, per_channel):
    x = torch.ones(2, 3, h, w)
    index = random_partition(tuple(x.shape), branches, generator(seed), per_channel)
    assert index.shape == (2, 3 if per_channel else 1, h, w)
    visible = sum(hide(x, index, branch) for branch in range(branches))
    assert torch.equal(visible, torch.full_like(x, branches - 1))  # Eq. 5


@given(st.integers(2, 7), seeds)
@settings(max_examples=20, deadline=None)
def test_branches_hide_about_equal_shares(branches, seed):
    index = random_partition((1, 3, 200, 200), branches, generator(seed))
    shares = torch.bincount(index.flatten().long(), minlength=branches) / index.numel()
    # Five standard deviations of a binomial share.
    assert (shares - 1 / branches).abs().max() < 5 * (1 / branches * (1 - 1 / branches) / index.numel()) ** 0.5


@pytest.mark.parametrize('branches', [0, 1, 256])
def test_impossible_numbers_of_branches_are_refused(branches):
    with pytest.raises(ValueError, match='branches'):
        random_partition((1, 3, 4, 4), branches, None)


@given(st.integers(2, 4), st.integers(1, 5), st.integers(1, 11), st.integers(1, 11), seeds)
@settings(max_examples=60, deadline=None)
def test_hidden_value_never_influences_its_own_output(branches, stride, h, w, seed):
    g = generator(seed)
    x = torch.rand((1, 3, h, w), generator=g)
    denoiser = AsymmetricMaskDenoiser(small_net(), stride=stride, branches=branches, seed=seed % 1000, size_multiple=4)
    row, column = int(torch.randint(h, (), generator=g)), int(torch.randint(w, (), generator=g))
    changed = x.clone()
    changed[..., row, column] = torch.rand(3, generator=g) * 5
    before, after = denoiser(x), denoiser(changed)
    assert torch.equal(before[..., row, column], after[..., row, column])


@pytest.mark.parametrize('size', [(5, 5), (9, 7), (6, 11)])
def test_padding_shows_no_hidden_pixel(size):
    """A mirrored pixel lies beside its source in the same sub-image: it must be hidden with it."""
    x = torch.rand(1, 3, *size)
    denoiser = AsymmetricMaskDenoiser(small_net(), stride=2, mask_per_channel=True)
    before = denoiser(x)
    for row in range(size[0]):
        for column in range(size[1]):
            for channel in range(3):
                changed = x.clone()
                changed[0, channel, row, column] += 1
                assert denoiser(changed)[0, channel, row, column] == before[0, channel, row, column]


def test_tiles_too_small_for_the_network_are_refused():
    with pytest.raises(ValueError, match='64 is too much for tiles of 128'):
        AsymmetricMaskDenoiser(small_net(), tile={'size': 100, 'overlap': 40}, size_multiple=32)
    assert AsymmetricMaskDenoiser(small_net(), tile={'size': 128}, size_multiple=8).tile == {'size': 128, 'overlap': 32}


def test_hidden_value_influences_others():
    x = torch.rand(1, 3, 8, 8)
    changed = x.clone()
    changed[..., 4, 4] += 1
    denoiser = AsymmetricMaskDenoiser(small_net(), stride=1)
    assert not torch.equal(denoiser(x), denoiser(changed))


def test_identity_network_returns_zeros():
    x = torch.rand(2, 3, 16, 18) + 0.1
    index = random_partition(tuple(x.shape), 2, generator(0))
    assert torch.count_nonzero(multi_branch_denoise(nn.Identity(), x, index, 2)) == 0


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(2, 3), seeds)
@settings(max_examples=30, deadline=None)
def test_any_size_comes_back(h, w, stride, branches, seed):
    x = torch.rand((1, 3, h, w), generator=generator(seed))
    denoiser = AsymmetricMaskDenoiser(small_net(), stride=stride, branches=branches, size_multiple=8)
    out = denoiser(x)
    assert out.shape == x.shape and out.isfinite().all()


@pytest.mark.parametrize('refine', [None, R3(3, 0.3), PartitionAverage(3)])
@pytest.mark.parametrize('size', [(1, 1), (1, 50), (13, 7), (33, 48)])
def test_result_depends_on_the_seed_alone(refine, size):
    x = torch.rand(3, 3, *size)

    def run(images: torch.Tensor, seed: int = 7, max_pixels: int = 2**20) -> torch.Tensor:
        return AsymmetricMaskDenoiser(small_net(), seed=seed, refine=refine, max_pixels=max_pixels)(images)

    reference = run(x)
    for max_pixels in (1, 300, 2000):
        torch.testing.assert_close(run(x, max_pixels=max_pixels), reference, atol=1e-6, rtol=0)
    torch.testing.assert_close(run(x[1:2]), reference[1:2], atol=1e-6, rtol=0)  # whatever else is in the batch
    if min(size) > 1:
        assert not torch.allclose(run(x, seed=8), reference, atol=1e-4)


def test_a_result_may_take_part_in_training():
    denoised = AsymmetricMaskDenoiser(small_net(), refine=R3(1))(torch.rand(1, 3, 8, 8))
    assert not denoised.requires_grad
    weight = torch.ones((), requires_grad=True)
    (denoised * weight).sum().backward()  # what inference mode returns cannot
    torch.testing.assert_close(weight.grad, denoised.sum())


def test_global_generator_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    AsymmetricMaskDenoiser(small := nn.Identity(), refine=R3(2))(torch.zeros(1, 3, 8, 8))
    assert isinstance(small, nn.Identity)
    assert torch.equal(torch.rand(4), expected)


def test_partition_average_is_the_mean_over_partitions():
    x = torch.rand(1, 3, 12, 12)
    denoiser = AsymmetricMaskDenoiser(small_net(), seed=5, refine=PartitionAverage(4))
    g = generator(5)
    passes = [denoiser.denoise_once(x, 2, denoiser.draw_partition(tuple(x.shape), 2, g)) for _ in range(4)]
    torch.testing.assert_close(denoiser(x), torch.stack(passes).mean(0), atol=1e-6, rtol=0)


@given(sides, sides, st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_padding_keeps_the_image(h, w, multiple):
    x = torch.rand(1, 3, h, w)
    padded = pad_to_multiple(x, multiple)
    assert padded.shape[-2] % multiple == 0 and padded.shape[-1] % multiple == 0
    assert torch.equal(padded[..., :h, :w], x)


class NeedsMultiple(nn.Module):
    """Works on multiples of a number only."""

    def __init__(self, multiple: int, scale: int = 1) -> None:
        super().__init__()
        self.multiple, self.scale = multiple, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] % self.multiple or x.shape[-2] % self.multiple:
            raise RuntimeError('wrong size')
        return x.repeat_interleave(self.scale, -1)


@pytest.mark.parametrize('multiple', [1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64, 128])
def test_required_multiple_is_found(multiple):
    net = NeedsMultiple(multiple)
    net.train()
    assert required_multiple(net) == multiple
    assert net.training


def test_networks_that_change_the_size_are_refused():
    with pytest.raises(ValueError, match='upscale'):
        required_multiple(NeedsMultiple(1, scale=2))


def test_networks_that_take_no_size_tried_are_refused_by_their_own_words():
    with pytest.raises(ValueError, match=r'wrong size.*scheme\.size_multiple'):
        required_multiple(NeedsMultiple(37 * 41))


@given(st.integers(20, 70), st.integers(20, 70), st.sampled_from([24, 32]), st.sampled_from([8, 10]))
@settings(max_examples=20, deadline=None)
def test_tiles_give_the_whole_image(h, w, size, overlap):
    net, x = small_net(), torch.rand(2, 3, h, w)
    with torch.no_grad():
        torch.testing.assert_close(tiled_forward(net, x, size, overlap), net(x), atol=1e-5, rtol=0)


def test_tiles_of_the_denoiser_give_the_whole_image():
    x = torch.rand(1, 3, 90, 101)
    whole = AsymmetricMaskDenoiser(small_net(), refine=R3(2))(x)
    tiled = AsymmetricMaskDenoiser(small_net(), refine=R3(2), tile={'size': 24, 'overlap': 8})(x)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_refinements_from_options():
    assert build_refinement(None) is None
    assert build_refinement({'type': 'R3', 'samples': 4, 'prob': 0.2}) == R3(4, 0.2)
    assert build_refinement({'type': 'PartitionAverage'}) == PartitionAverage(8)
    for wrong in ({'type': 'R4'}, {'samples': 8}, {'type': 'R3', 'probability': 0.1}, {'type': 'R3', 'prob': 2}, 'R3'):
        with pytest.raises(ValueError):
            build_refinement(wrong)


def test_a_foreign_network_is_tried_once_for_channels_and_multiple():
    class Foreign(nn.Module):
        passes = 0

        def forward(self, x):
            Foreign.passes += 1
            if x.shape[1] != 1 or x.shape[2] % 4 or x.shape[3] % 4:
                raise RuntimeError('grey, in multiples of 4')
            return x

    tried = []
    for find in (channels_and_multiple, image_channels, required_multiple):
        Foreign.passes = 0
        tried.append((find(Foreign()), Foreign.passes))
    assert [found for found, _ in tried] == [(1, 4), 1, 4]
    assert len({passes for _, passes in tried}) == 1
