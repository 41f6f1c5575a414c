"""The validation loop.

BasicSR's own loop (`SRModel.nondist_validation`) has no place for what self-supervised training needs: sets with and
without ground truth side by side, a metric of hidden pixels, figures of the noisy input, strips noisy | denoised |
clean, and the best checkpoint by any metric. It also reads, denoises and measures one after the other, in the first
process alone.

Here a set goes through four hands, a block of images at a time: a thread reads ahead, the processes exchange what they
have read and finished, the network denoises, threads measure and save (`Task.finish`).
"""

from collections import deque
from collections.abc import Generator, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from amsnet_basicsr.data.read_item import read_item
from amsnet_basicsr.models.validation.best import Best, is_new_best
from amsnet_basicsr.models.validation.images import MeasuredImage, Task, groups_of_one_size, means, name_images
from amsnet_basicsr.models.validation.processes import Processes
from amsnet_basicsr.options.blocks.training import OurValidation, SaveBest
from amsnet_basicsr.resume.checkpoints import CheckpointError
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.parallel import available_cores, ordered_map
from amsnet_basicsr.utils.text import one_line

_GPU_BATCH = 8
"""Images in a batch on a GPU, unless the options say."""


class ValidationLoop(SRModel):
    """An `SRModel` that validates by this loop; `OurValidation` has the options.

    The processes of a distributed run share the images. The figures are those of one image after the other, whatever
    the batch and the number of processes.
    """

    folder_of_set = True
    """Whether each set has its own folder for images in training too; in tests it always has."""
    _reported: frozenset[str] = frozenset()
    """Sets that were validated before."""
    _write_failed = False

    def validation_settings(self) -> OurValidation:
        """Read the `val` block."""
        return OurValidation.read(self.opt['val'], 'val')

    def test_network(self) -> nn.Module:
        """Return the network to denoise with: the averaged one if there is one, else the trained one, unwrapped."""
        return self.net_g_ema if hasattr(self, 'net_g_ema') else self.get_bare_model(self.net_g)

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
        set_name, val = dataset.opt['name'], self.validation_settings()
        is_first, is_train = processes.rank == 0, self.opt['is_train']
        metrics = self.opt['val'].get('metrics') or {}  # BasicSR's own methods read them there
        for settings in metrics.values():
            if settings['type'] == 'calculate_mask_l1':
                settings.setdefault('better', 'lower')
        folder = [set_name] if self.folder_of_set or not is_train else []

        def save(image: np.ndarray, name: str) -> None:
            """Save where BasicSR does."""
            ending = current_iter if is_train else self.opt['val'].get('suffix') or self.opt['name']
            self._write(image, *folder, *([name] if is_train else []), f'{name}_{ending}.png')

        def save_strip(strip: np.ndarray, name: str) -> None:
            self._write(strip, 'strips', set_name, f'{name}_{current_iter}.png')

        is_new = set_name not in self._reported
        task = Task(set_name, metrics, is_new, save if save_img else None, val.strip, save_strip)
        size = min(val.batch_size or (1 if self.device.type == 'cpu' else _GPU_BATCH), max(1, len(dataset)))
        taken = self.__dict__.setdefault('_names_taken', {}).setdefault(''.join(folder), {})
        found: list[MeasuredImage] = []
        with (
            processes.ending_together(),
            tqdm(total=len(dataloader), disable=not (is_first and val.pbar), unit='image') as progress,
            closing(self._denoise_set(processes, dataloader, task, size, taken)) as images,
        ):
            for image in images:
                if tb_logger and image.strip is not None:
                    shown = image.strip[..., ::-1].copy()
                    tb_logger.add_image(f'{set_name}/{image.name}', shown, current_iter, dataformats='HWC')
                found.append(image._replace(strip=None))
                progress.update()
        if is_new and is_first:
            task.report(found)
        self._reported |= {set_name}
        if figures := means(image.figures for image in found):
            self._keep_figures(figures, set_name, current_iter)
            if is_first:
                self._log_validation_metric_values(current_iter, set_name, tb_logger)
                if is_train and (choice := val.judge()) and choice.metric in figures:
                    self._save_best(choice, Best(choice.metric, set_name, figures[choice.metric], current_iter))

    def _denoise_set(
        self, processes: Processes, dataloader: DataLoader, task: Task, size: int, taken: dict[str, Hashable]
    ) -> Generator[MeasuredImage, None, None]:
        """Denoise a set block by block, `size` images in each process; yield those of all processes in order.

        Before each block the processes exchange paths, so that they give images the same names, and what they have
        finished of the block before last, so that all end when one fails.
        """
        dataset: Any = dataloader.dataset
        processes.share_buffers(self.test_network())
        processes.check_same(dataset)

        def read(number: int) -> tuple[int, dict[str, Any]]:
            return number, read_item(dataset, number, f'set {task.set_name!r}, image')

        def exchange(paths: dict[int, str], done: list[MeasuredImage]) -> tuple[dict[int, str], list[MeasuredImage]]:
            messages = processes.exchange((paths, done))
            of_all = {number: path for paths, _ in messages for number, path in paths.items()}
            return name_images(of_all, taken, task.set_name), sorted(image for _, those in messages for image in those)

        # One thread reads, `size` images ahead: datasets need not be safe for several.
        items = ordered_map(read, range(processes.rank, len(dataset), processes.count), workers=1, ahead=size)
        with closing(items), ThreadPoolExecutor(available_cores(), 'validation') as pool:
            under_way: deque[Future[MeasuredImage]] = deque()
            for _ in range(0, len(dataset), size * processes.count):
                block = dict(islice(items, size))
                done = [under_way.popleft().result() for _ in range(len(under_way) - size)]
                names, finished = exchange({number: item['lq_path'] for number, item in block.items()}, done)
                yield from finished
                for numbers in groups_of_one_size(block):
                    self.stop_if_asked()
                    tensors = self._denoise(dataloader.collate_fn([block[number] for number in numbers]), task)
                    for at, number in enumerate(numbers):
                        own = {key: value[at : at + 1] for key, value in tensors.items()}
                        path = block[number]['lq_path']
                        under_way.append(pool.submit(task.finish, number, names[number], path, own))
            yield from exchange({}, [image.result() for image in under_way])[1]

    def _denoise(self, batch: dict[str, Any], task: Task) -> dict[str, torch.Tensor]:
        """Denoise images of one size; return what `Task.finish` takes of them."""
        self.__dict__.pop('gt', None)  # BasicSR's models keep that of the batch before, if an image has none
        self.feed_data(batch)
        self.test()
        tensors = self.get_current_visuals()
        if task.looks_at_hidden_pixels:
            tensors['prediction'] = self.predict_hidden().cpu()
        return tensors

    def _write(self, image: np.ndarray, *place: str) -> None:
        """Write an image, and make its folder; in training a failure is logged once."""
        path = Path(self.opt['path']['visualization'], *place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(cv2.imencode(path.suffix, image)[1].tobytes())
        except (OSError, cv2.error) as error:
            said = f'{path} cannot be written: {one_line(error)}'
            if not self.opt['is_train']:
                raise UserError(said) from error
            if not self._write_failed:
                self._write_failed = True
                get_root_logger().warning(f'{said}; training continues; further failures of this kind are not reported')

    def _keep_figures(self, figures: dict[str, float], set_name: str, current_iter: int | str) -> None:
        """Keep figures and the best so far where BasicSR does."""
        self.metric_results = figures
        self._initialize_best_metric_results(set_name)
        for metric, value in figures.items():
            self._update_best_metric_result(set_name, metric, value, current_iter)

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
