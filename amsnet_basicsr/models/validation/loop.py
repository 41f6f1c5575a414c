"""The validation loop.

BasicSR's own loop (`SRModel.nondist_validation`) has no place for what self-supervised training needs: sets with and
without ground truth side by side, a metric of hidden pixels, figures of the noisy input, strips noisy | denoised |
clean, and the best checkpoint by any metric. It also reads, denoises and measures one after the other, in the first
process alone.

Here a set goes through four hands, a block of images at a time: a thread reads ahead, the processes exchange what they
have read and finished, the network denoises, threads measure and save (`finish`).
"""

import os.path as osp
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from amsnet_basicsr.data.read_item import read_item
from amsnet_basicsr.models.validation.best import Best, is_new_best
from amsnet_basicsr.models.validation.finish import DenoisedImage, FinishedImage, Task, finish
from amsnet_basicsr.models.validation.images import Data, batches_of_one_size, name_images, write_image
from amsnet_basicsr.models.validation.processes import OtherProcessFailedError, Processes
from amsnet_basicsr.models.validation.report import means, report_once
from amsnet_basicsr.options.blocks.validation import OurValidation, SaveBest
from amsnet_basicsr.resume.checkpoints import CheckpointError
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.parallel import available_cores, ordered_map

_GPU_BATCH = 8
"""Images in a batch on a GPU, unless the options say."""


class ValidationLoop(SRModel):
    """An `SRModel` that validates by this loop; `OurValidation` has the options.

    The processes of a distributed run share the images. The figures are those of one image after the other, whatever
    the batch and the number of processes.
    """

    _input_reported: frozenset[str] = frozenset()
    """Sets whose noisy input was measured."""
    _write_failed = False

    def test_network(self) -> nn.Module:
        """Return the network to denoise with."""
        raise NotImplementedError

    def predict_hidden(self) -> torch.Tensor:
        """Predict every pixel of `self.lq` from others, for `calculate_mask_l1`."""
        raise NotImplementedError

    def stop_if_asked(self) -> None:
        """Called between two images; a model in training stops here."""

    def nondist_validation(
        self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool
    ) -> None:
        """Denoise a set in this process, save images, compute and log metrics.

        The loader's batches are of one: `lq`, `lq_path` and, if there is ground truth, `gt`. A `UserError` if the set
        is empty, an output is not finite, or processes find different images.
        """
        self._validate(Processes(together=False), dataloader, current_iter, tb_logger, save_img)

    def dist_validation(self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Do the same in all processes together: each denoises and saves its share, the first logs."""
        self._validate(Processes(together=True), dataloader, current_iter, tb_logger, save_img)

    def _validate(
        self, processes: Processes, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool
    ) -> None:
        dataset: Any = dataloader.dataset
        set_name, val = dataset.opt['name'], OurValidation.read(self.opt['val'], 'val')
        metrics = self.opt['val'].get('metrics') or {}  # BasicSR's own methods read them there
        for settings in metrics.values():
            if settings['type'] == 'calculate_mask_l1':
                settings.setdefault('better', 'lower')
        task = Task(
            set_name,
            metrics,
            with_input=set_name not in self._input_reported,
            save=partial(self._save_image, set_name, current_iter) if save_img else None,
            strips=val.strip,
            save_strip=partial(self._save_strip, set_name, current_iter),
        )
        size = min(val.batch_size or (1 if self.device.type == 'cpu' else _GPU_BATCH), max(1, len(dataset)))
        is_first = processes.rank == 0
        found: list[FinishedImage] = []
        try:
            with (
                tqdm(total=len(dataloader), disable=not (is_first and val.pbar), unit='image') as progress,
                closing(self._denoise_set(processes, dataloader, task, size)) as images,
            ):
                for image in images:
                    if tb_logger and image.strip is not None:
                        shown = image.strip[..., ::-1].copy()
                        tb_logger.add_image(f'{set_name}/{image.name}', shown, current_iter, dataformats='HWC')
                    found.append(replace(image, strip=None))
                    progress.update()
                processes.exchange(None)  # all end here, or with the first
        except OtherProcessFailedError:
            raise
        except Exception as error:
            processes.tell_failure(error)
            raise
        self._report(task, found, current_iter, tb_logger, val.judge(), is_first)

    def _denoise_set(
        self, processes: Processes, dataloader: DataLoader, task: Task, size: int
    ) -> Generator[FinishedImage, None, None]:
        """Denoise a set block by block, `size` images in each process; yield those of all processes in order.

        Before each block the processes exchange paths, so that they give images the same names, and what they have
        finished of the block before last, so that all end when one fails.
        """
        dataset: Any = dataloader.dataset
        processes.share_buffers(self.test_network())
        processes.check_same(dataset)
        taken: dict[str, Any] = {}

        def read(number: int) -> tuple[int, Data]:
            item = read_item(dataset, number, f'set {task.set_name!r}, image')
            return number, dataloader.collate_fn([item])

        def exchange(paths: dict[int, str], done: list[Future[FinishedImage]]) -> tuple[dict, list[FinishedImage]]:
            messages = processes.exchange((paths, [image.result() for image in done]))
            names = name_images({number: path for paths, _ in messages for number, path in paths.items()}, taken)
            return names, sorted((image for _, those in messages for image in those), key=lambda image: image.number)

        # One thread reads, `size` images ahead: datasets need not be safe for several.
        items = ordered_map(read, range(processes.rank, len(dataset), processes.count), workers=1, ahead=size)
        with closing(items), ThreadPoolExecutor(available_cores(), 'validation') as pool:
            under_way: deque[list[Future[FinishedImage]]] = deque([[], []])
            for _ in range(0, len(dataset), size * processes.count):
                block = dict(islice(items, size))
                paths = {number: item['lq_path'][0] for number, item in block.items()}
                names, finished = exchange(paths, under_way.popleft())
                yield from finished
                under_way.append([])
                for numbers, batch in batches_of_one_size(block):
                    self.stop_if_asked()
                    for image in self._denoise_batch(batch, {number: names[number] for number in numbers}, task):
                        under_way[-1].append(pool.submit(finish, image, task))
            for done in under_way:
                yield from exchange({}, done)[1]

    def _denoise_batch(self, batch: Data, names: dict[int, str], task: Task) -> Iterator[DenoisedImage]:
        """Denoise images of one size."""
        self.feed_data(batch)
        self.test()
        visuals = self.get_current_visuals()
        prediction = self.predict_hidden().cpu() if task.looks_at_hidden_pixels else None
        tensors = (visuals['lq'], visuals['result'], visuals.get('gt'), prediction)
        for at, (number, name) in enumerate(names.items()):
            own: Any = (None if tensor is None else tensor[at : at + 1] for tensor in tensors)
            yield DenoisedImage(number, name, batch['lq_path'][at], *own)

    def _save_image(self, set_name: str, current_iter: int | str, image: np.ndarray, name: str) -> None:
        """Save where BasicSR does, but under the set's name in training too: sets may share names."""
        if self.opt['is_train']:
            self._write(image, set_name, name, f'{name}_{current_iter}.png')
        else:
            self._write(image, set_name, f'{name}_{self.opt["val"].get("suffix") or self.opt["name"]}.png')

    def _save_strip(self, set_name: str, current_iter: int | str, strip: np.ndarray, name: str) -> None:
        self._write(strip, 'strips', set_name, f'{name}_{current_iter}.png')

    def _write(self, image: np.ndarray, *place: str) -> None:
        """Write an image; in training a failure is logged once."""
        try:
            write_image(image, osp.join(self.opt['path']['visualization'], *place))
        except UserError as error:
            if not self.opt['is_train']:
                raise
            if not self._write_failed:
                self._write_failed = True
                get_root_logger().warning(
                    f'{error}; training continues; further failures of this kind are not reported'
                )

    def _report(
        self,
        task: Task,
        found: Sequence[FinishedImage],
        current_iter: int | str,
        tb_logger: Any,
        choice: SaveBest | None,
        logs: bool,
    ) -> None:
        """Keep means and bests by BasicSR's own methods; log them, and keep the best networks, in the first process."""
        figures = means(image.figures for image in found)
        if task.with_input and logs:
            report_once(task, found)
        self._input_reported |= {task.set_name}
        if not figures:
            return
        self.metric_results = figures
        self._initialize_best_metric_results(task.set_name)
        for metric, value in figures.items():
            self._update_best_metric_result(task.set_name, metric, value, current_iter)
        if logs:
            self._log_validation_metric_values(current_iter, task.set_name, tb_logger)
            if self.opt['is_train'] and choice is not None and choice.metric in figures:
                self._save_best(choice, Best(choice.metric, task.set_name, figures[choice.metric], current_iter))

    def _save_best(self, choice: SaveBest, found: Best) -> None:
        """Save the networks if they are the best so far."""
        logger, record = get_root_logger(), Path(self.opt['path']['models'], 'net_g_best.json')
        lower = self.best_metric_results[found.dataset][found.metric]['better'] == 'lower'
        if not is_new_best(found, choice, lower, record, logger.warning):
            return
        networks = [self.net_g] + ([self.net_g_ema] if hasattr(self, 'net_g_ema') else [])
        try:
            self.save_network(networks, 'net_g', 'best', ['params', 'params_ema'][: len(networks)])
            found.write(record)
        except (CheckpointError, OSError) as error:
            logger.error(f'The best networks could not be saved: {error}')
            return
        logger.info(f'Saved net_g_best.pth: {found.metric} {found.value:.4f} on {found.dataset}')
