"""Weights & Biases: BasicSR makes run ids by a function that wandb no longer has."""

from typing import Any

from basicsr.utils import get_root_logger


def start_wandb(opt: dict[str, Any]) -> None:
    """Take the place of `init_wandb_logger`; wandb makes the id, unless `logger.wandb.resume_id` names a run."""
    import wandb

    settings = opt['logger']['wandb']
    run = wandb.init(
        id=settings.get('resume_id'), resume='allow' if settings.get('resume_id') else None, name=opt['name'],
        config=opt, project=settings['project'], sync_tensorboard=True,
    )  # fmt: skip
    get_root_logger().info(f'Use wandb logger with id={run.id}; project={settings["project"]}.')
