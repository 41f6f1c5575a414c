"""A BasicSR LMDB written group by group in parallel: complete or not there at all, and resumable after a kill.

A group (say, the patches of one image) is one transaction. Which groups are done is recorded in the LMDB itself, in the
same transactions, and removed once the LMDB is in its place.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import lmdb
from tqdm import tqdm

from amsnet_basicsr.images import png
from amsnet_basicsr.prepare.build_records import Choices, Group, Made, Source
from amsnet_basicsr.prepare.outputs import (
    SETTINGS,
    begin_or_resume,
    check_space,
    discard,
    partial_path,
    publish,
    refuse_existing,
)
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.parallel import ordered_map
from amsnet_basicsr.utils.text import name_some, say

_MAP_SIZE = 2**26  # to begin with
_PROGRESS = b'progress'


def check_target(target: Path, overwrite: bool) -> None:
    """Check what can be checked of an LMDB to write before any work."""
    if target.suffix != '.lmdb':
        raise UserError(f'{target}: BasicSR wants the name of an LMDB to end in .lmdb')
    refuse_existing(target, overwrite)


@contextmanager
def open_build(target: Path, settings: Mapping[str, Any], choices: Choices, needed: float = 0) -> Iterator['LmdbBuild']:
    """Begin or resume the build of a target, with a lock on it.

    Args:
        target: The LMDB, written as `<target>.partial` first; a folder of PNGs unless its name ends in `.lmdb`.
        settings: What the content depends on, plain values; a resumed run must have the same.
        choices: How to run.
        needed: Estimated bytes.
    """
    refuse_existing(target, choices.overwrite)
    folder = partial_path(target)
    with exclusive_lock(folder):
        if choices.restart:
            discard(folder)
        data = folder / 'data.mdb'
        done = data.stat().st_size if data.is_file() else 0
        if not choices.ignore_space:
            check_space(needed - done, target.parent)
        begin_or_resume(folder, settings)
        try:
            env = lmdb.open(str(folder), map_size=max(_MAP_SIZE, done), max_dbs=1, readahead=False)
        except lmdb.Error as error:
            raise UserError(f'{folder} cannot be opened: {error}; --restart starts over') from error
        with closing(env):
            yield LmdbBuild(env, target, choices)


class LmdbBuild:
    """A build under way, see `open_build`.

    Attributes:
        groups: The groups that are done, by name.
        resumed: How many of them earlier runs made.
        damaged: A line for each source left out.
    """

    def __init__(self, env: lmdb.Environment, target: Path, choices: Choices) -> None:
        self.target, self.folder = target, partial_path(target)
        self.damaged: list[str] = []
        self._env, self._choices = env, choices
        self._progress = env.open_db(_PROGRESS)
        with env.begin(self._progress) as txn:
            self.groups = {bytes(key).decode(): Group(**json.loads(value)) for key, value in txn.cursor()}
        self.resumed = len(self.groups)

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(group.count for group in self.groups.values())

    @property
    def stored(self) -> int:
        """Their bytes."""
        return sum(group.stored for group in self.groups.values())

    def put_group(self, name: str, made: Made, fingerprint: Any) -> None:
        """Write the images of one group, all or none."""
        group = Group(len(made.images), sum(map(len, made.images.values())), fingerprint, made.facts)
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    for key, content in made.images.items():
                        txn.put(key.encode('ascii'), content)
                    txn.put(name.encode('ascii'), json.dumps(vars(group)).encode(), db=self._progress)
                self.groups[name] = group
                return
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
    ) -> None:
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
        self.damaged += damaged
        total = len(sources) + len(damaged)
        self._compare_sources(sources)
        if self.resumed:
            say(f'Resuming: {self.resumed} of {total} are done already')

        def make(source: Source) -> Made | ValueError:
            try:
                return source.make()
            except ValueError as error:
                return error

        results = ordered_map(make, [one for one in sources if one.name not in self.groups], self._choices.workers)
        for source in tqdm(sources, unit='image', disable=None):
            if source.name in self.groups:
                accept(source, self.groups[source.name].facts)
                continue
            made = next(results)
            if isinstance(made, ValueError):
                self.damaged.append(f'{source.title}: {made}')
                continue
            facts = accept(source, made.facts)
            self.put_group(source.name, Made({} if 'left_out' in facts else made.images, facts), source.fingerprint)
        if self.damaged and (not self._choices.skip_damaged or not self.groups):
            raise UserError(
                f'{len(self.damaged)} of {total} cannot be used: {name_some(self.damaged, 10, "; ")}. The others are '
                f'done and kept in {self.folder}: replace the damaged and run the same command again, or leave them '
                'out with --skip-damaged'
            )

    def _compare_sources(self, sources: Sequence[Source]) -> None:
        by_name = {source.name: source for source in sources}
        for name, group in self.groups.items():
            if name not in by_name:
                what = f'{self.folder} holds {name}, which the input lacks now'
            elif group.source != json.loads(json.dumps(by_name[name].fingerprint)):
                what = f'{by_name[name].title} has changed since {self.folder} was begun'
            else:
                continue
            raise UserError(f'{what}: give the same input to resume, or --restart to start over')

    def publish(self, image_size: tuple[int, ...]) -> None:
        """List the images, all of one height and width, and move the target into its place; closes the build."""
        with self._env.begin() as txn:
            if self.target.suffix != '.lmdb':
                self._unpack(txn)
                return
            keys = [bytes(key).decode('ascii') for key in txn.cursor().iternext(values=False) if key != _PROGRESS]
        height, width = image_size
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
        discard(self.target / SETTINGS)

    def _unpack(self, txn: lmdb.Transaction) -> None:
        images = self.folder / 'images'
        discard(images)  # of a run killed here
        images.mkdir()
        for key, content in txn.cursor():
            if key != _PROGRESS:
                (images / f'{bytes(key).decode("ascii")}.png').write_bytes(content)
        publish(self.target, images)
        discard(self.folder)
