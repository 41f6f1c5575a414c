"""`python -m amsnet_basicsr.check -opt options.yml`: check options as training and testing do, without starting."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from amsnet_basicsr.options.command import add_options_arguments, list_problems, read_or_stop
from amsnet_basicsr.utils.command import begin_command
from amsnet_basicsr.utils.text import printable, say


def main(argv: Sequence[str] | None = None) -> int:
    """Check a file and print its problems, or what it would do; return the exit status. Nothing is written."""
    parser = argparse.ArgumentParser(prog='python -m amsnet_basicsr.check', description=__doc__.partition(': ')[2])
    add_options_arguments(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument('--train', action='store_true', help='check as for training; default: if there is a train set')
    kind.add_argument('--test', action='store_true', help='check as for testing')
    arguments = parser.parse_args(argv)
    named = arguments.opt
    try:
        raw = read_or_stop(arguments)
    except SystemExit as error:
        print(str(error).removesuffix('; nothing was started'), file=sys.stderr)
        return 1
    datasets = raw.get('datasets')
    has_train_set = isinstance(datasets, dict) and 'train' in datasets
    is_train = arguments.train or (not arguments.test and (has_train_set or 'train' in raw))
    problems, notes, summary = _check(raw, is_train)
    if problems:
        say(list_problems(named, problems, f'as options for {"training" if is_train else "testing"}'))
        return 1
    say(f'{named} is fine, as options for {"training" if is_train else "testing"}')
    for note in notes:
        say(f'Note: {printable(note)}')
    for line in summary:
        say(line)
    return 0


def _check(raw: dict[str, Any], is_train: bool) -> tuple[list[str], list[str], list[str]]:
    """Check as a run of one process in the current folder would: problems, notes, and a summary if there are none."""
    import torch

    from amsnet_basicsr import plugin  # noqa: F401 (registers)
    from amsnet_basicsr.options.checks.run import check_all
    from amsnet_basicsr.options.complete import complete_options

    opt = complete_options(raw, os.getcwd(), is_train, gpus=torch.cuda.device_count())
    checked = check_all(raw, opt)
    return checked.problems, checked.notes, [] if checked.problems else _summary(opt, checked.images, checked.net)


def _summary(opt: dict[str, Any], counts: Mapping[str, int], net: Any) -> list[str]:
    from amsnet_basicsr.resume.changes import preview_resume

    images = [f'{dataset["name"]} ({phase}) {counts[phase]}' for phase, dataset in opt['datasets'].items()]
    size = '' if net is None else f' of {sum(parameter.numel() for parameter in net.parameters()):,} parameters'
    run = f'{opt["model_type"]} with {opt["network_g"]["type"]}{size}'
    if channels := {dataset.get('channels', 3) for dataset in opt['datasets'].values()} - {3}:
        run += f' on images of {"".join(map(str, channels))} channel{"s" * (channels != {1})}'
    if opt['is_train']:
        batch = opt['datasets']['train']['batch_size_per_gpu']
        run += f', {opt["train"]["total_iter"]:,.0f} iterations in batches of {batch}'
    lines = [f'Images: {", ".join(images)}', f'Run:    {run}']
    return lines + ([f'Resume: {line}' for line in preview_resume(opt, counts['train'])] if opt['is_train'] else [])


if __name__ == '__main__':
    begin_command()
    sys.exit(main())
