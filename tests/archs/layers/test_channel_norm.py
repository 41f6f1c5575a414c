"""Normalisation over channels: the same values and gradients whatever the memory layout and kernels."""

import pytest
import torch

from amsnet_basicsr.archs.layers.channel_norm import channel_norm


def values(layout: torch.memory_format, dtype: torch.dtype = torch.double) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(2, 5, 3, 4, generator=generator, dtype=dtype) + 2).contiguous(memory_format=layout)
    return [x.requires_grad_(), *(torch.randn(5, generator=generator, dtype=dtype).requires_grad_() for _ in range(2))]


@pytest.mark.parametrize('with_bias', [False, True])
def test_both_layouts_normalise_alike(with_bias):
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        x, weight, bias = values(layout)
        out = channel_norm(x, weight, bias if with_bias else None)
        assert out.is_contiguous(memory_format=layout)
        inputs = [x, weight, bias][: 2 + with_bias]
        results.append([out, *torch.autograd.grad(out.sin().sum(), inputs)])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, atol=1e-12, rtol=1e-12)


def test_bias_free_gradient_is_that_of_finite_differences():
    x, weight, _ = values(torch.channels_last)
    assert torch.autograd.gradcheck(lambda x, weight: channel_norm(x, weight), (x, weight))


def test_only_the_gradients_that_are_wanted():
    x, weight, _ = values(torch.channels_last)
    out = channel_norm(x.detach(), weight)
    (alone,) = torch.autograd.grad(out.sum(), weight)
    torch.testing.assert_close(alone, torch.autograd.grad(channel_norm(x, weight).sum(), weight)[0])
