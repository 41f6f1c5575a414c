"""What every network promises, whatever its architecture."""

import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import ARCHS, DBSNl, DeamNet, DnCNN, NAFNet, Restormer
from tests.archs.weights_from_names import fill_by_name

TINY = {
    'DBSNl': {'base_ch': 8, 'num_module': 1},
    'DeamNet': {},
    'DnCNN': {'nc': 4, 'nb': 3},
    'NAFNet': {'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': (1, 1), 'dec_blk_nums': (1, 1)},
    'NAFNetBaseline': {'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': (1, 1), 'dec_blk_nums': (1, 1)},
    'Restormer': {'dim': 4, 'num_blocks': (1, 1, 1, 1), 'num_refinement_blocks': 1, 'heads': (1, 1, 2, 2)},
    'UNet': {'n_feature': 4},
}


@pytest.fixture(params=ARCHS)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return ARCHS[request.param](**TINY[request.param])


def test_any_multiple_of_the_size_multiple_keeps_its_shape(net: nn.Module):
    fill_by_name(net)
    # At least 16 pixels: the smallest sizes are for the caller to pad.
    unit = net.size_multiple * -(-16 // net.size_multiple)
    for height, width in ((unit, unit), (unit, unit + net.size_multiple), (unit + 2 * net.size_multiple, unit)):
        with torch.no_grad():
            output = net(torch.rand(1, 3, height, width))
        assert output.shape == (1, 3, height, width)
        assert output.isfinite().all()


def test_an_output_does_not_depend_on_its_neighbours_in_the_batch(net: nn.Module):
    fill_by_name(net)
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        together, alone = net(images), torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_training_step_reaches_every_trainable_weight(net: nn.Module):
    # Weights as constructed, but for gains that start at zero and hide what is behind them.
    for name, parameter in net.named_parameters():
        if name.endswith(('beta', 'gamma')):
            nn.init.ones_(parameter)
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    net.train()
    net(images).square().mean().backward()
    trainable = {name: parameter.grad for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert [name for name, gradient in trainable.items() if gradient is None] == []
    assert all(gradient.isfinite().all() for gradient in [images.grad, *trainable.values()])
    assert images.grad.any()


def test_a_flat_image_has_finite_gradients(net: nn.Module):
    fill_by_name(net).train()
    net(torch.zeros(2, 3, 32, 32)).mean().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_forward_does_not_change_the_input(net: nn.Module):
    images = torch.rand(2, 3, 32, 32)
    before = images.clone()
    net(images)
    assert torch.equal(images, before)


@pytest.mark.parametrize('channels', [1, 4])
def test_networks_serve_other_numbers_of_channels(net: nn.Module, channels: int):
    names = {
        'DBSNl': ('in_ch', 'out_ch'),
        'DeamNet': ('in_channels',),
        'DnCNN': ('in_nc', 'out_nc'),
        'NAFNet': ('img_channel',),
        'NAFNetBaseline': ('img_channel',),
        'Restormer': ('inp_channels', 'out_channels'),
        'UNet': ('in_nc', 'out_nc'),
    }
    arch = type(net).__name__
    other = type(net)(**TINY[arch], **dict.fromkeys(names[arch], channels))
    with torch.no_grad():
        assert other(torch.rand(1, channels, 32, 32)).shape == (1, channels, 32, 32)


def centre_influence(net: nn.Module) -> float:
    """Largest derivative of an output pixel by the input pixel at its place."""
    images = torch.rand(1, 3, 33, 33, requires_grad=True)
    net(images)[..., 16, 16].sum().backward()
    return images.grad[..., 16, 16].abs().max().item()


def test_only_the_dilated_dbsn_is_blind_to_the_pixel_itself():
    assert centre_influence(fill_by_name(DBSNl(base_ch=8, num_module=2))) == 0
    assert centre_influence(fill_by_name(DBSNl(base_ch=8, num_module=2, dilated=False))) > 1e-4


def test_dbsn_weights_serve_with_and_without_dilation():
    dilated, standard = DBSNl(base_ch=8, num_module=2), DBSNl(base_ch=8, num_module=2, dilated=False)
    standard.load_state_dict(dilated.state_dict())
    assert (standard.branch1.body[0].mask == 0).sum() == 8 * 8


def test_deamnet_freezes_exactly_the_layers_that_its_output_does_not_depend_on():
    net = DeamNet()
    net(torch.rand(1, 3, 16, 16)).sum().backward()
    for name, parameter in net.named_parameters():
        unused = name.startswith(('net2.conv_dila', 'net2.cat1.'))
        assert parameter.requires_grad != unused, name
        assert (parameter.grad is None) == unused, name


def test_nafnet_pads_any_size_and_crops_it_back():
    net = fill_by_name(NAFNet(**TINY['NAFNet']))
    images = torch.rand(1, 3, 9, 14)
    padded = torch.nn.functional.pad(images, (0, 2, 0, 3))
    with torch.no_grad():
        assert torch.equal(net(images), net(padded)[..., :9, :14])


@pytest.mark.parametrize(
    ('arch', 'arguments', 'message'),
    [
        (DnCNN, {'act_mode': 'L'}, "'R' or 'BR'"),
        (DnCNN, {'nb': 1}, 'at least 2'),
        (DnCNN, {'out_nc': 2}, 'in_nc'),
        (DBSNl, {'base_ch': 5}, 'even'),
        (NAFNet, {'enc_blk_nums': (1,)}, 'equal length'),
        (Restormer, {'LayerNorm_type': 'Biasfree'}, "'Biasfree'"),
        (Restormer, {'num_blocks': (4, 6)}, '4 scales'),
        (Restormer, {'out_channels': 1}, 'must be equal'),
        (Restormer, {'dim': 6, 'heads': (4, 1, 1, 1)}, 'divisible'),
    ],
)
def test_impossible_arguments_are_refused(arch: type[nn.Module], arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        arch(**arguments)


def test_networks_do_not_import_basicsr(fork_server, tmp_path):
    code = "import sys, amsnet_basicsr.archs; sys.exit('basicsr' in sys.modules)"
    assert fork_server.run('-c', code, cwd=tmp_path, bare=True).returncode == 0
