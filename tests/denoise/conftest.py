"""The command, run in this process, as importing PyTorch takes longer than denoising small images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from amsnet_basicsr.cli import main
from tests.denoise.run_command import Result, tiny_weights


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., Result]:
    """Run the command in the temporary folder, one plain pass of the tiny network `net.safetensors`."""
    monkeypatch.chdir(tmp_path)
    tiny_weights(tmp_path / 'net.safetensors')

    def command(
        *arguments: str, model: tuple[str, ...] = ('--model', 'net.safetensors', '--scheme', 'plain')
    ) -> Result:
        capsys.readouterr()
        status = main(['--strength', '1', *arguments, *model])  # the network alone, unless a test says otherwise
        return Result(status, *capsys.readouterr())

    return command
