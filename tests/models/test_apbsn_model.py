"""APBSNModel in this process: what one step compares, what it learns, and what it refuses."""

import pytest
import torch
from torch.utils.data import DataLoader

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.models import APBSNModel
from amsnet_basicsr.options.blocks import APBSNOptions
from amsnet_basicsr.options.checks.run import check_options
from amsnet_basicsr.scheme import R3
from tests.models.test_amsnet_model import batch
from tests.models.validation.test_loop import NoisyPairs
from tests.pipeline.options import PSNR, train_options

TINY_DBSNL = {'type': 'DBSNl', 'in_ch': 3, 'out_ch': 3, 'base_ch': 8, 'num_module': 1}


def apbsn_options(folder, **changes) -> dict:
    options = train_options(folder, **{'model_type': 'APBSNModel', 'network_g': TINY_DBSNL, **changes})
    if 'train' not in changes:
        del options['train']['mask_opt']
        options['train']['pixel_opt'] = {'type': 'L1Loss'}
    options.update(num_gpu=0, is_train=True, dist=False, rank=0, world_size=1)
    return options


def build(tmp_path, **changes) -> APBSNModel:
    options = apbsn_options(tmp_path, **changes)
    options['path'] = {'models': str(tmp_path), 'visualization': str(tmp_path)}
    return APBSNModel(options)


def test_loss_is_between_restored_and_noisy_image(tmp_path):
    torch.manual_seed(0)
    model = build(tmp_path)
    model.feed_data(batch())
    losses = model.compute_losses(model.lq)
    denoiser = model.scheme.denoiser(model.net_g, 1)
    expected = (denoiser.denoise_once(model.lq, 5) - model.lq).abs().mean()
    assert set(losses) == {'l_pix'}
    torch.testing.assert_close(losses['l_pix'], expected)


def test_step_learns_and_logs(tmp_path):
    torch.manual_seed(0)
    model = build(tmp_path)
    logs = []
    for step in range(1, 25):
        model.feed_data(batch())
        model.optimize_parameters(step)
        logs.append(model.get_current_log()['l_pix'])
    assert sum(logs[-4:]) < sum(logs[:4])
    assert set(model.get_current_log()) == {'l_pix', 'lr'}


def test_denoising_uses_the_test_stride_and_the_refinement(tmp_path):
    torch.manual_seed(0)
    model = build(tmp_path)
    model.feed_data(batch(33, 1))
    model.test()
    plain = model.output
    assert plain.shape == (1, 3, 33, 33)
    with torch.no_grad():
        denoiser = model.scheme.denoiser(model.net_g_ema.eval(), 1)
        assert torch.equal(plain, denoiser.denoise_once(model.lq, 2))
        assert torch.equal(model.predict_hidden(), denoiser.denoise_once(model.lq, 5))
    refined = build(tmp_path, scheme={'refine': {'type': 'R3', 'samples': 2}})
    refined.net_g_ema.load_state_dict(model.net_g_ema.state_dict())
    refined.feed_data(batch(33, 1))
    refined.test()
    assert refined.output.shape == plain.shape and not torch.equal(refined.output, plain)


def test_only_a_blind_spot_keeps_from_learning_the_identity(tmp_path):
    """Table 3 in small: on grey noise there is nothing to learn but to copy, which D_A cannot."""
    last = {}
    for dilated in (True, False):
        torch.manual_seed(0)
        model = build(tmp_path, network_g={**TINY_DBSNL, 'dilated': dilated})
        for group in model.optimizer_g.param_groups:
            group['lr'] = 1e-2
        generator = torch.Generator().manual_seed(0)
        for _ in range(150):
            model.lq = torch.rand(1, 1, 40, 40, generator=generator).repeat(1, 3, 1, 1)
            model.optimize_parameters(1)
        last[dilated] = model.get_current_log()['l_pix']
    assert last[True] > 0.23  # the mean absolute deviation of uniform noise is 0.25
    assert last[False] < 0.12


def test_scheme_options():
    assert APBSNOptions.read({}, 'scheme') == APBSNOptions(train_stride=5, test_stride=2, pad=2)
    assert APBSNOptions.read({'refine': {'type': 'R3'}}, 'scheme').refine == R3(8, 0.16)
    for wrong, message in (
        ({'branches': 2}, "scheme has no option 'branches'"),
        ({'pda': 2}, "did you mean 'pad'"),
        ({'pad': -1}, 'pad must be a whole number of at least 0'),
        ({'refine': {'type': 'PartitionAverage'}}, 'scheme: refine: AP-BSN has no partitions'),
    ):
        with pytest.raises(ValueError, match=message):
            APBSNOptions.read(wrong, 'scheme')


def test_other_losses_are_refused(tmp_path):
    train = apbsn_options(tmp_path)['train']
    for wrong, message in (
        ({'pixel_opt': None}, r'train\.pixel_opt'),
        ({'mask_opt': {'type': 'MaskL1Loss'}}, "train has no option 'mask_opt'"),
        ({'smooth_opt': {'type': 'SmoothnessLoss'}}, "train has no option 'smooth_opt'"),
        ({'perceptual_opt': {'type': 'PerceptualLoss'}}, "train has no option 'perceptual_opt'"),
    ):
        with pytest.raises(ValueError, match=message):
            build(tmp_path, train={**train, **wrong})


def test_preflight_knows_the_model(make_folder):
    folder = make_folder('noisy')
    assert check_options(apbsn_options(folder))[:2] == ([], [])
    without_loss = apbsn_options(folder)
    del without_loss['train']['pixel_opt']
    assert check_options(without_loss)[:2] == (['train.pixel_opt is missing'], [])
    options = apbsn_options(folder, scheme={'pda': 2}, report={'refine': [{'type': 'PartitionAverage'}]})
    problems = check_options(options).problems
    assert len(problems) == 1 and "did you mean 'pad'" in problems[0]
    options['scheme'] = {'train_stride': 7}
    problems = check_options(options).problems
    assert len(problems) == 2
    assert 'report: refine: AP-BSN has no partitions' in problems[0] and 'crop_size: 40' in problems[1]
    options['train'].update(mask_opt={'type': 'MaskL1Loss'}, pixel_op={})
    problems = check_options(options).problems
    assert ["train has no option 'mask_opt'" in problems[0], "did you mean 'pixel_opt'" in problems[1]] == [True, True]


@pytest.mark.parametrize('refine', [None, {'type': 'R3', 'samples': 2}], ids=['none', 'R3'])
def test_a_validation_in_batches_gives_the_same(tmp_path, refine):
    model = build(tmp_path, scheme={'refine': refine})
    found = []
    for size in (1, 3):
        model.opt['val'] = {
            'val_freq': 1,
            'save_img': False,
            'strip': 0,
            'batch_size': size,
            'metrics': {'psnr': dict(PSNR)},
        }
        model.nondist_validation(DataLoader(NoisyPairs(), generator=torch.Generator()), 1, None, False)
        found.append(model.metric_results['psnr'])
    assert found[1] == pytest.approx(found[0], abs=1e-4)
