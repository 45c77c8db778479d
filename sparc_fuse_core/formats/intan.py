"""Intan RHD2000 and RHS2000 recordings (.rhd, .rhs), also as folders of .dat files.

A header (`_intan.header`), then data blocks of 60 or 128 samples (`_intan.blocks`): time stamps, and for each
kind of signal all samples of its channels. Or the header alone as ``info.rhd`` or ``info.rhs``, with
``time.dat`` and one file for each kind of signal (``amplifier.dat``, ``digitalin.dat`` …) or for each channel
(``amp-A-000.dat``, ``board-DIN-00.dat`` …) beside it (`_intan.folder`): these are one recording.

- Each kind of signal is a stream, raw integers with their scale: ``amplifier`` (µV), ``dc_amplifier`` (V),
  ``stimulation`` (A, with its three flags as streams of 0 and 1), ``auxiliary_input`` (V, a quarter of the
  rate), ``supply_voltage`` (V) and ``temperature`` (°C; one value a data block), ``board_adc`` and
  ``board_dac`` (V; the scale is that of the board), ``digital_input`` and ``digital_output`` (0 or 1 for each
  line), ``amplifier_lowpass`` and ``amplifier_highpass``. Only enabled channels are in the file.
- Channels are called by the names that users gave them; the ports' own names are in ``native_channel_names``.
- Time counts as the time stamps do: before a trigger it is negative, the later files of a recording that was
  split every minute start later than 0. Such files are recordings of their own.
- Where time stamps jump, every sample has its own time.
- Spikes that were found while recording (``spike.dat``) are not carried over.

A file that ends inside a data block is read up to it, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._intan.blocks import read_blocks
from sparc_fuse_core.formats._intan.folder import read_folder
from sparc_fuse_core.formats._intan.header import RHD, RHS, read_header
from sparc_fuse_core.formats._intan.kinds import kinds_of
from sparc_fuse_core.model import Format, Names, recording

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.formats._intan.clock import Clock
    from sparc_fuse_core.source import Source

__all__ = ["FORMAT", "open_intan"]

_LEADS = ("info.rhd", "info.rhs")
_DATA = re.compile(
    r"(time|amplifier|auxiliary|supply|analogin|analogout|digitalin|digitalout|dcamplifier|stim|lowpass|"
    r"highpass|spike|(amp|aux|vdd|board|dc|stim|low|high|spike)-.+)\.dat",
    re.IGNORECASE,
)
_STAMP = re.compile(r"_(\d{6}_\d{6})$")


def open_intan(source: Source, /, **options: Any) -> xr.DataTree:
    """Streams ``signals(channel, time)`` of raw integers, one for each kind of signal.

    Raises FormatError for headers that cannot be followed, and when samples or the files with them are missing.
    """
    header = read_header(source)
    kinds = kinds_of(source, header)
    alone = source.size == header.size and source.name.lower() in _LEADS
    clock, streams = (read_folder if alone else read_blocks)(source, header, kinds)
    header.told["channels"] = [channel.told for channel in header.channels]
    header.told["first_time_stamp"] = int(clock.stamp[0])
    return recording(
        streams,
        start=_start(source, clock),
        metadata=header.told,
        warnings=header.warnings + clock.warnings(),
        dropped=header.dropped,
    )


def _start(source: Source, clock: Clock) -> str | None:
    """The date that Intan's programs put into the name of the file; it is that of time 0 if this is the start."""
    found = _STAMP.search(source.stem)
    if found is None or clock.stamp[0] != 0:
        return None
    try:
        return datetime.strptime(found[1], "%y%m%d_%H%M%S").isoformat()
    except ValueError:
        return None


def members_of_folder(names: Names, name: str) -> Sequence[str]:
    """``info.rhd`` or ``info.rhs`` and the .dat files of its folder; any other file stands alone."""
    lead = next((found for lead in _LEADS if (found := names.find(lead)) is not None), None)
    if lead is None or (name != lead and not _DATA.fullmatch(name)):
        return [name]
    return [lead, *(other for other in names if _DATA.fullmatch(other))]


FORMAT = Format(
    name="intan",
    title="Intan RHD2000 / RHS2000",
    kind="signals",
    suffixes=(".rhd", ".rhs"),
    open=open_intan,
    magic=tuple((0, mark.to_bytes(4, "little")) for mark in (RHD, RHS)),
    members=members_of_folder,
    parts=(".dat",),
    carried="every signal kind with scale, names, impedances, stimulation with flags, digital lines, gaps",
    left="spikes found while recording (spike.dat)",
    lazy="samples",
)
