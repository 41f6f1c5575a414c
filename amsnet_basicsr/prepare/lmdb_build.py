"""A BasicSR LMDB written group by group in parallel: complete or not there at all, and resumable after a kill.

A group (say, the patches of one image) is one transaction. Which groups are done, and with which settings, is recorded
in the LMDB itself, in the same transactions, and removed once the LMDB is in its place.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb
from tqdm import tqdm

from amsnet_basicsr.images import png
from amsnet_basicsr.prepare.outputs import (
    check_space,
    discard,
    partial_path,
    publish,
    refuse_existing,
    refuse_other_settings,
)
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.parallel import ordered_map
from amsnet_basicsr.utils.text import name_some, say

_MAP_SIZE = 2**26  # to begin with
_PROGRESS, _SETTINGS, _GROUP = b'progress', b'settings', b'group/'


@dataclass(frozen=True)
class Made:
    """The encoded images of a source by key (ASCII, without dots), and plain values to remember about it."""

    images: Mapping[str, bytes]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """What becomes one group.

    Attributes:
        name: Name of the group, ASCII.
        title: What messages call the source, e.g. its path.
        fingerprint: Tells another source of that name apart; plain values.
        make: Makes the images, in a thread; raises ValueError if the source is damaged.
    """

    name: str
    title: str
    fingerprint: Any
    make: Callable[[], Made]


@dataclass(frozen=True)
class Group:
    """The record of a group that is done: number and bytes of its images, the source's fingerprint, facts."""

    count: int
    stored: int
    source: Any
    facts: dict[str, Any]


@dataclass(frozen=True)
class Choices:
    """How to run: the options that the preparing commands have in common."""

    workers: int | None = None  # threads; None for one per core
    overwrite: bool = False
    restart: bool = False
    skip_damaged: bool = False
    ignore_space: bool = False
    say: Callable[[str], object] = say


@dataclass(frozen=True)
class BuildReport:
    """What was made: groups by name, how many of them by earlier runs, and a line for each source left out."""

    groups: dict[str, Group]
    resumed: int = 0
    damaged: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(group.count for group in self.groups.values())

    @property
    def stored(self) -> int:
        """Their bytes."""
        return sum(group.stored for group in self.groups.values())


class LmdbBuild:
    """Writes `data.mdb` and `meta_info.txt` as BasicSR's `LmdbMaker` does, first as `<target>.partial`.

    A context manager that holds a lock on the target. Everything that can be checked before the work is checked when it
    is made.

    Args:
        target: The LMDB; its name ends in `.lmdb`.
        image_size: Height and width of every image.
        settings: What the content depends on, plain values; a resumed run must have the same.
        choices: How to run.
        needed: Estimated bytes.
    """

    def __init__(
        self,
        target: Path,
        image_size: tuple[int, int],
        settings: Mapping[str, Any],
        choices: Choices,
        needed: float = 0,
    ) -> None:
        if target.suffix != '.lmdb':
            raise UserError(f'{target}: BasicSR wants the name of an LMDB to end in .lmdb')
        refuse_existing(target, choices.overwrite)
        self.target, self.folder = target, partial_path(target)
        self._image_size, self._choices = image_size, choices
        #: Estimated bytes.
        self.needed = needed
        self._settings = json.loads(json.dumps(settings))

    def __enter__(self) -> 'LmdbBuild':
        with ExitStack() as stack:
            stack.enter_context(exclusive_lock(self.folder))
            if self._choices.restart:
                discard(self.folder)
            data = self.folder / 'data.mdb'
            done = data.stat().st_size if data.is_file() else 0
            if self.folder.exists() and not data.is_file() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise UserError(f'{self.folder} is in the way: it is not an LMDB; remove it')
            if not self._choices.ignore_space:
                check_space(self.needed - done, self.target.parent)
            try:
                self._env = lmdb.open(str(self.folder), map_size=max(_MAP_SIZE, done), max_dbs=1, readahead=False)
            except lmdb.Error as error:
                raise UserError(f'{self.folder} cannot be opened: {error}; --restart starts over') from error
            stack.callback(self._env.close)
            self._compare_settings()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _compare_settings(self) -> None:
        with self._env.begin(write=True) as txn:
            begun = txn.stat()['entries'] > 0
            self._progress = self._env.open_db(_PROGRESS, txn=txn)
            found = json.loads(txn.get(_SETTINGS, db=self._progress) or 'null')
            if found is not None:
                refuse_other_settings(self.folder, found, self._settings)
            elif begun:
                raise UserError(f'{self.folder} holds something else than asked for; --restart starts over')
            txn.put(_SETTINGS, json.dumps(self._settings).encode(), db=self._progress)

    def groups(self) -> dict[str, Group]:
        """Read the records of the groups that are done, by name."""
        with self._env.begin(db=self._progress) as txn:
            return {
                bytes(key[len(_GROUP) :]).decode(): Group(**json.loads(value))
                for key, value in txn.cursor()
                if key.startswith(_GROUP)
            }

    def put_group(self, name: str, made: Made, fingerprint: Any) -> Group:
        """Write the images of one group, all or none."""
        group = Group(len(made.images), sum(map(len, made.images.values())), fingerprint, made.facts)
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    for key, content in made.images.items():
                        txn.put(key.encode('ascii'), content)
                    txn.put(_GROUP + name.encode('ascii'), json.dumps(vars(group)).encode(), db=self._progress)
                return group
            except lmdb.MapFullError:
                # Doubling costs no disk: the file grows with what is written.
                self._env.set_mapsize(2 * self._env.info()['map_size'])
            except lmdb.Error as error:
                raise UserError(f'{self.folder} cannot be written: {error}; the same command resumes') from error

    def fill(
        self,
        sources: Sequence[Source],
        damaged: Sequence[str] = (),
        accept: Callable[[Source, dict[str, Any]], dict[str, Any]] = lambda source, facts: facts,
    ) -> BuildReport:
        """Make the groups that are not there yet; at most one source per worker and two more are in memory.

        Args:
            sources: What goes in.
            damaged: Lines on sources already known to be damaged.
            accept: Called for every source in order with its facts, also for those of earlier runs; returns the facts
                to record. Images of a source whose facts then have `left_out` are dropped.

        Raises:
            UserError: If there is something to mend. All sources that can be read are done before damaged ones are
                named.
        """
        groups, lines, total = self.groups(), list(damaged), len(sources) + len(damaged)
        resumed = len(groups)
        _compare_sources(groups, sources, self.folder)
        if resumed:
            self._choices.say(f'Resuming: {resumed} of {total} are done already')

        def make(source: Source) -> Made | ValueError:
            try:
                return source.make()
            except ValueError as error:
                return error

        results = ordered_map(make, [one for one in sources if one.name not in groups], self._choices.workers)
        for source in tqdm(sources, unit='image', disable=None):
            if source.name in groups:
                accept(source, groups[source.name].facts)
                continue
            made = next(results)
            if isinstance(made, ValueError):
                lines.append(f'{source.title}: {made}')
                continue
            facts = accept(source, made.facts)
            made = Made({} if 'left_out' in facts else made.images, facts)
            groups[source.name] = self.put_group(source.name, made, source.fingerprint)
        if lines and (not self._choices.skip_damaged or not groups):
            raise UserError(
                f'{len(lines)} of {total} cannot be used: {name_some(lines, 10, "; ")}. The others are done and kept '
                f'in {self.folder}: replace the damaged and run the same command again, or leave them out with '
                '--skip-damaged'
            )
        return BuildReport(groups, resumed, tuple(lines))

    def publish(self) -> None:
        """List the images and move the LMDB into its place; the build is closed then."""
        height, width = self._image_size
        with self._env.begin() as txn:
            keys = [bytes(key).decode('ascii') for key in txn.cursor().iternext(values=False) if key != _PROGRESS]
        with atomic_write(self.folder / 'meta_info.txt') as file:
            file.writelines(f'{key}.png ({height},{width},3) {png.LEVEL}\n'.encode() for key in keys)
        self._env.close()
        publish(self.target)
        # Last, so that a run killed before the renaming can be resumed. Readers don't look at the records.
        size = (self.target / 'data.mdb').stat().st_size
        with lmdb.open(str(self.target), max_dbs=1, map_size=size + 2**26) as env:
            records = env.open_db(_PROGRESS)
            with env.begin(write=True) as txn:
                txn.drop(records)


def _compare_sources(groups: Mapping[str, Group], sources: Sequence[Source], folder: Path) -> None:
    by_name = {source.name: source for source in sources}
    for name, group in groups.items():
        if name not in by_name:
            what = f'{folder} holds {name}, which the input lacks now'
        elif group.source != json.loads(json.dumps(by_name[name].fingerprint)):
            what = f'{by_name[name].title} has changed since {folder} was begun'
        else:
            continue
        raise UserError(f'{what}: give the same input to resume, or --restart to start over')
