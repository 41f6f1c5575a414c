"""Networks of spandrel under the mask scheme, and our NAFNet weights in spandrel."""

import copy
import sys

import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.archs import NAFNet
from amsnet_basicsr.archs.spandrel_arch import SpandrelArch
from amsnet_basicsr.models import AMSNetModel
from tests.archs.weights_from_names import fill_by_name
from tests.pipeline.options import train_options

#: Of each family the smallest that still has all of its parts.
FAMILIES = {
    'SCUNet': {'dim': 64, 'config': [1] * 7},
    'SwinIR': {
        'upscale': 1, 'img_size': 32, 'window_size': 4, 'depths': [2], 'embed_dim': 12, 'num_heads': [2],
        'mlp_ratio': 2.0, 'upsampler': '',
    },
    'Uformer': {'embed_dim': 8, 'depths': [1] * 9, 'num_heads': [1] * 9, 'win_size': 2, 'size_multiple': 32},
    'NAFNet': {'width': 8, 'middle_blk_num': 1, 'enc_blk_nums': [1, 1], 'dec_blk_nums': [1, 1]},
}  # fmt: skip


def need_spandrel() -> None:
    pytest.importorskip('spandrel', reason="spandrel is not installed: pip install 'amsnet-basicsr[spandrel]'")


@pytest.mark.filterwarnings('ignore:torch.meshgrid', "ignore:'saved_variables' is deprecated")
@pytest.mark.parametrize('arch', FAMILIES)
def test_trains_and_denoises_under_the_mask_scheme(tmp_path, arch):
    need_spandrel()
    options = train_options(
        tmp_path,
        network_g={'type': 'SpandrelArch', 'arch': arch, **FAMILIES[arch]},
        scheme={'train_stride': 2},
    )
    options.update(num_gpu=0, is_train=True, dist=False, rank=0, world_size=1)
    options['path'] = {'models': str(tmp_path), 'visualization': str(tmp_path)}
    model = AMSNetModel(copy.deepcopy(options))
    before = {key: value.clone() for key, value in model.net_g.state_dict().items()}
    noisy = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    losses = []
    for step in range(1, 4):
        model.feed_data({'lq': noisy, 'lq_path': ['a']})
        model.optimize_parameters(step)
        losses.append(model.get_current_log()['l_mask'])
    assert all(loss > 0 for loss in losses) and losses[0] != losses[-1]
    after = model.net_g.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    # A size that suits none of them, and not square.
    model.feed_data({'lq': noisy[..., :33, :21], 'lq_path': ['a']})
    model.test()
    assert model.output.shape == (1, 3, 33, 21) and model.output.isfinite().all()
    # Saved weights have the keys of spandrel's network, and load again through BasicSR.
    model.save_network([model.net_g, model.net_g_ema], 'net_g', 'last', ['params', 'params_ema'])
    saved = torch.load(tmp_path / 'net_g_last.pth', weights_only=True)
    assert saved['params'].keys() == model.net_g.net.state_dict().keys()
    other = AMSNetModel(
        {**options, 'path': {**options['path'], 'pretrain_network_g': str(tmp_path / 'net_g_last.pth')}}
    )
    assert all(torch.equal(value, after[key]) for key, value in other.net_g.state_dict().items())


def test_keys_are_those_of_the_network_also_inside_another_module():
    need_spandrel()
    net = SpandrelArch('NAFNet', **FAMILIES['NAFNet'])
    assert list(net.state_dict()) == list(net.net.state_dict())
    outer = torch.nn.Sequential(net)
    assert list(outer.state_dict()) == [f'0.{key}' for key in net.net.state_dict()]
    weights = {key: torch.full_like(value, 0.5) for key, value in outer.state_dict().items()}
    outer.load_state_dict(weights, strict=True)
    assert all((value == 0.5).all() for value in net.net.parameters())
    with pytest.raises(RuntimeError, match=r'(?s)Missing key.*Unexpected key'):
        net.load_state_dict({'wrong': torch.zeros(1)})


def test_output_is_the_networks_where_nothing_is_padded_and_padding_is_cropped():
    need_spandrel()
    net = SpandrelArch('Uformer', **FAMILIES['Uformer']).eval()
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(net(x), net.net(x))
        assert net(x[..., :3, :40]).shape == (2, 3, 3, 40)
    assert SpandrelArch('Uformer', **{**FAMILIES['Uformer'], 'size_multiple': None}).size_multiple == 128


def test_seeded_weights_are_those_of_the_bare_network():
    need_spandrel()
    torch.manual_seed(3)
    net = SpandrelArch('NAFNet', **FAMILIES['NAFNet'])
    after = torch.rand(1)
    torch.manual_seed(3)
    bare = type(net.net)(**FAMILIES['NAFNet'])
    assert torch.rand(1) == after
    assert all(torch.equal(value, bare.state_dict()[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'arch': 'scunet'}, "no network 'scunet'; did you mean 'SCUNet'?"),
        ({'arch': 'Zzz'}, 'spandrel has no network .* it has: ATD, .*NAFNet'),
        ({'arch': 'NAFNet', 'widht': 8, 'x': 1, 'y': 1}, "NAFNet has no option 'widht'; did you mean 'width'?"),
        ({'arch': 'DRUNet', 'in_nc': 3, 'out_nc': 3, 'nc': [8] * 4, 'nb': 1}, 'e.g. size_multiple: 8'),
    ],
)
def test_mistakes_are_explained(options, message):
    need_spandrel()
    with pytest.raises(ValueError, match=message):
        SpandrelArch(**options)


def test_networks_that_change_the_size_are_refused():
    need_spandrel()
    net = SpandrelArch('SwinIR', **{**FAMILIES['SwinIR'], 'upscale': 2, 'upsampler': 'pixelshuffledirect'})
    with pytest.raises(ValueError, match=r'SwinIR returns \(1, 3, 32, 32\) for images \(1, 3, 16, 16\).*upscale: 1'):
        net(torch.rand(1, 3, 16, 16))
    net.net.forward = lambda x: (x, x)
    with pytest.raises(ValueError, match='SwinIR returns a tuple'):
        net(torch.rand(1, 3, 16, 16))


def test_without_spandrel_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'spandrel', None)
    with pytest.raises(ImportError, match=r"pip install 'amsnet-basicsr\[spandrel\]'"):
        SpandrelArch('SCUNet')


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_our_nafnet_weights_load_in_spandrel(tmp_path, suffix):
    need_spandrel()
    from spandrel import ModelLoader

    from amsnet_basicsr.convert import write_file

    options = {'width': 8, 'middle_blk_num': 1, 'enc_blk_nums': [1, 2], 'dec_blk_nums': [1, 1]}
    net = fill_by_name(NAFNet(**options))
    write_file(tmp_path / f'a{suffix}', net.state_dict(), 'NAFNet', options)
    model = ModelLoader().load_from_file(tmp_path / f'a{suffix}')
    assert model.architecture.id == 'NAFNet'
    x = torch.rand(2, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net(x)
        torch.testing.assert_close(model.model.eval()(x), expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(model(x), expected.clamp(0, 1), atol=1e-5, rtol=0)
