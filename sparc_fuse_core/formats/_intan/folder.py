"""A folder with ``info.rhd`` or ``info.rhs``: one .dat file for each kind of signal, or one for each channel."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._intan.clock import Clock, find_runs
from sparc_fuse_core.formats._intan.header import Header
from sparc_fuse_core.formats._intan.kinds import Kind, streams_of
from sparc_fuse_core.model import LazyArray, interleaved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.model import Stream
    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

TIME = "time.dat"
FILTERED = (("lowpass", "low-", "low-pass"), ("highpass", "high-", "high-pass"))
SPIKES = ("spike.dat", "spike-")
_SHORTEST_RUN = 16  # samples: the programs save whole data blocks


def read_folder(source: Source, header: Header, kinds: list[Kind]) -> tuple[Clock, list[Stream]]:
    """The clock and the streams of the .dat files beside a header."""
    kinds = [kind for kind in kinds if kind.file]
    _as_in_folders(header, kinds)
    found = [(kind, _data(source, header, kind)) for kind in kinds]
    there = [(kind, data) for kind, data in found if data is not None]
    time = source.sibling(TIME)
    if not there:
        raise FormatError(
            f"{source.name}: is only the header of a recording, none of its data files (amplifier.dat, "
            "amp-A-000.dat …) lies beside it",
            hint="Put all files of the recording into one folder, and keep their names.",
            source=source.url,
        )
    clock = _clock(source, header, time, max(data.shape[1] for _, data in there))
    ticks = time.size // 4 if time is not None else max(data.shape[1] for _, data in there)
    missing = [
        kind for kind, data in found if data is None and kind.file not in ("stim", "lowpass", "highpass")
    ]
    for kind in missing:
        if kind.name != "dc_amplifier":
            header.warnings.append(
                f"{len(kind.channels)} {kind.name.replace('_', ' ')} channel(s) are enabled, but there is no "
                "file with their samples."
            )
    around = source.siblings()
    if source.sibling(SPIKES[0]) is not None or any(name.lower().startswith(SPIKES) for name in around):
        header.dropped.append("the spikes that were found while recording (spike.dat, spike-….dat)")
    return clock, [
        stream
        for kind, data in there
        for stream in streams_of(source, kind, data, clock, _every(source, header, kind, data, ticks))
    ]


def _as_in_folders(header: Header, kinds: list[Kind]) -> None:
    """What differs from data blocks: amplifiers are signed; DC and filtered signals are there or not."""
    amplifier = next((kind for kind in kinds if kind.name == "amplifier"), None)
    if amplifier is None:
        return
    amplifier.signed, amplifier.zero = True, 0.0
    # The first versions of the stimulator's program do not tell reliably whether DC data were saved.
    if header.stimulator and all(kind.name != "dc_amplifier" for kind in kinds):
        kinds.insert(1, Kind("dc_amplifier", amplifier.channels, "dcamplifier", ("dc-",), "V", -0.01923, 512))
    kinds += [
        Kind(f"amplifier_{name}", amplifier.channels, name, (prefix,), "µV", amplifier.gain, signed=True)
        for name, prefix, _ in FILTERED
    ]


def _clock(source: Source, header: Header, time: Source | None, samples: int) -> Clock:
    if time is None or time.size < 4:
        header.warnings.append(
            "There is no time.dat, or it is empty: the recording is taken to begin at 0 and to have no gaps."
        )
        nothing = np.zeros(1, np.int64)
        return Clock(header.rate, nothing, nothing, source.name)
    return find_runs(
        lambda n: int(time.array(header.tick, 4 * n, 1, "time stamps")[0]),
        time.size // 4, time.size // 4 // _SHORTEST_RUN + 8, header.rate, time.name,
    )  # fmt: skip


def _every(source: Source, header: Header, kind: Kind, data: LazyArray, ticks: int) -> Fraction:
    """Samples of the clock for each value: 1, but a low-pass signal is saved with less."""
    values = data.shape[1]
    slower = {"auxiliary": [4], "supply": [header.block], "lowpass": range(2, 129)}.get(kind.file, [])
    for every in (1, *slower):
        if values == ticks // every or values == -(-ticks // every):
            return Fraction(every)
    header.warnings.append(
        f"The {kind.name.replace('_', ' ')} file(s) hold {values} samples, {ticks} are stamped in {TIME}: "
        + ("they are cut short." if values < ticks else "the last ones have no time stamp of their own.")
    )
    return Fraction(1)


# -- one file for all channels of a kind --------------------------------------------------------------------


def _data(source: Source, header: Header, kind: Kind) -> LazyArray | None:
    """Words of one kind, shape (stored, time), or None where no file has them."""
    whole = source.sibling(f"{kind.file}.dat")
    if whole is None:
        return _single_files(source, header, kind)
    _check_columns(source, header, kind, whole)
    samples, rest = divmod(whole.size, 2 * kind.stored)
    if rest:
        header.warnings.append(f"{whole.name} is cut short: its last {rest} bytes are no whole sample.")
        header.dropped.append(f"{rest} bytes at the end of {whole.name}")
    return interleaved(whole, kind.dtype, 0, kind.stored, samples) if samples else None


def _check_columns(source: Source, header: Header, kind: Kind, whole: Source) -> None:
    """Another number of channels in the file would mix them all up."""
    time = source.sibling(TIME)
    if time is None or time.size < 4 or kind.file in ("lowpass", "auxiliary", "supply"):
        return
    columns, rest = divmod(whole.size, time.size // 4 * 2)
    if rest or columns in (0, kind.stored):
        return
    raise FormatError(
        f"{whole.name}: {kind.stored} channels are enabled in {source.name}, but it holds {columns} values for "
        f"each time stamp of {TIME}; which is which cannot be told",
        hint="Auxiliary inputs may have been saved with the amplifiers: turn this off in Intan RHX, or report it.",
        source=whole.url,
    )


# -- one file for each channel ------------------------------------------------------------------------------


def _single_files(source: Source, header: Header, kind: Kind) -> LazyArray | None:
    pairs = [(channel, _single(source, kind, channel)) for channel in kind.channels]
    there = [(channel, file) for channel, file in pairs if file is not None and file.size > 1]
    missing = [channel.native for channel, file in pairs if file is None or file.size < 2]
    if not there:
        return None
    if missing and kind.coded != "stimulation":
        header.warnings.append(
            f"The {kind.name} channels {', '.join(missing)} have no file, or an empty one."
        )
    files = [file for _, file in there]
    kind.channels = [channel for channel, _ in there]
    if kind.coded == "digital":
        kind.coded = "line"
    samples = min(file.size // 2 for file in files)
    longer = [file.name for file in files if file.size != 2 * samples]
    if longer:
        header.warnings.append(
            f"The files of {kind.name.replace('_', ' ')} channels differ in length: the {samples} samples that "
            "all of them have are read."
        )
        header.dropped += [f"what follows sample {samples} in {name}" for name in longer]
    return _side_by_side(files, kind.dtype, samples)


def _single(source: Source, kind: Kind, channel: Any) -> Source | None:
    """The file of a channel: named after it, or, by the first programs, after its place on the board."""
    first, *others = kind.prefixes
    names = [f"{first}{channel.native}.dat", *(f"{other}{channel.order:02d}.dat" for other in others)]
    return next((file for name in names if (file := source.sibling(name)) is not None), None)


def _side_by_side(files: list[Source], dtype: str, samples: int) -> LazyArray:
    native = np.dtype(dtype).newbyteorder("=")

    def read(key: Key) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty((picked.stop - picked.start, span.stop - span.start), native)
        for row, file in zip(out, files[picked], strict=True):
            row[:] = file.array(dtype, 2 * span.start, len(row))
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    return LazyArray((len(files), samples), native, read, blocks=(1, samples))
