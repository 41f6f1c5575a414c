"""Checks the options before any work, so that no run ends with a typo after an hour.

All problems are reported at once, each with the option's name and what to do. A check skips options in which an earlier
one found a fault. What cannot work or would destroy something is refused; what stock BasicSR runs, runs. What looks odd
gives a note.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from amsnet_basicsr.options.blocks.file import OUR_MODELS, PATHS_SET_BY_BASICSR, SET_BY_BASICSR
from amsnet_basicsr.options.blocks.messages import Finding, Key, wrong
from amsnet_basicsr.options.checks.basicsr_datasets import wrong_files
from amsnet_basicsr.options.checks.build import try_network, wrong_denoiser, wrong_parts
from amsnet_basicsr.options.checks.data import build_datasets, raise_ratio, set_channels, wrong_loading
from amsnet_basicsr.options.checks.file import check_file, wrong_texts
from amsnet_basicsr.options.checks.paths import wrong_inputs, wrong_outputs
from amsnet_basicsr.options.checks.training import wrong_scheme, wrong_training
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
    """Find everything that would stop or spoil a run, beside the `known` problems; of its network alone without data.

    Changes `opt` in place: datasets are told how many channels the network takes, and the training set's
    `dataset_enlarge_ratio` is raised if its loader would yield too few batches.
    """
    if not with_data:
        opt = {**opt, 'datasets': {}}
    found, net, is_train = Findings(known), None, opt['is_train']
    problems, notes = check_file(opt)
    found.add(one for one in problems if with_data or one.key != ('datasets',))
    found.add(wrong_texts(found.without_wrong(opt)))
    found.add(wrong_parts(found.without_wrong(opt), found.clean))
    sound = found.without_wrong(opt)
    found.add(wrong_inputs(sound))
    if with_data:
        found.add(wrong_outputs(sound))
    found.add(wrong_scheme(sound, found.clean))
    if sound['network_g'] and found.clean('network_g'):
        problems, net = try_network(sound['network_g'])
        found.add(problems)
    if net is not None and sound.get('model_type') in OUR_MODELS:
        found.add(wrong_denoiser(net, bool(sound['train'].get('checkpointing'))))
    if net is not None and sound.get('scale', 1) == 1:
        found.add(set_channels(opt, sound, image_channels(net)))
    if is_train:
        found.add(wrong_training(sound))
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
        notes += raise_ratio(opt, sound, images['train'])
    return Checked(list(found), notes, images, net)


class Findings(dict[str, Key]):
    """The keys of the problems found so far, by their sentences, in order."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        super().__init__()
        self.add(findings)

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings; a sentence is kept once."""
        for finding in findings:
            self.setdefault(finding.sentence, finding.key)

    def clean(self, *key: str) -> bool:
        """Tell whether no problem is at a key, inside it, or with a group around it."""
        return not any(found[: len(key)] == key[: len(found)] for found in self.values())

    def without_wrong(self, options: dict[str, Any]) -> dict[str, Any]:
        """Copy options without the wrong ones; the main groups are there, if empty."""
        options = copy.deepcopy(options)
        for key in self.values():
            group: Any = options
            for name in key[:-1]:
                group = group.get(name) if isinstance(group, dict) else None
            if key and isinstance(group, dict):
                group.pop(key[-1], None)
        for section in ('datasets', 'train', 'val', 'logger', 'path', 'network_g'):
            if not isinstance(options.get(section), dict):
                options[section] = {}
        return options


def _absent_gpus(wanted: Any) -> Iterator[Finding]:
    there = torch.cuda.device_count()
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > there:
        yield wrong(f'{wanted}, but PyTorch finds {there}; write auto, which takes what is there', 'num_gpu')
