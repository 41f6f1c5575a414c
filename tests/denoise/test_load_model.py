"""Weights of every origin become a network and the way to run it; anything else one clear line."""

import json
import os
import pickle
import shutil
import threading
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from amsnet_basicsr import Denoiser
from amsnet_basicsr.archs import DBSNl, DnCNN, NAFNet
from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise import load_model as models
from amsnet_basicsr.denoise.load_model import ModelError, load_model
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import R3, PartitionAverage

NETWORK = {'img_channel': 3, 'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': [1], 'dec_blk_nums': [1]}
OPTIONS = """\
plugin: !!python/name:amsnet_basicsr.__version__
model_type: AMSNetModel
scheme: {test_stride: 3, branches: 4, refine: {type: PartitionAverage, samples: 5}}
network_g:
  type: NAFNet
  img_channel: 3
  width: 4
  middle_blk_num: 1
  enc_blk_nums: [1]
  dec_blk_nums: [1]
"""


@pytest.fixture
def net() -> NAFNet:
    torch.manual_seed(0)
    return NAFNet(**NETWORK).eval()


def same(model, net) -> bool:
    return all(value.equal(net.state_dict()[name]) for name, value in model.net.state_dict().items())


def with_metadata(path, net, **metadata):
    texts = {'arch': 'NAFNet', 'hyper_parameters': json.dumps(NETWORK)}
    save_file(net.state_dict(), path, texts | {key: json.dumps(value) for key, value in metadata.items()})
    return path


def test_pth_of_basicsr_prefers_the_average(tmp_path, net):
    other = {name: value + 1 for name, value in net.state_dict().items()}
    path = tmp_path / 'w.pth'
    torch.save({'params': other, 'params_ema': net.state_dict()}, path)
    model = load_model(path)
    assert same(model, net) and model.arch == 'NAFNet' and model.options['width'] == 4
    assert model.scheme == DenoiserScheme() and 'run with masks' in model.notes[0]


def test_safetensors_say_how_they_run(tmp_path, net):
    plain = load_model(with_metadata(tmp_path / 'a.safetensors', net, scheme={'type': 'plain'}))
    assert same(plain, net) and plain.scheme == DenoiserScheme('plain') and not plain.notes
    settings = {'type': 'amsnet', 'stride': 1, 'branches': 3, 'refine': {'type': 'R3', 'samples': 2, 'prob': 0.3}}
    masked = load_model(with_metadata(tmp_path / 'b.safetensors', net, scheme=settings))
    assert masked.scheme == DenoiserScheme(stride=1, branches=3, refine=R3(2, 0.3))


@pytest.mark.parametrize(
    'scheme',
    [
        {'type': 'magic'}, {'stride': 0}, {'strides': 2}, {'refine': {'type': 'X'}}, 7, None, [], 'x' * 10**6,
        {'stride': True}, {'stride': 10**12}, {'branches': 10**6}, {'mask_per_channel': 'yes'},
        {'refine': {'type': 'R3', 'samples': 10**9}}, {'refine': {'type': ['R3']}},
        {'refine': {'type': 'R3', 'prob': 'a'}}, {'type': {}}, {'line\nend': 1},
    ],
)  # fmt: skip
def test_damaged_metadata_is_refused(tmp_path, net, scheme):
    with pytest.raises(ModelError, match=r'a\.safetensors: its metadata is damaged: scheme') as caught:
        load_model(with_metadata(tmp_path / 'a.safetensors', net, scheme=scheme))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 700


def test_a_folder_stands_for_the_model_in_it(tmp_path, net):
    with_metadata(tmp_path / 'model.safetensors', net, scheme={'type': 'plain'})
    assert same(load_model(tmp_path), net)
    with pytest.raises(ModelError, match=r'empty.model\.safetensors: there is no such file'):
        (tmp_path / 'empty').mkdir()
        load_model(tmp_path / 'empty')


def test_options_tell_network_and_scheme(tmp_path, net):
    (tmp_path / 'o.yml').write_text(OPTIONS)
    torch.save({'params': net.state_dict()}, tmp_path / 'w.pth')
    model = load_model(tmp_path / 'w.pth', tmp_path / 'o.yml')
    assert same(model, net) and model.scheme == DenoiserScheme(stride=3, branches=4, refine=PartitionAverage(5))
    (tmp_path / 'o.yml').write_text(OPTIONS + f'path: {{pretrain_network_g: {tmp_path}/w.pth}}\n')
    assert same(load_model(opt=tmp_path / 'o.yml'), net)
    (tmp_path / 'o.yml').write_text(OPTIONS.replace('  img_channel: 3', '  img_channel: 3\n  blindspot: false'))
    assert same(load_model(tmp_path / 'w.pth', tmp_path / 'o.yml'), net)  # official files say so; ours has no other way
    plain = OPTIONS.replace('AMSNetModel', 'SRModel').replace('scheme:', '#')
    (tmp_path / 'o.yml').write_text(plain)
    assert load_model(tmp_path / 'w.pth', tmp_path / 'o.yml').scheme == DenoiserScheme('plain')


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='no pipes with a name')
def test_options_may_come_from_a_pipe(tmp_path, net):
    torch.save({'params': net.state_dict()}, tmp_path / 'w.pth')
    os.mkfifo(tmp_path / 'opt')
    text = f'{OPTIONS}path: {{pretrain_network_g: {tmp_path / "w.pth"}}}\n'
    writer = threading.Thread(target=(tmp_path / 'opt').write_text, args=[text], daemon=True)
    writer.start()
    assert load_model(opt=tmp_path / 'opt').scheme.stride == 3
    writer.join()


def test_options_kept_by_training_are_found_beside_the_weights(tmp_path, net):
    folder = tmp_path / 'experiments' / 'mine'
    (folder / 'models').mkdir(parents=True)
    torch.save({'params': net.state_dict()}, folder / 'models' / 'net_g_latest.pth')
    (folder / 'mine.yml').write_text(OPTIONS)
    model = load_model(folder / 'models' / 'net_g_latest.pth')
    assert model.scheme.branches == 4 and model.notes == [f'network and scheme as in {folder / "mine.yml"}']
    assert load_model(shutil.copy(folder / 'models' / 'net_g_latest.pth', tmp_path)).scheme == DenoiserScheme()


def test_networks_of_basicsr_serve_by_options(tmp_path):
    from basicsr.archs.edsr_arch import EDSR

    torch.manual_seed(0)
    net = EDSR(num_in_ch=3, num_out_ch=3, num_feat=4, num_block=1, upscale=1)
    torch.save({'params': net.state_dict()}, tmp_path / 'w.pth')
    (tmp_path / 'o.yml').write_text(
        'model_type: SRModel\nnetwork_g: {type: EDSR, num_in_ch: 3, num_out_ch: 3, num_feat: 4, num_block: 1, '
        'upscale: 1}\n'
    )
    assert same(load_model(tmp_path / 'w.pth', tmp_path / 'o.yml'), net)
    (tmp_path / 'o.yml').write_text('network_g: {type: EDSRR}\n')
    with pytest.raises(ModelError, match="no network is called 'EDSRR'"):
        load_model(tmp_path / 'w.pth', tmp_path / 'o.yml')


def test_what_weights_do_not_tell_is_noted(tmp_path):
    write_file(tmp_path / 'w.pth', DBSNl(base_ch=4, num_module=1).state_dict(), 'DBSNl', {})
    assert any('does not say dilated; True is assumed' in note for note in load_model(tmp_path / 'w.pth').notes)


def test_bad_files_are_one_line_with_their_name(tmp_path, net):
    class Evil:
        def __reduce__(self):
            return print, ('boo',)

    torch.save({'params': net.state_dict()}, tmp_path / 'w.pth')
    whole = (tmp_path / 'w.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'text.pth').write_text('hello')
    (tmp_path / 'evil.pth').write_bytes(pickle.dumps(Evil()))
    torch.save({'params': {'a': torch.zeros(1)}}, tmp_path / 'other.pth')
    nan = {name: value.clone() for name, value in net.state_dict().items()}
    nan['intro.bias'][0] = torch.nan
    torch.save({'params': nan}, tmp_path / 'nan.pth')
    for name, reason in {
        'missing': 'no such file', 'cut': 'damaged', 'text': '', 'evil': '', 'other': 'no known network',
        'nan': 'intro.bias holds NaN',
    }.items():  # fmt: skip
        path = tmp_path / f'{name}.pth'
        with pytest.raises(ModelError) as caught:
            load_model(path)
        message = str(caught.value)
        assert str(path) in message and reason in message and '\n' not in message
    with pytest.raises(ModelError, match='there is no such file'):
        load_model(tmp_path / ('x' * 300))
    (tmp_path / 'o.yml').write_text(OPTIONS.replace('width: 4', 'width: 8'))
    with pytest.raises(ModelError, match=r"w\.pth does not fit network_g of .*o\.yml: 'intro") as caught:
        load_model(tmp_path / 'w.pth', tmp_path / 'o.yml')
    assert '\n' not in str(caught.value)
    (tmp_path / 'o.yml').write_text(OPTIONS.replace('width: 4', 'widths: 4'))
    with pytest.raises(ModelError, match=r'o\.yml: network_g: .*widths'):
        load_model(tmp_path / 'w.pth', tmp_path / 'o.yml')
    with pytest.raises(ModelError, match='names no weights'):
        load_model(opt=tmp_path / 'o.yml')


def test_no_model_and_none_shipped_is_an_error_not_a_random_network(tmp_path, monkeypatch):
    monkeypatch.setattr(models, 'SHIPPED', tmp_path)
    with pytest.raises(ModelError, match=r'no model was given and this installation has no sidd_student\.safetensors'):
        Denoiser.from_pretrained()


def test_settings_override_what_the_file_says(tmp_path, net):
    masked = with_metadata(tmp_path / 'a.safetensors', net, scheme={'type': 'amsnet', 'stride': 3, 'refine': None})
    denoiser = Denoiser.from_pretrained(masked, refine=True, branches=5)
    assert denoiser.scheme == DenoiserScheme(stride=3, branches=5, refine=R3())
    assert Denoiser.from_pretrained(masked, scheme='plain').scheme.type == 'plain'
    plain = with_metadata(tmp_path / 'b.safetensors', net, scheme={'type': 'plain'})
    assert Denoiser.from_pretrained(plain, refine=False).scheme.type == 'plain'
    for wrong in ({'refine': True}, {'stride': 2}, {'branches': 2}):
        with pytest.raises(ValueError, match=f'{next(iter(wrong))} needs the mask scheme'):
            Denoiser.from_pretrained(plain, **wrong)
    with pytest.raises(ValueError, match=r'branches must be a whole number of at least 2 .*got 1'):
        Denoiser.from_pretrained(masked, branches=1)
    with pytest.raises(ValueError, match='scheme must be auto, amsnet or plain'):
        Denoiser.from_pretrained(masked, scheme='fast')
    torch.save({'params': DnCNN(nc=4, nb=3).state_dict()}, tmp_path / 'd.pth')
    assert not any(
        'run with masks' in note for note in Denoiser.from_pretrained(tmp_path / 'd.pth', scheme='amsnet').notes
    )


@pytest.mark.parametrize(
    ('network', 'message'),
    [
        ('{type: VGGFeatureExtractor, layer_name_list: [conv1_1]}', 'not one of our networks'),
        ('{type: DnCNN, nb: 1000000000}', 'nb: 1000000000 is more than any network has'),
        ('{type: NAFNet, width: 4000}', 'far more parameters than these weights have'),
        ('{type: NAFNet, width: 4, middle_blk_num: 9999}', 'far more .* than these weights have'),
        ('{type: NAFNet, width: 8, middle_blk_num: 1, enc_blk_nums: [1], dec_blk_nums: [1]}', 'does not fit network_g'),
        ('{type: NAFNet, wide: 8}', 'unexpected keyword'),
        ('{type: SpandrelArch, arch: DRUNet, load_path: /etc/passwd}', 'would read another file'),
    ],
)
def test_options_beside_weights_build_nothing_but_what_the_weights_are(tmp_path, net, network, message):
    folder = tmp_path / 'experiments' / 'mine'
    (folder / 'models').mkdir(parents=True)
    torch.save({'params': net.state_dict()}, folder / 'models' / 'net_g_latest.pth')
    (folder / 'mine.yml').write_text(f'model_type: SRModel\nnetwork_g: {network}\n')
    with pytest.raises(ModelError, match=message):
        load_model(folder / 'models' / 'net_g_latest.pth')


def test_archives_that_unpack_to_more_than_they_are_and_shared_storages_are_refused(tmp_path, net):
    torch.save({'params': net.state_dict()}, tmp_path / 'w.pth')
    with zipfile.ZipFile(tmp_path / 'w.pth') as stored, zipfile.ZipFile(tmp_path / 'z.pth', 'w', 8) as packed:
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry) + bytes(10**6))
    with pytest.raises(ModelError, match='more than its own size'):
        load_model(tmp_path / 'z.pth')
    one = torch.zeros(1000, 100)
    torch.save({f'a{number}': one for number in range(18)}, tmp_path / 's.pth')
    with pytest.raises(ModelError, match='share their values'):
        load_model(tmp_path / 's.pth')
