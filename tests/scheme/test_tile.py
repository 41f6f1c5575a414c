"""Running over an image region by region gives what the whole image gives, and never jumps at a border."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from amsnet_basicsr.archs import UNet
from amsnet_basicsr.scheme.tile import blend_weight, even_size, region_starts, run_in_regions


def run(net, x, size, overlap, align=1):
    out = torch.full_like(x, torch.nan)
    rows, done = [], []

    def write(part, top):
        rows.append((top, part.shape[2]))
        out[:, :, top : top + part.shape[2]] = part

    with torch.no_grad():
        read = lambda top, bottom, left, right: x[..., top:bottom, left:right]  # noqa: E731
        done = list(run_in_regions(lambda r, top, left: net(r), read, write, *x.shape[-2:], size, overlap, align))
    return out, rows, done


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 130), st.integers(1, 130), st.integers(0, 48), st.integers(0, 24), st.integers(1, 7),
    st.integers(0, 2**31),
)  # fmt: skip
def test_pointwise_functions_come_out_whole_whatever_the_regions(height, width, size, overlap, align, seed):
    size = size + overlap + 1
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    if size + -size % align <= overlap + -overlap % align and max(height, width) > size:
        return
    out, rows, done = run(lambda r: 2 * r - 1, x, size, overlap, align)
    torch.testing.assert_close(out, 2 * x - 1, atol=1e-6, rtol=0)
    assert rows[0][0] == 0 and all(a + n == b for (a, n), (b, _) in itertools.pairwise(rows))
    assert done == sorted(done) and done[-1] == height * width


def test_a_convolutional_network_gives_the_same_with_enough_overlap():
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Conv2d(3, 3, 5, padding=2, padding_mode='zeros') for _ in range(4)])  # sees 8 pixels
    x = torch.rand(1, 3, 150, 131)
    whole = net(x).detach()
    enough, _, _ = run(net, x, 64, 24)  # drops 9 at each cut
    torch.testing.assert_close(enough, whole, atol=1e-6, rtol=0)
    too_little, _, _ = run(net, x, 64, 8)
    assert (too_little - whole).abs().max() > 1e-4  # the check above can fail


def test_a_network_with_a_grid_of_its_own_needs_aligned_regions():
    torch.manual_seed(0)
    net = UNet(n_feature=4).eval()
    x = torch.rand(1, 3, 320, 512)
    with torch.no_grad():
        whole = net(x)
    aligned, _, _ = run(net, x, 320, 128, align=32)
    # The field of 288 is wider than what is dropped: nearly equal, as far pixels count little.
    assert (aligned - whole).abs().mean() < 1e-3 * whole.abs().mean()


def test_cut_edges_count_nothing_and_borders_of_the_image_count_fully():
    like = torch.zeros(())
    assert blend_weight(0, 64, 64, 16, like).eq(1).all()
    inner = blend_weight(32, 96, 200, 16, like)
    assert inner[:6].eq(0).all() and inner[-6:].eq(0).all() and inner[10:-10].eq(1).all()
    left, right = blend_weight(0, 64, 112, 16, like), blend_weight(48, 112, 112, 16, like)
    torch.testing.assert_close(left[48:] + right[:16], torch.ones(16))


def test_starts_are_aligned_and_cover():
    assert region_starts(100, 40, 8, 4) == [0, 32, 60]
    assert region_starts(101, 40, 8, 4) == [0, 32, 64]
    assert region_starts(30, 40, 8, 4) == [0]


@given(st.integers(1, 3000), st.integers(1, 40), st.integers(0, 20), st.integers(1, 8))
def test_even_regions_are_the_smallest_of_their_number(length, extra, overlap, align):
    overlap *= align
    size = overlap + extra * align
    count = len(region_starts(length, size, overlap, align))
    even = even_size(length, size, overlap, align)
    assert even <= size and even % align == 0 and len(region_starts(length, even, overlap, align)) == count
    if length <= size:
        assert even == size
    elif even - align > overlap:
        assert len(region_starts(length, even - align, overlap, align)) > count


def test_an_image_a_little_larger_than_a_region_is_not_run_four_times():
    pixels = []
    run(lambda r: pixels.append(r.shape[2] * r.shape[3]) or r, torch.rand(1, 3, 80, 80), 64, 16)
    assert pixels == [48 * 48] * 4


def test_too_much_overlap_is_refused():
    with pytest.raises(ValueError, match='an overlap of 32 needs regions larger than 32'):
        run(nn.Identity(), torch.rand(1, 3, 99, 99), 32, 32)
