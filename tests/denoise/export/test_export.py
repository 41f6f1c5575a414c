"""Exported networks: ONNX in onnxruntime, weights in spandrel, and what is refused."""

import io
import json
import os
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.convert import read_denoiser, read_file, write_file
from amsnet_basicsr.denoise.export.command import main
from amsnet_basicsr.denoise.export.onnx_file import OPSETS, AnySize, ExportError, check_onnx, to_onnx
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import R3, pad_to_multiple, same_size_forward
from tests.archs.weights_from_names import fill_by_name

NAFNET = {'width': 8, 'middle_blk_num': 1, 'enc_blk_nums': [1, 1], 'dec_blk_nums': [1, 1]}
SMALL = {
    'NAFNet': NAFNET,
    'DnCNN': {'nc': 8, 'nb': 4},
    'DBSNl': {'base_ch': 8, 'num_module': 1},
    'UNet': {'n_feature': 4},
    'Restormer': {'dim': 8, 'num_blocks': [1] * 4, 'num_refinement_blocks': 1, 'heads': [1, 2, 2, 4]},
}


def need_onnx() -> None:
    for package in ('onnx', 'onnxruntime'):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'amsnet-basicsr[onnx]'")


def small(arch='NAFNet'):
    return fill_by_name(ARCHS[arch](**SMALL[arch])).requires_grad_(False)


@pytest.fixture
def weights(tmp_path):
    """A small NAFNet trained without masks, as its file says."""
    path = tmp_path / 'plain.safetensors'
    write_file(path, small().state_dict(), 'NAFNet', NAFNET, scheme={'type': 'plain'})
    return path


def run_onnx(content, noisy):
    import onnxruntime

    return onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider']).run(None, {'noisy': noisy})[0]


def refused(capsys, *arguments, status=2):
    """Run the command, which must fail; return its one line."""
    assert main([*map(str, arguments)]) == status
    printed = capsys.readouterr()
    assert printed.out == '' and printed.err.count('\n') == 1
    return printed.err


def test_onnx_denoises_images_of_any_size_as_the_package_does(tmp_path, weights, capsys):
    need_onnx()
    import onnx

    assert main(['-o', str(tmp_path / 'a.onnx'), '--model', str(weights)]) == 0
    assert 'of PyTorch in onnxruntime at 4 sizes' in capsys.readouterr().out
    content = (tmp_path / 'a.onnx').read_bytes()
    model = onnx.load_from_string(content)
    shapes = [
        (value.name, [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim])
        for value in (*model.graph.input, *model.graph.output)
    ]
    axes = ['batch', 3, 'height', 'width']
    assert shapes == [('noisy', axes), ('denoised', axes)]
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told['arch'] == 'NAFNet' and json.loads(told['hyper_parameters']) == {'img_channel': 3, **NAFNET}
    assert told['scheme'] == '{"type": "plain"}' and told['size_multiple'] == '4'
    generator = torch.Generator().manual_seed(1)
    net = small()
    for shape in ((1, 3, 1, 1), (3, 3, 50, 23), (1, 3, 2, 9)):
        noisy = torch.rand(shape, generator=generator)
        expected = same_size_forward(net, noisy, 4).clamp(0, 1)
        np.testing.assert_allclose(run_onnx(content, noisy.numpy()), expected.numpy(), atol=1e-5)
        if shape[2] > 2:
            assert expected.std() > 0.1  # not black or white all over


@pytest.mark.parametrize('arch', SMALL)
def test_networks_export(arch):
    need_onnx()
    net = small(arch)
    wrapped = AnySize(net, multiple=net.size_multiple)
    assert check_onnx(to_onnx(wrapped, {}), wrapped) < 1e-5


@pytest.mark.parametrize('opset', [OPSETS[0], OPSETS[-1]])
def test_first_and_last_opset(opset):
    need_onnx()
    import onnx

    net = AnySize(small(), multiple=4)
    content = to_onnx(net, {}, opset)
    assert onnx.load_from_string(content).opset_import[0].version == opset
    assert check_onnx(content, net) < 1e-5


class Multiple(nn.Module):
    """Needs multiples of 7, and shows what it has been padded with."""

    def forward(self, x):
        return x + x.flip(-1) / 8 + x.flip(-2) / 8 + x[..., ::7, ::7].mean(dim=(2, 3), keepdim=True)


@pytest.mark.parametrize('size', [(7, 14), (8, 20), (3, 30), (30, 3), (4, 4), (1, 1)])
def test_padding_in_the_file_is_that_of_the_package(size):
    need_onnx()
    content = to_onnx(AnySize(Multiple(), multiple=7), {})
    x = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(2)) / 3
    h, w = size
    expected = Multiple()(pad_to_multiple(x, 7))[..., :h, :w].clamp(0, 1)
    np.testing.assert_allclose(run_onnx(content, x.numpy()), expected.numpy(), atol=1e-6)


class Constant(nn.Module):
    """One value, far out of range."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return x * 0 + self.value


class FixedSize(nn.Module):
    """A trace takes its size for a constant."""

    def forward(self, x):
        return nn.functional.interpolate(nn.functional.max_pool2d(x, 2), size=[int(side) for side in x.shape[-2:]])


class CountsPixels(nn.Module):
    """A trace takes the number of pixels for a constant, and no shape gives it away."""

    def forward(self, x):
        return x + int(x.shape[-1]) * 1e-5


class Unknown(nn.Module):
    """Has an operation that ONNX lacks."""

    def forward(self, x):
        return torch.linalg.eigvals(x[..., :3, :3]).real.mean() + x


@pytest.mark.parametrize(
    ('exported', 'net', 'message'),
    [
        (Constant(3.0), Constant(2.0), r'differ by 1\.0e\+00 on images \(1, 3, 64, 64\), more than 1e-04'),
        (FixedSize(), FixedSize(), r'returns \(1, 3, 32, 64\) for images \(1, 3, 64, 64\)'),
        (CountsPixels(), CountsPixels(), r'differ by 1\.1e-04 on images \(2, 3, 37, 53\)'),
        (Constant(0.5), Constant(float('nan')), 'NaN'),
    ],
)
def test_the_check_finds_what_differs(exported, net, message):
    need_onnx()
    with pytest.raises(ExportError, match=message):
        check_onnx(to_onnx(AnySize(exported), {}), AnySize(net))


def test_an_operation_that_onnx_lacks_is_named():
    need_onnx()
    with pytest.raises(ExportError, match=r'cannot be exported: .*eigvals'):
        to_onnx(AnySize(Unknown()), {})


def test_a_file_that_fails_the_check_is_not_written(tmp_path, capsys):
    need_onnx()
    net = small('DnCNN')
    net.model[-1].weight *= 1e5  # rounding alone then exceeds the tolerance
    write_file(tmp_path / 'huge.safetensors', net.state_dict(), 'DnCNN', SMALL['DnCNN'], scheme={'type': 'plain'})
    arguments = ['-o', tmp_path / 'a.onnx', '--model', tmp_path / 'huge.safetensors']
    assert 'onnxruntime and PyTorch differ by' in refused(capsys, *arguments, status=1)
    assert [path.name for path in tmp_path.iterdir()] == ['huge.safetensors']
    assert main([*map(str, arguments), '--no-check']) == 0
    assert 'onnxruntime' not in capsys.readouterr().out


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_weights_give_the_same_in_spandrel(tmp_path, weights, capsys, suffix):
    pytest.importorskip('spandrel', reason="spandrel is not installed: pip install 'amsnet-basicsr[spandrel]'")
    from spandrel import ModelLoader

    output = tmp_path / f'out{suffix}'
    assert main(['-o', str(output), '--model', str(weights)]) == 0
    assert 'in spandrel' in capsys.readouterr().out
    model = ModelLoader().load_from_file(output)
    x = torch.rand((2, 3, 21, 30), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.model.eval()(x), small()(x), atol=1e-5, rtol=0)


def test_weights_are_those_of_basicsr_and_keep_what_their_file_said(tmp_path, capsys):
    scheme = {'type': 'amsnet', 'stride': 3, 'branches': 4}
    source = tmp_path / 'masks.safetensors'
    write_file(source, small('UNet').state_dict(), 'UNet', SMALL['UNet'], scheme=scheme)
    for name in ('a.pth', 'a.safetensors'):
        assert main(['-o', str(tmp_path / name), '--model', str(source), '--net-only']) == 0
        printed = capsys.readouterr().out
        assert 'must hide the pixels' in printed
        if 'spandrel' in sys.modules:
            assert 'spandrel does not know UNet' in printed
        again = read_denoiser(tmp_path / name)
        assert again.arch == 'UNet'
        assert all(torch.equal(value, again.weights[key]) for key, value in small('UNet').state_dict().items())
    assert list(torch.load(tmp_path / 'a.pth', weights_only=True)) == ['params']
    assert json.loads(read_file(tmp_path / 'a.safetensors')[1]['scheme']) == scheme


def test_a_network_trained_with_masks_is_refused_unless_asked_for(tmp_path, capsys):
    need_onnx()
    path = tmp_path / 'net.pth'  # says nothing of how it was trained
    write_file(path, small('DnCNN').state_dict(), 'DnCNN', SMALL['DnCNN'])
    message = refused(capsys, '-o', tmp_path / 'a.onnx', '--model', path)
    assert 'trained with masks' in message and '--scheme plain' in message and '--net-only' in message
    assert not (tmp_path / 'a.onnx').exists()
    assert main(['-o', str(tmp_path / 'a.onnx'), '--model', str(path), '--net-only']) == 0
    assert 'must hide the pixels' in capsys.readouterr().out
    assert main(['-o', str(tmp_path / 'b.onnx'), '--model', str(path), '--scheme', 'plain']) == 0
    assert 'hide' not in capsys.readouterr().out
    write_file(tmp_path / 'plain.safetensors', small().state_dict(), 'NAFNet', NAFNET, scheme={'type': 'plain'})
    told = ['--model', tmp_path / 'plain.safetensors', '--scheme', 'amsnet']
    assert 'trained with masks' in refused(capsys, '-o', tmp_path / 'c.onnx', *told)


def test_mistakes_are_explained_in_one_line(tmp_path, weights, capsys):
    kept = tmp_path / 'kept.onnx'
    kept.write_bytes(b'mine')
    broken = tmp_path / 'broken.safetensors'
    broken.write_bytes(b'\0' * 100)
    net = small()
    net.intro.weight[0] = float('nan')
    write_file(tmp_path / 'nan.safetensors', net.state_dict(), 'NAFNet', NAFNET, scheme={'type': 'plain'})
    model = ['--model', weights]
    for arguments, expected in [
        (['-o', kept, *model], 'kept.onnx: exists already; --overwrite replaces it'),
        (['-o', tmp_path / 'a.zip', *model], 'a.zip: the name must end in .onnx, .safetensors or .pth'),
        (['-o', tmp_path / 'none' / 'a.pth', *model], 'a.pth: there is no folder '),
        (['-o', tmp_path / 'a.pth', *model, '--opset', 17], '--opset is for .onnx files, not for'),
        (['-o', weights, *model, '--overwrite'], 'plain.safetensors: this is the file of weights itself'),
        (['-o', tmp_path / 'a.pth', '--model', tmp_path / 'no.pth'], 'no.pth: there is no such file'),
        (['-o', tmp_path / 'a.pth', '--model', broken], 'broken.safetensors'),
        (
            ['-o', tmp_path / 'a.pth', '--model', tmp_path / 'nan.safetensors'],
            'nan.safetensors: intro.weight holds NaN',
        ),
        (['-o', tmp_path / 'a.pth', *model, '--opt', tmp_path / 'no.yml'], 'no.yml'),
    ]:
        assert expected in refused(capsys, *arguments)
    assert kept.read_bytes() == b'mine' and not (tmp_path / 'a.pth').exists()
    with pytest.raises(SystemExit) as stop:
        main(['-o', str(tmp_path / 'a.onnx'), '--opset', '99'])
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count('\n') == 1 and 'argument --opset: invalid choice: 99' in printed


def test_half_stores_16_bit_and_metadata_goes_along(tmp_path, weights, capsys):
    path = tmp_path / 'half.safetensors'
    arguments = ['-o', str(path), '--model', str(weights), '--half', '--metadata', 'license=MIT', '--metadata', 'a=b=c']
    assert main(arguments) == 0 and capsys.readouterr().err == ''
    content, metadata = read_file(path)
    assert {value.dtype for value in content.values()} == {torch.float16}
    assert metadata['license'] == 'MIT' and metadata['a'] == 'b=c' and metadata['scheme'] == '{"type": "plain"}'
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    rounded, exact = read_denoiser(path).build(), small()
    assert {parameter.dtype for parameter in rounded.parameters()} == {torch.float32}
    with torch.no_grad():
        assert 0 < (rounded(x) - exact(x)).abs().max() < 0.01
    assert '--half is for files of weights' in refused(capsys, '-o', tmp_path / 'a.onnx', '--model', weights, '--half')
    state = load_file(weights)
    state['intro.weight'][0, 0, 0, 0] = 1e6
    save_file(state, tmp_path / 'large.safetensors', {**read_file(weights)[1], 'format': 'pt'})
    arguments = ('--model', tmp_path / 'large.safetensors', '--half')
    large = refused(capsys, '-o', tmp_path / 'b.safetensors', *arguments)
    assert '--half: intro.weight holds values beyond those of float16' in large
    assert not (tmp_path / 'b.safetensors').exists()
    no_place = refused(capsys, '-o', tmp_path / 'a.pth', '--model', weights, '--metadata', 'license=MIT')
    assert '--metadata' in no_place and '.safetensors' in no_place


def test_overwrite_replaces(tmp_path, weights):
    output = tmp_path / 'a.pth'
    output.write_bytes(b'old')
    assert main(['-o', str(output), '--model', str(weights), '--overwrite']) == 0
    assert 'params' in torch.load(io.BytesIO(output.read_bytes()), weights_only=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.pth', 'plain.safetensors']


@pytest.mark.parametrize('package', ['onnx', 'onnxruntime'])
def test_without_its_packages_the_error_says_what_to_install(tmp_path, weights, capsys, monkeypatch, package):
    need_onnx()
    monkeypatch.setitem(sys.modules, package, None)
    message = refused(capsys, '-o', tmp_path / 'a.onnx', '--model', weights)
    assert message.endswith(f"{package} is not installed: pip install 'amsnet-basicsr[onnx]'\n")


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')
def test_output_that_cannot_be_printed_is_no_failure_of_the_file(tmp_path, weights, monkeypatch):
    with open('/dev/full', 'w', encoding='utf-8') as full:
        monkeypatch.setattr('sys.stdout', full)
        assert main(['-o', str(tmp_path / 'a.pth'), '--model', str(weights)]) == 0
    assert (tmp_path / 'a.pth').exists()


def test_the_command(fork_server, tmp_path, weights):
    command = ('-m', 'amsnet_basicsr.denoise', 'export', '--model', weights.name, '-o', 'a.safetensors')
    done = fork_server.run(*command, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith('a.safetensors: NAFNet, ') or '\na.safetensors: NAFNet, ' in done.stdout


def test_the_scheme_of_an_options_file_goes_along(tmp_path):
    own = tmp_path / 'own.safetensors'
    write_file(own, small().state_dict(), 'NAFNet', NAFNET, scheme={'type': 'amsnet', 'stride': 2, 'branches': 2})
    network = ''.join(f'  {key}: {value}\n' for key, value in NAFNET.items())
    (tmp_path / 'o.yml').write_text(
        'model_type: AMSNetModel\nscheme: {test_stride: 1, branches: 3, refine: {type: R3, samples: 2, prob: 0.3}}\n'
        f'network_g:\n  type: NAFNet\n{network}'
    )
    again = tmp_path / 'again.safetensors'
    assert main(['-o', str(again), '--model', str(own), '--opt', str(tmp_path / 'o.yml'), '--net-only']) == 0
    assert load_model(again).scheme == DenoiserScheme(stride=1, branches=3, refine=R3(2, 0.3))
