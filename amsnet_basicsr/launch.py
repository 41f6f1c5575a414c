"""What our train and test commands do around BasicSR's own pipelines."""

import os
import os.path as osp
import sys
from types import ModuleType
from typing import Any

from amsnet_basicsr.options.command import Command, prepare, read_command


def train(root_path: str) -> None:
    """Train by BasicSR's `train_pipeline`, then say where everything is.

    Args:
        root_path: Folder in which `experiments/` and `tb_logger/` are made.

    Raises:
        SystemExit: If the options have problems; they are listed.
    """
    command = read_command()  # first, as importing takes seconds
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    import basicsr.train  # isort: skip
    from amsnet_basicsr.resume.training_run import train_or_stop

    prepared = _prepare_by_ours(basicsr.train, command)
    train_or_stop(basicsr.train, root_path)
    if prepared['rank'] == 0:
        from amsnet_basicsr.report import report_training

        report_training(prepared, command.arguments.opt)


def test(root_path: str) -> None:
    """Test by BasicSR's `test_pipeline`, then say where everything is.

    Args:
        root_path: Folder in which `results/` is made.

    Raises:
        SystemExit: If the options have problems; they are listed.
    """
    command = read_command()
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    import basicsr.test  # isort: skip
    from amsnet_basicsr.convert import WeightsError
    from amsnet_basicsr.models.validation.error import ValidationError

    prepared = _prepare_by_ours(basicsr.test, command)
    try:
        basicsr.test.test_pipeline(root_path)
    except (WeightsError, ValidationError) as error:
        sys.exit(f'Testing ended: {error}')
    if prepared['rank'] == 0:
        print(f'Images and log: {osp.relpath(prepared["path"]["results_root"])}')


def _prepare_by_ours(pipeline: ModuleType, command: Command) -> dict[str, Any]:
    """Let a pipeline get its options from our safe reader; BasicSR's runs code that a file asks for.

    Args:
        pipeline: `basicsr.train` or `basicsr.test`.
        command: What was asked for.

    Returns:
        The options, once the pipeline has asked for them; empty till then.
    """
    prepared: dict[str, Any] = {}

    def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Any]:
        opt, arguments = prepare(command, root_path, is_train)
        prepared.update(opt)
        return prepared, arguments

    pipeline.parse_options = parse_options
    return prepared


def working_directory() -> str:
    """Root for `python -m`: the folder the command is run in, as the package may lie in a read-only place."""
    return os.getcwd()
