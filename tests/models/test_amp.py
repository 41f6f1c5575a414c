"""The pieces of a training step give the result of the plain one, to rounding."""

import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import ARCHS, NAFNet
from amsnet_basicsr.losses import mask_l1_loss
from amsnet_basicsr.models.amp import AMP_TYPES, Precision, batch_parts, part_weights
from amsnet_basicsr.options.blocks.training import AMSNetTraining
from tests.archs.test_properties import TINY
from tests.archs.weights_from_names import fill_by_name
from tests.pipeline.options import train_options


def network(name: str) -> nn.Module:
    return fill_by_name(ARCHS[name](**TINY[name])).train()


def gradients(net: nn.Module, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [p for p in net.parameters() if p.requires_grad]))


@pytest.mark.parametrize('option', ['fp8', 1, 16, ['bf16']])
def test_other_precisions_are_refused(option):
    train = train_options('noisy')['train']
    known_types = {None: None, False: None, True: torch.bfloat16, 'bf16': torch.bfloat16, 'fp16': torch.float16}
    for known, dtype in known_types.items():
        assert AMP_TYPES[AMSNetTraining.read({**train, 'amp': known}, 'train').amp] is dtype
    with pytest.raises(ValueError, match=r'train\.amp must be'):
        AMSNetTraining.read({**train, 'amp': option}, 'train')


@pytest.mark.parametrize('name', ['Restormer', 'NAFNetBaseline'])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_half_precision_is_close_and_its_loss_and_gradients_are_single(name, layout):
    net, x = network(name).to(memory_format=layout), torch.rand(2, 3, 16, 16).contiguous(memory_format=layout)
    exact = net(x)
    dtypes = []
    net.register_forward_hook(lambda *results: dtypes.append(results[2].dtype))
    half = Precision(torch.bfloat16, 'cpu').run(net, x)
    assert half.dtype == torch.float32 and not torch.equal(half, exact)
    assert (half - exact).abs().max() < 0.05 * exact.abs().max()
    for ours, reference in zip(gradients(net, half.mean()), gradients(net, exact.mean()), strict=True):
        assert ours.dtype == torch.float32 and ours.isfinite().all()
        torch.testing.assert_close(ours, reference, atol=0.1 * float(reference.abs().max()) + 1e-3, rtol=0.1)


@pytest.mark.parametrize('dtype', [None, torch.bfloat16])
def test_step_is_that_of_the_optimizer(dtype):
    nets = [nn.Linear(3, 2) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    first, second = (torch.optim.SGD(net.parameters(), lr=1.0) for net in nets)
    precision, x = Precision(dtype, 'cpu'), torch.rand(4, 3)
    precision.backward(precision.run(nets[0], x).square().sum())
    precision.step(first, nets[0].parameters(), clip_norm=0.5)
    with torch.autocast('cpu', dtype, enabled=dtype is not None):
        out = nets[1](x)
    out.float().square().sum().backward()
    nn.utils.clip_grad_norm_(nets[1].parameters(), 0.5)
    second.step()
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_overflow_in_fp16_is_no_step_and_the_scale_is_kept_for_resuming():
    net, precision = nn.Linear(3, 2), Precision(torch.float16, 'cpu')
    before, optimizer = net.weight.detach().clone(), torch.optim.SGD(net.parameters(), lr=1.0)
    precision.backward(net(torch.full((1, 3), float('inf'))).sum())
    precision.step(optimizer, net.parameters(), clip_norm=1.0)
    assert torch.equal(net.weight, before)
    again = Precision(torch.float16, 'cpu')
    again.load_state_dict(precision.state_dict())
    assert again.scaler.get_scale() == precision.scaler.get_scale() < Precision(torch.float16, 'cpu').scaler.get_scale()
    Precision(None, 'cpu').load_state_dict(precision.state_dict())  # another precision: left alone


@pytest.mark.parametrize(('images', 'parts'), [(4, 2), (5, 2), (50, 3), (2, 8), (1, 1)])
def test_parts_cover_the_batch_once(images, parts):
    slices = batch_parts(images, parts)
    assert [i for part in slices for i in range(images)[part]] == list(range(images))
    assert len(slices) == min(images, parts)


def test_gradients_of_parts_add_up_to_those_of_the_batch():
    net, x = fill_by_name(NAFNet(**TINY['NAFNet'])), torch.rand(5, 3, 8, 8)
    hidden = torch.rand(5, 1, 8, 8) < torch.linspace(0.1, 0.9, 5).view(-1, 1, 1, 1)  # unequal shares
    whole = gradients(net, mask_l1_loss(net(x), x, hidden))
    parts = batch_parts(5, 2)
    weights = part_weights(torch.stack([hidden[part].sum() for part in parts]))
    losses = [mask_l1_loss(net(x[part]), x[part], hidden[part]) for part in parts]
    for sums, expected in zip(gradients(net, (torch.stack(losses) * weights).sum()), whole, strict=True):
        torch.testing.assert_close(sums, expected, atol=1e-6, rtol=1e-4)
    assert part_weights(torch.zeros(2)).tolist() == [0.5, 0.5]
