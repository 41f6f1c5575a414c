"""Checks the options before any work, so that no run ends with a typo after an hour.

All problems are reported at once, each with the option's name and what to do. A check skips options in which an earlier
one found a fault. What cannot work or would destroy something is refused; what stock BasicSR runs, runs. What looks odd
gives a note.
"""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.file import MODELS, OUR_MODELS, PATHS_SET_BY_BASICSR, SET_BY_BASICSR
from amsnet_basicsr.options.blocks.messages import Finding
from amsnet_basicsr.options.checks.build import (
    try_network,
    unregistered,
    wrong_denoiser,
    wrong_losses,
    wrong_metrics,
    wrong_optimizer,
)
from amsnet_basicsr.options.checks.data import count_images, counted, enough_ratio, set_channels, wrong_loading
from amsnet_basicsr.options.checks.file import check_file, text_numbers
from amsnet_basicsr.options.checks.findings import Findings
from amsnet_basicsr.options.checks.pairs import unequal_pairs
from amsnet_basicsr.options.checks.paths import unencodable, wrong_inputs, wrong_lists, wrong_outputs
from amsnet_basicsr.options.checks.scheme import wrong_scheme
from amsnet_basicsr.options.checks.validation import wrong_validation
from amsnet_basicsr.options.user_parts import import_parts
from amsnet_basicsr.scheme import image_channels


def check_all(raw: Mapping[str, Any], opt: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Check options before a run: `raw` as they stand in the file, `opt` as `complete_options` made them of these.

    Returns problems and notes; changes `opt` as `check_options` does.
    """
    ignored = [key for key in SET_BY_BASICSR if key in raw]
    if isinstance(raw.get('path'), Mapping):
        ignored += [f'path.{key}' for key in PATHS_SET_BY_BASICSR if key in raw['path']]
    known = [Finding(('import',), said) for said in import_parts(raw.get('import'))]
    # With a launcher every process takes one GPU, whatever num_gpu says.
    problems, notes = check_options(opt, [*known, *([] if opt['dist'] else _absent_gpus(raw.get('num_gpu')))])
    return problems, [f'{key}: BasicSR sets it itself; what the file says is ignored' for key in ignored] + notes


def check_options(
    opt: dict[str, Any], known: Iterable[Finding] = (), with_data: bool = True
) -> tuple[list[str], list[str]]:
    """Find everything that would stop or spoil a run, beside the `known` problems.

    Returns problems and notes. Changes `opt` in place: datasets are told how many channels the network takes, and the
    training set's `dataset_enlarge_ratio` is raised if its loader would yield too few batches.
    """
    if not with_data:
        opt = {**opt, 'datasets': {}}
    found = Findings()
    problems, notes = check_file(opt)
    found.add(known)
    found.add(one for one in problems if with_data or one.key != ('datasets',))
    found.add(text_numbers(found.without_wrong(opt)))
    found.add(unregistered(found.without_wrong(opt)))
    found.add(unencodable(found.without_wrong(opt)))
    sound = found.without_wrong(opt)
    found.add(wrong_inputs(sound))
    found.add(wrong_outputs(sound))
    found.add(wrong_lists(sound, found.clean))
    ours = sound.get('model_type') in OUR_MODELS
    if ours:
        found.add(wrong_scheme(sound, found.clean))
    if sound['network_g'] and found.clean('network_g'):
        problems, net = try_network(sound['network_g'])
        found.add(problems)
        if net is not None:
            if ours:
                found.add(wrong_denoiser(sound['network_g'], net, bool(sound['train'].get('checkpointing'))))
            if sound.get('scale', 1) == 1:
                found.add(set_channels(opt, sound, image_channels(net)))
    if opt['is_train']:
        found.add(wrong_losses(sound, found.clean))
        if sound.get('model_type') in MODELS:  # another may read its optimizers otherwise
            found.add(wrong_optimizer(sound['train'], found.clean))
            found.add(_schedule(sound['train']))
        found.add(_wandb(sound))
    found.add(wrong_metrics(sound['val'], found.clean))
    found.add(wrong_validation(sound, found.clean))
    unused = opt['is_train'] and not sound['val'] and not sound.get('report') and len(sound['datasets']) > 1
    if unused and found.clean('val'):
        notes.append('val is missing, so nothing but training is done; the val sets are never used')
    val_sets = [phase for phase in sound['datasets'] if phase.split('_')[0] == 'val']
    if opt['is_train'] and sound['val'] and not val_sets and found.clean('datasets'):
        notes.append('val is given, but datasets has no val set: nothing is validated')
    found.add(wrong_loading(sound))
    problems, images = counted(sound, count_images, found.clean)
    found.add(problems)
    found.add(unequal_pairs(sound, images))
    if opt['is_train'] and images.get('train') and found.clean('train', 'total_iter'):
        raised = enough_ratio(sound, images['train'])
        if raised is not None:
            opt['datasets']['train']['dataset_enlarge_ratio'] = raised[0]
            notes.append(raised[1])
    return found.problems, notes


def _schedule(train: Mapping[str, Any]) -> Iterator[Finding]:
    scheduler, total_iter = train.get('scheduler'), train.get('total_iter')
    periods = scheduler.get('periods') if isinstance(scheduler, Mapping) else None
    if periods and total_iter and sum(periods) < total_iter - 1:
        yield Finding(
            ('train', 'scheduler', 'periods'),
            f'train.scheduler.periods: they end after {sum(periods)} of {total_iter} iterations, where BasicSR '
            f'stops with an error; make them add up to total_iter',
        )


def _wandb(opt: Mapping[str, Any]) -> Iterator[Finding]:
    wandb = opt['logger'].get('wandb')
    if not (isinstance(wandb, Mapping) and wandb.get('project')) or 'debug' in opt.get('name', ''):
        return
    where = ('logger', 'wandb')
    if opt['logger'].get('use_tb_logger') is False:
        yield Finding(where, 'logger.wandb: BasicSR sends to it what TensorBoard gets; set logger.use_tb_logger: true')
    if importlib.util.find_spec('wandb') is None:
        yield Finding(
            where, 'logger.wandb: the package wandb is not installed; pip install wandb, or take the project out'
        )


def _absent_gpus(wanted: Any) -> Iterator[Finding]:
    import torch

    there = torch.cuda.device_count()
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > there:
        yield Finding(
            ('num_gpu',), f'num_gpu: {wanted}, but PyTorch finds {there}; write auto, which takes what is there'
        )
