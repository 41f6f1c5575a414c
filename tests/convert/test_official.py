"""Files in the official layouts."""

import io
import os

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.convert import WeightsError, detect_architecture, read_denoiser, write_file
from tests.convert.networks import TINY, apbsn_file, lightning_file, prefixed, tiny


def same(weights, net) -> bool:
    expected = net.state_dict()
    return weights.keys() == expected.keys() and all(torch.equal(weights[key], expected[key]) for key in expected)


@pytest.mark.parametrize('branches', [1, 2])
@pytest.mark.parametrize('name', TINY)
def test_amsnet(tmp_path, name, branches):
    net = tiny(name)
    denoiser = read_denoiser(lightning_file(tmp_path / 'last.ckpt', net, branches))
    assert denoiser.arch == name and same(denoiser.weights, net)
    assert denoiser.source == 'state_dict: net.dn.branches.0.*'
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(denoiser.build()(image), net(image))


@pytest.mark.parametrize('wrapper', [None, 'params', 'params_ema'])
@pytest.mark.parametrize('name', ['Restormer', 'NAFNet'])
def test_restormer_and_nafnet(tmp_path, name, wrapper):
    net = tiny(name)
    torch.save({wrapper: net.state_dict()} if wrapper else net.state_dict(), tmp_path / 'a.pth')
    denoiser = read_denoiser(tmp_path / 'a.pth')
    assert denoiser.arch == name and same(denoiser.weights, net)


@pytest.mark.parametrize('prefix', ['bsn.', 'module.bsn.', 'module.denoiser.bsn.', ''])
def test_apbsn(tmp_path, prefix):
    net = tiny('DBSNl')
    path = apbsn_file(tmp_path / 'APBSN.pth', net, prefix)
    denoiser = read_denoiser(path)
    assert denoiser.options == {**TINY['DBSNl'], 'dilated': True}
    assert denoiser.assumed == {'dilated': True} and same(denoiser.weights, net)
    other = read_denoiser(path, options={'dilated': False})
    assert other.options['dilated'] is False and not other.assumed
    image = torch.rand(1, 3, 24, 24)
    assert not torch.equal(denoiser.build()(image), other.build()(image))


def test_the_average_is_preferred_unless_a_key_is_given(tmp_path):
    first, second = tiny('UNet'), ARCHS['UNet'](n_feature=4)
    torch.save({'params': first.state_dict(), 'params_ema': second.state_dict()}, tmp_path / 'a.pth')
    assert same(read_denoiser(tmp_path / 'a.pth').weights, second)
    assert same(read_denoiser(tmp_path / 'a.pth', key='params').weights, first)
    with pytest.raises(WeightsError, match="no key 'param'; there are: params, params_ema"):
        read_denoiser(tmp_path / 'a.pth', key='param')


def test_what_is_beside_the_denoiser_is_named_or_left_out(tmp_path):
    net, path = tiny('UNet'), tmp_path / 'a.ckpt'
    weights = {'loss.weight': torch.ones(1), **prefixed(net, 'net.dn.branches.0.')}
    torch.save({'state_dict': weights}, path)
    with pytest.raises(WeightsError, match=r"unexpected key 'loss.weight' .*--prefix net\.dn\.branches\.0\. takes"):
        read_denoiser(path)
    assert same(read_denoiser(path, prefix='net.dn.branches.0.').weights, net)
    with pytest.raises(WeightsError, match=r"no key begins with 'dn\.'"):
        read_denoiser(path, prefix='dn.')


def test_branches_that_differ_are_not_one_denoiser(tmp_path):
    net = tiny('DnCNN')
    other = {key: value + 1 for key, value in prefixed(net, 'net.dn.branches.1.').items()}
    torch.save({'state_dict': {**prefixed(net, 'net.dn.branches.0.'), **other}}, tmp_path / 'a.ckpt')
    with pytest.raises(WeightsError, match=r"unexpected key 'net\.dn\.branches\.1\.model\.0\.weight'"):
        read_denoiser(tmp_path / 'a.ckpt')


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ([1, 2], 'it holds a list, not named weights'),
        ({'epoch': 3}, 'no weights found below its keys: epoch'),
        ({'params': {}}, 'no weights found below its keys: none'),
        ({'params': {'intro.weight': torch.ones(4, 3, 3, 3), 'step': 4}}, "unexpected key 'step': a int, not a tensor"),
        ({'a': {'intro.weight': torch.ones(1)}, 'b': {}}, 'no weights found below its keys: a, b'),
    ],
)
def test_files_without_weights(tmp_path, data, message):
    torch.save(data, tmp_path / 'a.pth')
    with pytest.raises(WeightsError, match=message):
        read_denoiser(tmp_path / 'a.pth')


def test_a_file_that_contains_itself(tmp_path):
    data: dict = {}
    data['params'] = data
    torch.save(data, tmp_path / 'a.pth')
    with pytest.raises(WeightsError, match=r'no weights found below params\.params'):
        read_denoiser(tmp_path / 'a.pth')


class Malicious:
    """Runs a command when unpickled by a careless reader."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize('zipped', [True, False])
def test_code_in_a_file_is_not_run(tmp_path, zipped):
    path, trace = tmp_path / 'a.pth', tmp_path / 'trace'
    weights = {'params': tiny('UNet').state_dict(), 'extra': Malicious(f'touch {trace}')}
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r'more than tensors and plain values \((posix|nt)\.system\)') as error:
        read_denoiser(path)
    assert '\n' not in str(error.value) and not trace.exists()


#: What fuzzing has found, made of a weight, by what must be said of it.
ODD_WEIGHTS = {
    'has a shape but no values': lambda weight: weight.to('meta'),
    'but the file holds fewer values': lambda weight: torch.zeros(1).expand(weight.shape),
    'is a sparse tensor': lambda weight: weight.to_sparse(),
    'is a complex tensor': lambda weight: weight.to(torch.complex64),
    'is a quantized tensor': lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
    'holds values of torch.int64': lambda weight: weight.long(),
    'a int, not a tensor': lambda weight: 5,
}


@pytest.mark.filterwarnings('ignore')  # PyTorch's, on quantized tensors
@pytest.mark.parametrize('reason', ODD_WEIGHTS)
def test_tensors_that_are_no_weights(tmp_path, reason):
    weights = tiny('DnCNN').state_dict()
    weights['model.0.weight'] = ODD_WEIGHTS[reason](weights['model.0.weight'])
    torch.save({'params': weights}, tmp_path / 'a.pth')
    with pytest.raises(WeightsError) as error:
        read_denoiser(tmp_path / 'a.pth')
    assert "'model.0.weight'" in str(error.value) and reason in str(error.value), str(error.value)


def test_a_file_that_claims_an_endless_network_takes_no_memory(tmp_path):
    """Every weight has a shape that fits the others, and one value behind it."""
    huge = {}
    for name, value in ARCHS['DnCNN'](3, 3, 8, 4, 'R').state_dict().items():
        shape = [10**6 if side == 8 else side for side in value.shape]
        huge[name] = torch.zeros(()).expand(shape)
    torch.save(huge, tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').stat().st_size < 10_000
    with pytest.raises(WeightsError, match='but the file holds fewer values'):
        read_denoiser(tmp_path / 'a.pth')


@pytest.mark.parametrize(
    'name',
    ['line\nend', '\x1b[31m', 'x' * 10**6, 5, None, ('a', 1), 10**5000],
    ids=['line', 'escape', 'long', 'number', 'none', 'tuple', 'long number'],
)
def test_names_in_a_file_stay_within_a_line(tmp_path, name):
    for data in ({name: 5}, {'params': {name: torch.zeros(1)}}, {'a': {}, 'b': {}, name: {}}, {name: {name: 5}}):
        (tmp_path / 'a.pth').write_bytes(saved(data))
        with pytest.raises(WeightsError) as error:
            read_denoiser(tmp_path / 'a.pth')
        message = str(error.value)
        assert message.isprintable() and len(message) < 700 and message.startswith(str(tmp_path)), message[:2000]


def saved(data: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(data, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize('told', ['5', 'null', '[1]', '"x"', '[' * 100_000, '{"dilated": 1', ''])
def test_metadata_that_is_no_settings_counts_for_nothing(tmp_path, told):
    weights = {name: value.contiguous() for name, value in tiny('DBSNl').state_dict().items()}
    save_file(weights, tmp_path / 'a.safetensors', {'arch': 'DBSNl', 'hyper_parameters': told})
    assert read_denoiser(tmp_path / 'a.safetensors').assumed == {'dilated': True}


def test_files_of_other_kinds(tmp_path):
    whole = tmp_path / 'whole.pth'
    torch.save({'params': tiny('UNet').state_dict()}, whole)
    content = whole.read_bytes()
    bad = {
        'text.pth': b'Not Found\n', 'empty.pth': b'', 'half.pth': content[: len(content) // 2], 'x.safetensors': b'x',
        'start.ckpt': content[:100], 'web.pth': b'<!DOCTYPE html><html></html>', 'huge.safetensors': b'\xff' * 64,
    }  # fmt: skip
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match=r'damaged|cannot be read') as error:
            read_denoiser(tmp_path / name)
        assert '\n' not in str(error.value) and name in str(error.value)
    with pytest.raises(WeightsError, match='no such file'):
        read_denoiser(tmp_path / 'none.pth')
    with pytest.raises(WeightsError, match='no such file'):
        read_denoiser(tmp_path)


@pytest.mark.parametrize('name', TINY)
def test_round_trips(tmp_path, name):
    net = tiny(name)
    first = read_denoiser(lightning_file(tmp_path / 'a.ckpt', net))
    for suffix in ('.pth', '.safetensors'):
        path = tmp_path / f'a{suffix}'
        write_file(path, first.weights, first.arch, first.options)
        again = read_denoiser(path)
        assert (again.arch, again.options) == (first.arch, first.options) and same(again.weights, net)
    assert list(torch.load(tmp_path / 'a.pth', weights_only=True)) == ['params']
    assert load_file(tmp_path / 'a.safetensors').keys() == net.state_dict().keys()
    with safe_open(tmp_path / 'a.safetensors', 'pt') as file:
        assert file.metadata()['arch'] == name
    block = yaml.safe_load(first.network_g())['network_g']
    assert ARCHS[block.pop('type')](**block).load_state_dict(net.state_dict())


def test_metadata_tells_what_weights_do_not(tmp_path):
    path = tmp_path / 'a.safetensors'
    write_file(path, tiny('DBSNl').state_dict(), 'DBSNl', {**TINY['DBSNl'], 'dilated': False})
    denoiser = read_denoiser(path)
    assert denoiser.options['dilated'] is False and not denoiser.assumed
    for metadata in ({'arch': 'DBSNl', 'hyper_parameters': '{'}, {'arch': 'DBSNl', 'hyper_parameters': '[]'}, {}):
        save_file(tiny('DBSNl').state_dict(), path, metadata)
        assert read_denoiser(path).assumed == {'dilated': True}


def test_options_that_do_not_fit(tmp_path):
    path = apbsn_file(tmp_path / 'a.pth', tiny('DBSNl'))
    with pytest.raises(ValueError, match="did you mean 'dilated'"):
        read_denoiser(path, options={'dilate': False})
    with pytest.raises(WeightsError, match='DBSNl does not fit: missing key'):
        read_denoiser(path, options={'num_module': 3})
    with pytest.raises(WeightsError, match='DBSNl does not fit'):
        read_denoiser(path, options={'num_module': 'three'})


def test_views_do_not_take_their_storage_along(tmp_path):
    weights = tiny('UNet').state_dict()
    large = torch.zeros(1_000_000)
    large[:4] = weights['enc_conv0.bias']
    weights['enc_conv0.bias'] = large[:4]
    weights['enc_conv1.weight'] = weights['enc_conv1.weight'].to(memory_format=torch.channels_last)
    for suffix in ('.pth', '.safetensors'):
        write_file(tmp_path / f'a{suffix}', weights, 'UNet', {})
        assert (tmp_path / f'a{suffix}').stat().st_size < 500_000
        assert detect_architecture(read_denoiser(tmp_path / f'a{suffix}').weights)[0] == 'UNet'


def test_output_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    weights = tiny('UNet').state_dict()
    path = tmp_path / 'a.pth'
    path.write_text('kept')

    def fail(*_):
        raise OSError(28, 'No space left on device')

    with pytest.raises(WeightsError, match='exists already'):
        write_file(path, weights, 'UNet', {})
    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', fail)
        with pytest.raises(WeightsError, match='No space left'):
            write_file(path, weights, 'UNet', {}, overwrite=True)
    assert path.read_text() == 'kept' and list(tmp_path.iterdir()) == [path]
    with pytest.raises(WeightsError, match='must end in'):
        write_file(tmp_path / 'a.pt', weights, 'UNet', {})
    with pytest.raises(WeightsError, match='cannot be written'):
        write_file(tmp_path / 'none' / 'a.pth', weights, 'UNet', {})
    write_file(path, weights, 'UNet', {}, overwrite=True)
    assert read_denoiser(path).arch == 'UNet' and list(tmp_path.iterdir()) == [path]
