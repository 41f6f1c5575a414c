"""`python -m amsnet_basicsr.train -opt options.yml`: train in the current folder, as BasicSR's train.py does."""

import os
import os.path as osp
import signal
import sys
from collections.abc import Callable
from typing import Any

from amsnet_basicsr.options.command import read_command
from amsnet_basicsr.utils.command import begin_command
from amsnet_basicsr.utils.text import say


def train(root_path: str) -> None:
    """Train by BasicSR's `train_pipeline`, with `experiments/` in `root_path`, then say where everything is.

    Raises:
        SystemExit: If the options have problems, which are listed, or training cannot continue; with 130 or 143 after
            Ctrl-C or SIGTERM, with a state saved that can be resumed.
    """
    command = read_command()  # first, as importing takes seconds
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    import basicsr.train  # isort: skip
    from amsnet_basicsr.patches.pipelines.attach import attach_run
    from amsnet_basicsr.patches.pipelines.parse_options import use_options
    from amsnet_basicsr.resume.run import TrainingRun, TrainingStopped
    from amsnet_basicsr.utils.distributed import leave
    from amsnet_basicsr.utils.errors import UserError
    from amsnet_basicsr.utils.stop_signal import Interruption

    opt = use_options(basicsr.train, command)
    with Interruption() as interruption:
        run = TrainingRun(interruption)
        attach_run(basicsr.train, run)
        try:
            try:
                basicsr.train.train_pipeline(root_path)
            except TrainingStopped as stopped:
                said, reason = run.stop(), str(stopped)
                if reason:
                    sys.exit(f'Training ended: {reason}; {said}')
                _stop(opt, f'Training {said}', interruption.signal)
            leave()
            interruption.check()
            if opt['rank'] == 0:
                try:
                    report(opt, command.arguments.opt, interruption.check)
                except OSError as error:
                    say(f'Training is complete, but its report could not be written: {error}')
            interruption.check()
        except UserError as error:
            sys.exit(f'Training ended: {error}')
        except KeyboardInterrupt:
            if opt and run.iteration >= opt['train']['total_iter']:
                _stop(opt, 'Training is complete; stopped in what follows it', interruption.signal)
            said = 'Training ended at once; --auto_resume resumes from the newest checkpoint, if there is one'
            _stop(opt, said, interruption.signal)
        finally:
            run.release()


def _stop(opt: dict[str, Any], said: str, number: int | None) -> None:
    """Leave with the exit code of a signal; none is known to a process that others stopped."""
    if not opt or opt['rank'] == 0:
        say(said)
    sys.exit(128 + (number or signal.SIGTERM))


def report(opt: dict[str, Any], opt_file: str, stop_if_asked: Callable[[], None]) -> None:
    """Print the summary after training, with the comparison that `report:` asks for."""
    root, weights = opt['path']['experiments_root'], osp.join(opt['path']['models'], 'net_g_latest.pth')
    images = opt['path']['visualization']
    lines = []
    if opt.get('report'):
        from amsnet_basicsr.models.validation.compare import compare_refinements

        images = osp.join(root, 'report')
        lines += [compare_refinements(opt, weights, images, stop_if_asked), '']
    if osp.isdir(images) and os.listdir(images):
        lines.append(f'Images     {_show(images)} (noisy | denoised | clean)')
    lines += [f'Weights    {_show(weights)}', f'Log        {_show(opt["path"]["log"])}']
    if opt['logger'].get('use_tb_logger'):
        lines.append(f'Curves     tensorboard --logdir {_show(osp.join(opt["root_path"], "tb_logger", opt["name"]))}')
    if opt_file.endswith('quickstart.yml'):
        lines += [
            'Next       your own noisy photographs: put them into datasets/my_photos/noisy, a few others into',
            '           datasets/my_photos/held_out, and run',
            '           python basicsr/train.py -opt options/train_amsnet_small.yml',
        ]
    say('\n' + '\n'.join(lines))


def _show(path: str) -> str:
    relative = osp.relpath(path)
    return path if relative.startswith('..') else relative


if __name__ == '__main__':
    begin_command()
    train(os.getcwd())  # not beside the package, which may lie in a read-only place
