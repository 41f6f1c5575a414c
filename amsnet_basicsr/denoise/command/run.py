"""A run of the command from its arguments to its summary."""

import argparse
import sys
from pathlib import Path

from amsnet_basicsr.denoise.command.arguments import UsageError
from amsnet_basicsr.denoise.command.batch import Batch
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.model import model_facts
from amsnet_basicsr.denoise.command.outputs import plan_outputs
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error
from amsnet_basicsr.utils.text import print_line

_NOT_SETTINGS = ('inputs', 'output', 'json', 'gallery', 'quiet')


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks for, and return the exit status."""
    console = Console(options.quiet, to_stderr=options.json == '-')
    try:
        outputs = plan_outputs(options, console)
        batch = Batch(options, outputs, console)
        batch.run()
    except UsageError as error:
        console.error(str(error))
        return 2
    summary = batch.summary
    if outputs.jobs or summary.interrupted:
        (console.error if summary.interrupted else console.result)(summary.text())
    if options.json is None:
        return summary.exit_status
    model = None if batch.denoiser is None else model_facts(batch.denoiser)
    settings = {name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS}
    is_written = _write_json(options.json, summary.json(model, settings), console)
    return summary.exit_status or int(not is_written)


def _write_json(target: str, text: str, console: Console) -> bool:
    if target == '-':
        return print_line(text, sys.stdout)
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(Path(target), sync=True) as file:  # that it may be replaced was checked before
            file.write(f'{text}\n'.encode())
    except OSError as error:
        console.error(write_error(Path(target), error))
        return False
    return True
