"""The two losses: values by hand, gradients, and limits."""

import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.losses import (
    MaskL1Loss,
    MaskL2Loss,
    SmoothnessLoss,
    mask_l1_loss,
    mask_l2_loss,
    smoothness_loss,
)


def test_mask_loss_is_the_mean_over_hidden_pixels():
    prediction, target = torch.zeros(1, 3, 2, 2), torch.tensor([0.1, 0.2, 0.4, 0.8]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    hidden = torch.tensor([True, False, True, False]).view(1, 1, 2, 2)
    assert mask_l1_loss(prediction, target, hidden).item() == pytest.approx((0.1 + 0.4) / 2)
    assert mask_l1_loss(prediction, target).item() == pytest.approx(1.5 / 4)
    assert MaskL1Loss(0.5)(prediction, target, hidden).item() == pytest.approx(0.125)
    assert mask_l2_loss(prediction, target, hidden).item() == pytest.approx((0.01 + 0.16) / 2)
    assert mask_l2_loss(prediction, target).item() == pytest.approx((0.01 + 0.04 + 0.16 + 0.64) / 4)
    assert MaskL2Loss(0.5)(prediction, target, hidden).item() == pytest.approx(0.0425)


@pytest.mark.parametrize('mask_loss', [mask_l1_loss, mask_l2_loss])
def test_mask_loss_teaches_hidden_pixels_only(mask_loss):
    prediction = torch.zeros(1, 3, 4, 4, requires_grad=True)
    hidden = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hidden[..., 1, 2] = True
    mask_loss(prediction, torch.ones(1, 3, 4, 4), hidden).backward()
    assert torch.equal(prediction.grad != 0, hidden.expand(1, 3, 4, 4))


@pytest.mark.parametrize('mask_loss', [mask_l1_loss, mask_l2_loss])
def test_mask_loss_without_hidden_pixels_is_zero(mask_loss):
    assert mask_loss(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2).bool()) == 0


def test_l1_learns_the_median_and_l2_the_mean_of_clipped_noise():
    generator = torch.Generator().manual_seed(0)
    noisy = (0.02 + 0.05 * torch.randn(1, 1, 100, 100, generator=generator)).clamp(min=0)
    for mask_loss, expected in ((mask_l1_loss, noisy.median()), (mask_l2_loss, noisy.mean())):
        colour = torch.linspace(0, 0.1, 1001)
        losses = torch.stack([mask_loss(value.expand_as(noisy), noisy) for value in colour])
        assert colour[losses.argmin()].item() == pytest.approx(expected.item(), abs=2e-4)
    assert noisy.mean() - 0.02 > 0.008 > (noisy.median() - 0.02).abs()


def test_smoothness_of_a_slope_and_a_corner():
    slope = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 4, 5) * 0.1
    assert smoothness_loss(slope).item() == pytest.approx(0.1, rel=1e-4)
    diagonal = slope[..., :4] * 3 + slope[..., :4].transpose(-1, -2) * 4  # differences .3 and .4: isotropic .5
    assert smoothness_loss(diagonal).item() == pytest.approx(0.5, rel=1e-4)
    assert SmoothnessLoss()(diagonal).item() == pytest.approx(0.005, rel=1e-4)


def test_smoothness_is_finite_on_flat_images():
    image = torch.full((1, 3, 6, 6), 0.5, requires_grad=True)
    loss = smoothness_loss(image)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(image.grad).all()
