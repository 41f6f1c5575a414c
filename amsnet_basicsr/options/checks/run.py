"""Reading the options before any work, so that a long run doesn't die of a typing error after an hour.

All problems are reported at once, each with the option's name and what to do. Each check looks at what the checks
before it have left: what is wrong of type isn't looked at for its meaning. Only what belongs to this package is held to
its known keys; unknown keys of other models and datasets give a note.
"""

import importlib.util
import os
import os.path as osp
from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.checks.build import (
    unregistered,
    wrong_losses,
    wrong_metrics,
    wrong_network,
    wrong_optimizer,
)
from amsnet_basicsr.options.checks.data import count_images, counted, enough_ratio, wrong_loading
from amsnet_basicsr.options.checks.findings import Finding, Findings, named
from amsnet_basicsr.options.checks.known import (
    BASICSR_SETS,
    BASICSR_SETS_PATHS,
    DATASETS,
    LOADER,
    LOSSES,
    OUR_DATASETS,
    OURS_AT_TOP,
    OURS_IN,
    SECTIONS,
    SR_LOSSES,
    TOP_LEVEL,
)
from amsnet_basicsr.options.checks.required import missing, missing_in_file
from amsnet_basicsr.options.checks.scheme import wrong_scheme
from amsnet_basicsr.options.checks.types import text_numbers, wrong_types
from amsnet_basicsr.options.checks.validation import wrong_validation
from amsnet_basicsr.options.reader import unknown_keys

_TRAIN = frozenset(SECTIONS['train'].keys) - OURS_IN['train'] - frozenset().union(*LOSSES.values(), *SR_LOSSES.values())


def check_raw(raw: Mapping[str, Any], is_train: bool) -> list[str]:
    """Look for what BasicSR's own reader would stumble over or silently overwrite.

    Args:
        raw: Options as they stand in the file.
        is_train: Whether they are to train or to test.

    Returns:
        Problems.
    """
    return [sentence for _, sentence in missing_in_file(raw, is_train)]


def check_options(opt: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Look for everything that would stop or spoil a run.

    Args:
        opt: Options as BasicSR parsed them. If a data loader would yield no batch or stop early, the training set's
            `dataset_enlarge_ratio` is raised in place.

    Returns:
        Problems, and notes on what was changed or looks odd.
    """
    return _check(opt, Findings())


def check_all(raw: Mapping[str, Any], opt: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Look for what `check_raw` and `check_options` look for, all at once.

    Args:
        raw: Options as they stand in the file.
        opt: The same as `complete_options` makes them, however broken; changed as by `check_options`.

    Returns:
        Problems and notes, as of `check_options`.
    """
    found = Findings()
    found.add(missing_in_file(raw, opt['is_train']))
    if not opt['dist']:  # else every process takes one, whatever num_gpu says
        found.add(_absent_gpus(raw.get('num_gpu')))
    return _check(opt, found)


def _check(opt: dict[str, Any], found: Findings) -> tuple[list[str], list[str]]:
    found.add(missing(opt))
    found.add(wrong_types(opt, found.keys))
    found.add(text_numbers(found.sound(opt)))
    unknown, notes = _unknown(opt)
    found.add(unknown)
    found.add(unregistered(found.sound(opt)))
    sound = found.sound(opt)
    found.add(_paths(sound))
    found.add(_outputs(sound))
    if sound.get('model_type') in LOSSES:
        found.add(wrong_scheme(sound))
    if sound['network_g'] and found.clean('network_g'):
        checkpointing = sound.get('model_type') in LOSSES and bool(sound['train'].get('checkpointing'))
        found.add(wrong_network(sound['network_g'], checkpointing))
    if opt['is_train']:
        found.add(wrong_losses(sound['train'], found.clean))
        found.add(wrong_optimizer(sound['train'], found.clean))
        found.add(_schedule(sound['train']))
        found.add(_wandb(sound))
    found.add(wrong_metrics(sound['val'], found.clean))
    found.add(wrong_validation(sound, found.clean))
    unused = opt['is_train'] and not sound['val'] and not sound.get('report') and len(sound['datasets']) > 1
    if unused and found.clean('val'):
        notes.append('val is missing, so nothing but training is done; the val sets are never used')
    found.add(wrong_loading(sound))
    problems, images = counted(sound, _count_images, found.clean)
    found.add(problems)
    if opt['is_train'] and images.get('train') and found.clean('train', 'total_iter'):
        raised = enough_ratio(sound, images['train'])
        if raised is not None:
            opt['datasets']['train']['dataset_enlarge_ratio'] = raised[0]
            notes.append(raised[1])
    return found.problems, notes


def _unknown(opt: Mapping[str, Any]) -> tuple[list[Finding], list[str]]:
    """Find keys that nothing reads: problems in what is ours, notes in what is BasicSR's."""
    model = opt.get('model_type')
    ours = isinstance(model, str) and model in LOSSES
    losses = (LOSSES | SR_LOSSES).get(model, frozenset()) if isinstance(model, str) else frozenset()
    top = {*TOP_LEVEL, *SECTIONS, 'datasets'}
    known = {
        'train': _TRAIN | losses | (OURS_IN['train'] if ours else frozenset()),
        **{section: SECTIONS[section].keys.keys() for section in ('path', 'val', 'logger', 'dist_params')},
    }
    only_ours = [] if ours else [f'{key}' for key in OURS_AT_TOP if opt.get(key)]
    found: list[Finding] = [
        (('?',), said)
        for said in unknown_keys({key: 0 for key in opt if key not in BASICSR_SETS}, top, 'the options file')
    ]
    for section, keys in known.items():
        group = opt.get(section)
        if isinstance(group, Mapping):
            others = OURS_IN.get(section, frozenset()) if not ours else frozenset()
            only_ours += [f'{section}.{key}' for key in sorted(others & group.keys()) if group[key]]
            set_by_basicsr = BASICSR_SETS_PATHS if section == 'path' else frozenset()
            for said in unknown_keys({key: 0 for key in group if key not in others | set_by_basicsr}, keys, section):
                found.append(((section, '?'), said))
    notes = [f'{key}: {model} does not read it; {" and ".join(LOSSES)} do' for key in only_ours]
    datasets = opt['datasets'] if isinstance(opt.get('datasets'), Mapping) else {}
    for phase, dataset in datasets.items():
        kind = dataset.get('type') if isinstance(dataset, Mapping) else None
        if isinstance(kind, str) and kind in DATASETS:
            asked = {key: 0 for key in dataset if key not in ('phase', 'scale')}
            said = unknown_keys(
                asked, (LOADER.keys() | DATASETS[kind].keys()) - {'phase', 'scale'}, f'datasets.{phase}'
            )
            if kind in OUR_DATASETS:
                found += [(('datasets', str(phase), '?'), sentence) for sentence in said]
            else:
                notes += said
    # Another model may well read what neither BasicSR's nor ours does.
    if ours:
        return found, notes
    others = [(key, said) for key, said in found if key[:1] == ('datasets',)]
    return others, notes + [said for key, said in found if key[:1] != ('datasets',)]


def _paths(opt: Mapping[str, Any]) -> Iterator[Finding]:
    for phase, dataset in opt['datasets'].items():
        for key in ('dataroot', 'dataroot_lq', 'dataroot_gt', 'dataroots', 'meta_info_file'):
            value = dataset.get(key)
            for path in value if isinstance(value, list) else [value]:
                if path and isinstance(path, str) and not osp.exists(osp.expanduser(path)):
                    yield ('datasets', phase, key), f'datasets.{phase}.{key}: there is no {path}{_from_where(path)}'
    for key in ('pretrain_network_g', 'resume_state'):
        path = opt['path'].get(key)
        if path and not osp.isfile(osp.expanduser(path)):
            yield ('path', key), f'path.{key}: there is no file {path}{_from_where(path)}'
        elif path and (problem := _file_problem(key, path, opt['path'].get('param_key_g', 'params'))):
            yield ('path', key), f'path.{key}: {problem}'


def _file_problem(key: str, path: str, param_key: str | None) -> str | None:
    from amsnet_basicsr.convert.basicsr_files import state_problem, weights_problem

    return state_problem(path) if key == 'resume_state' else weights_problem(path, param_key)


def _from_where(path: str) -> str:
    return '' if path.startswith(('/', '~')) else f' (as seen from {os.getcwd()}, where the command was given)'


def _outputs(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find results that cannot be written, or would put away what is to be read: an old run's folder is renamed."""
    key = 'experiments_root' if opt['is_train'] else 'results_root'
    if not opt['path'].get(key) or not opt.get('name'):
        return
    folder = osp.realpath(opt['path'][key])
    parent = folder
    while not osp.exists(parent):
        parent = osp.dirname(parent)
    if not (osp.isdir(parent) and os.access(parent, os.W_OK)):
        yield ('path', key), f'path.{key}: {parent} is no folder that can be written to; name another'
    if osp.isdir(folder) and not _resumes(opt):
        inputs = [(('path', 'pretrain_network_g'), opt['path'].get('pretrain_network_g'))]
        for phase, dataset in opt['datasets'].items():
            inputs += [
                (('datasets', phase, name), dataset.get(name))
                for name in ('dataroot', 'dataroot_lq', 'dataroot_gt', 'meta_info_file')
            ]
        for where, path in inputs:
            if isinstance(path, str) and f'{osp.realpath(osp.expanduser(path))}{os.sep}'.startswith(
                f'{folder}{os.sep}'
            ):
                yield (
                    where,
                    f'{named(where)}: {path} lies in {opt["path"][key]}, which is put aside when this run begins; '
                    f'give the run another name',
                )


def _resumes(opt: Mapping[str, Any]) -> bool:
    states = opt['path'].get('training_states')
    found = opt.get('auto_resume') and states and osp.isdir(states) and os.listdir(states)
    return bool(opt['path'].get('resume_state') or found)


def _schedule(train: Mapping[str, Any]) -> Iterator[Finding]:
    scheduler, total_iter = train.get('scheduler'), train.get('total_iter')
    periods = scheduler.get('periods') if isinstance(scheduler, Mapping) else None
    if periods and total_iter and sum(periods) < total_iter - 1:
        yield (
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
        yield where, 'logger.wandb: BasicSR sends to it what TensorBoard gets; set logger.use_tb_logger: true'
    if importlib.util.find_spec('wandb') is None:
        yield where, 'logger.wandb: the package wandb is not installed; pip install wandb, or take the project out'


def _absent_gpus(wanted: Any) -> Iterator[Finding]:
    import torch

    there = torch.cuda.device_count()
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > there:
        yield ('num_gpu',), f'num_gpu: {wanted}, but PyTorch finds {there}; write auto, which takes what is there'


def _count_images(dataset_opt: Mapping[str, Any]) -> int:
    return count_images(dataset_opt)
