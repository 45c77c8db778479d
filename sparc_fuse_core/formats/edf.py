"""European Data Format and its relatives: EDF, EDF+C, EDF+D, BDF (24 bit), BDF+ (.edf, .bdf, .rec).

A header (`_edf.header`), then data records of equal length; in each, a run of samples of every signal
(`_edf.records`) and, in the + variants, annotations (`_edf.annotations`).

- Signals of one sampling frequency form one stream, nothing is resampled; the first signal's is the primary.
- Digital integers stay raw, with gain and offset from the physical and digital limits.
- Time 0 is the first sample: a start below a second, kept by EDF+ in its first annotation, goes into
  ``recording_start``, and events count from there.
- EDF+D: records may leave gaps; each sample then has its own time. A file without gaps gets a plain rate.
- The patient field and the names in the recording field are not carried over.

A file that ends early: on a whole record it is read and a warning counts what is missing; inside a record it
is `Truncated`.
"""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import Ambiguous, FormatError
from sparc_fuse_core.formats._edf.annotations import Annotations, read_annotations
from sparc_fuse_core.formats._edf.header import Header, Signal, is_header, read_header
from sparc_fuse_core.formats._edf.records import Records, signal_array
from sparc_fuse_core.model import Events, Format, LazyArray, Stream, recording

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

__all__ = ["FORMAT", "open_edf"]


def open_edf(source: Source, /, *, rate: float | None = None, **options: Any) -> xr.DataTree:
    """Streams ``signals(channel, time)`` of digital integers, one a rate (Hz); annotations as events (s).

    ``rate`` is the first signal's, for a file whose records are said to last 0 s. Raises FormatError for
    contradictory headers and `Truncated` when the file ends inside a data record.
    """
    header = read_header(source)
    records = _extent(source, header)
    ordinary = [signal for signal in header.signals if not signal.annotations]
    listed = [signal for signal in header.signals if signal.annotations]
    notes = read_annotations(records, listed, header.width) if listed else Annotations(np.empty(0))
    if notes.broken:
        header.warnings.append(f"{notes.broken} annotations without a valid time stamp are not carried over.")
    if header.flag and not listed:
        header.warnings.append(f"{header.flag} promises a signal of annotations, none is there.")
    origin = _origin(header, notes)
    streams: list[Stream] = []
    if ordinary:
        _settle_duration(source, header, ordinary, rate)
        starts = _record_starts(source, header, notes, ordinary)
        groups: dict[int, list[Signal]] = {}
        for signal in ordinary:
            groups.setdefault(signal.samples, []).append(signal)
        streams = [_stream(header, records, group, starts) for group in groups.values()]
    return recording(
        streams,
        events=_events(notes, origin),
        start=_start(header, origin),
        metadata=_describe(header, records, ordinary),
        warnings=header.warnings,
        dropped=header.dropped,
    )


def _extent(source: Source, header: Header) -> Records:
    """The records that are there, compared with those that are promised."""
    size = header.record_bytes
    there, rest = divmod(source.size - header.bytes, size)
    promised = header.records
    if there < promised and (rest or there == 0):
        source.expect(header.bytes, promised * size, "data records")
    if promised == -1:
        header.warnings.append(f"The number of data records was never filled in; all {there} are read.")
    elif there != promised:
        header.warnings.append(
            f"The header promises {promised} data records, the file has {there}: all {there} are read"
            + (f", {promised - there} are missing." if there < promised else ".")
        )
    if rest:
        header.warnings.append(f"{rest} bytes after the last whole data record are not carried over.")
    return Records(source, header.bytes, size, there)


def _settle_duration(source: Source, header: Header, ordinary: list[Signal], rate: float | None) -> None:
    if header.duration > 0:
        return
    if rate is not None and np.isfinite(rate) and rate > 0:
        header.duration = Fraction(ordinary[0].samples) / Fraction(repr(float(rate)))
    elif header.flag[4:] != "D" or any(signal.samples != 1 for signal in ordinary):
        raise Ambiguous(
            f"{source.name}: its data records are said to last 0 s, they hold {ordinary[0].samples} samples "
            f"of {ordinary[0].label!r}; the sampling frequency is not told",
            hint="Give the first signal's sampling frequency in Hz with rate=.",
        )


def _origin(header: Header, notes: Annotations) -> float:
    """Seconds from the start in the header to the first sample."""
    first = float(notes.starts[0]) if len(notes.starts) else 0.0
    return first if np.isfinite(first) else 0.0


def _record_starts(
    source: Source, header: Header, notes: Annotations, ordinary: list[Signal]
) -> NDArray[np.float64] | None:
    """Seconds of each record from the first one where they leave gaps, None where they do not."""
    told, gaps_allowed = np.isfinite(notes.starts), header.flag[4:] == "D"
    if gaps_allowed and not (len(told) and told.all()):
        raise FormatError(
            f"{source.name}: {header.flag} promises the time of each data record, {int(told.sum())} of "
            f"{len(told)} have one; where its gaps are is not known",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        )
    if not told.any():
        return None
    step = float(header.duration)
    starts = notes.starts - _origin(header, notes)
    # Only the steps count where no gap is allowed: a rounded record length adds up over a long recording.
    grid = np.arange(len(starts)) * step
    off = np.abs(starts - grid) if gaps_allowed else np.abs(np.diff(starts) - step)
    slack = _slack(header, notes, ordinary)
    if header.duration > 0 and not (off > slack).any():
        return None
    forward = bool(told.all()) and bool((np.diff(starts) >= step - slack).all())
    if gaps_allowed:
        if not forward:
            header.warnings.append("Some data records overlap in time or are not in order of time.")
        return starts
    header.warnings.append(
        f"{header.flag or header.name} promises no gaps, but {int((off > slack).sum())} data records are "
        f"stamped up to {np.nanmax(off):g} s away from where they should start; "
        + ("the time stamps are taken." if forward else "the time stamps are ignored.")
    )
    return starts if forward else None


def _slack(header: Header, notes: Annotations, ordinary: list[Signal]) -> float:
    """How far a time stamp may be off: half a sample, or what its decimals cannot say."""
    half = float(header.duration) / max(signal.samples for signal in ordinary) / 2
    exact = (header.duration / Fraction(repr(notes.step))).denominator == 1
    return half if exact else max(half, notes.step)


def _stream(
    header: Header, records: Records, group: list[Signal], starts: NDArray[np.float64] | None
) -> Stream:
    samples = group[0].samples
    rate = float(samples / header.duration) if header.duration else None
    stream = Stream(
        signal_array(records, [signal.place for signal in group], samples, header.width),
        name=f"{rate:.10g} Hz" if rate else "",
        channel_names=[signal.label for signal in group],
        units=[signal.unit for signal in group],
        gain=[signal.gain for signal in group],
        offset=[signal.offset for signal in group],
    )
    if starts is None:
        stream.rate = rate
    else:
        stream.time = _times(starts, samples, rate)
        stream.attrs = {"nominal_sampling_frequency": rate} if rate else {}
    return stream


def _times(starts: NDArray[np.float64], samples: int, rate: float | None) -> LazyArray:
    """Seconds of each sample, record by record."""

    def read(key: Key) -> NDArray[Any]:
        (span,) = key
        index = np.arange(span.start, span.stop) if isinstance(span, slice) else np.array(span)
        values: NDArray[Any] = starts[index // samples] + (index % samples) / (rate or 1.0)
        return values

    return LazyArray((len(starts) * samples,), "f8", read)


def _events(notes: Annotations, origin: float) -> Events | None:
    if not notes.notes:
        return None
    # The same picosecond as the text: subtraction alone would show the binary rest of decimals.
    rows = [(round(note.onset - origin, 12), note.duration, note.text) for note in notes.notes]
    rows.sort(key=lambda row: (row[0], row[1] if row[1] == row[1] else -1.0, row[2]))
    return Events(
        time=[row[0] for row in rows], duration=[row[1] for row in rows], label=[row[2] for row in rows]
    )


def _start(header: Header, origin: float) -> str | None:
    if header.start is None:
        return None
    try:
        return (header.start + timedelta(seconds=origin)).isoformat()
    except OverflowError:
        header.warnings.append(f"The first data record is said to start {origin:g} s after the recording.")
        return None


def _describe(header: Header, records: Records, ordinary: list[Signal]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "variant": header.flag or header.name,
        "records": records.count,
        "seconds_per_record": float(header.duration),
        "signals": [signal.described for signal in ordinary],
    }
    return found | ({"equipment": header.equipment} if header.equipment else {})


FORMAT = Format(
    name="edf",
    title="European Data Format",
    kind="signals",
    suffixes=(".edf", ".bdf", ".edf+", ".bdf+", ".rec"),
    open=open_edf,
    magic=((0, b"0"), (0, b"\xffBIOSEMI")),
    sniff=is_header,
    options=("rate",),
    carried="signals at their own rates, scales, units, annotations, gaps",
    left="patient and personal fields",
    lazy="record",
)
