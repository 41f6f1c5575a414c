"""Checks the options before any work, so that no run ends with a typo after an hour.

All problems are reported at once, each with the option's name and what to do. A check skips options in which an earlier
one found a fault. What cannot work or would destroy something is refused; what stock BasicSR runs, runs. What looks odd
gives a note.
"""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn

from amsnet_basicsr.options.blocks.file import MODELS, OUR_MODELS, PATHS_SET_BY_BASICSR, SET_BY_BASICSR
from amsnet_basicsr.options.blocks.messages import Finding
from amsnet_basicsr.options.checks.basicsr_datasets import wrong_files
from amsnet_basicsr.options.checks.build import try_network, wrong_denoiser, wrong_parts
from amsnet_basicsr.options.checks.data import build_datasets, enough_ratio, set_channels, wrong_loading
from amsnet_basicsr.options.checks.file import check_file, text_numbers
from amsnet_basicsr.options.checks.findings import Findings
from amsnet_basicsr.options.checks.paths import unencodable, wrong_inputs, wrong_outputs
from amsnet_basicsr.options.checks.scheme import wrong_scheme
from amsnet_basicsr.options.checks.validation import wrong_validation
from amsnet_basicsr.options.user_parts import import_parts
from amsnet_basicsr.scheme import image_channels


class Checked(NamedTuple):
    """What a check found."""

    problems: list[str]
    notes: list[str]
    #: Number of images by phase, of the sets without problems.
    images: dict[str, int]
    #: The network, without memory for its parameters if it can be built so; None if it cannot be built.
    net: nn.Module | None


def check_all(raw: Mapping[str, Any], opt: dict[str, Any]) -> Checked:
    """Check options before a run: `raw` as they stand in the file, `opt` as `complete_options` made them of these.

    Changes `opt` as `check_options` does.
    """
    ignored = [key for key in SET_BY_BASICSR if key in raw]
    if isinstance(raw.get('path'), Mapping):
        ignored += [f'path.{key}' for key in PATHS_SET_BY_BASICSR if key in raw['path']]
    known = [Finding(('import',), said) for said in import_parts(raw.get('import'))]
    # With a launcher every process takes one GPU, whatever num_gpu says.
    checked = check_options(opt, [*known, *([] if opt['dist'] else _absent_gpus(raw.get('num_gpu')))])
    notes = [f'{key}: BasicSR sets it itself; what the file says is ignored' for key in ignored]
    return checked._replace(notes=notes + checked.notes)


def check_options(opt: dict[str, Any], known: Iterable[Finding] = (), with_data: bool = True) -> Checked:
    """Find everything that would stop or spoil a run, beside the `known` problems.

    Changes `opt` in place: datasets are told how many channels the network takes, and the training set's
    `dataset_enlarge_ratio` is raised if its loader would yield too few batches.
    """
    if not with_data:
        opt = {**opt, 'datasets': {}}
    found, net = Findings(), None
    problems, notes = check_file(opt)
    found.add(known)
    found.add(one for one in problems if with_data or one.key != ('datasets',))
    for check in (text_numbers, unencodable):
        found.add(check(found.without_wrong(opt)))
    found.add(wrong_parts(found.without_wrong(opt), found.clean))
    sound = found.without_wrong(opt)
    is_train, ours = opt['is_train'], sound.get('model_type') in OUR_MODELS
    found.add(wrong_inputs(sound))
    found.add(wrong_outputs(sound))
    if ours:
        found.add(wrong_scheme(sound, found.clean))
    if sound['network_g'] and found.clean('network_g'):
        problems, net = try_network(sound['network_g'])
        found.add(problems)
    if net is not None and ours:
        found.add(wrong_denoiser(sound['network_g'], net, bool(sound['train'].get('checkpointing'))))
    if net is not None and sound.get('scale', 1) == 1:
        found.add(set_channels(opt, sound, image_channels(net)))
    if is_train:
        found.add(_schedule(sound))
        found.add(_wandb(sound))
    found.add(wrong_validation(sound, found.clean))
    val_sets = [phase for phase in sound['datasets'] if phase.split('_')[0] == 'val']
    if is_train and not sound['val'] and not sound.get('report') and len(sound['datasets']) > 1 and found.clean('val'):
        notes.append('val is missing, so nothing but training is done; the val sets are never used')
    if is_train and sound['val'] and not val_sets and found.clean('datasets'):
        notes.append('val is given, but datasets has no val set: nothing is validated')
    found.add(wrong_loading(sound))
    problems, built = build_datasets(sound, found.clean)
    found.add(problems)
    found.add(wrong_files(sound, built))
    images = {phase: len(dataset) for phase, dataset in built.items()}
    if is_train and 'train' in images and found.clean('train', 'total_iter'):
        raised = enough_ratio(sound, images['train'])
        if raised is not None:
            opt['datasets']['train']['dataset_enlarge_ratio'] = raised[0]
            notes.append(raised[1])
    return Checked(list(found), notes, images, net)


def _schedule(opt: Mapping[str, Any]) -> Iterator[Finding]:
    scheduler, total_iter = opt['train'].get('scheduler'), opt['train'].get('total_iter')
    periods = scheduler.get('periods') if isinstance(scheduler, Mapping) and opt.get('model_type') in MODELS else None
    if periods and total_iter and sum(periods) < total_iter - 1:
        yield Finding(
            ('train', 'scheduler', 'periods'),
            f'train.scheduler.periods: they end after {sum(periods)} of {total_iter} iterations, where BasicSR '
            f'stops with an error; make them add up to total_iter',
        )


def _wandb(opt: Mapping[str, Any]) -> Iterator[Finding]:
    wandb, where = opt['logger'].get('wandb') or {}, ('logger', 'wandb')
    if not wandb.get('project') or 'debug' in opt.get('name', ''):
        return
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
