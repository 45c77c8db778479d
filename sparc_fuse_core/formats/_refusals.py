"""Formats that are known and not read: by what they are told, what they are, and what helps.

`detect` asks here when no reader fits, so that the error names the file instead of its first bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Refusal", "refusal_of"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A format without a reader.

    ``mark`` is looked for at the first byte; a format without one is told by ``name``, a pattern for the whole
    file name in lower case, alone. With both, both must fit. ``says`` completes "<file>: ...".
    """

    says: str
    hint: str
    mark: re.Pattern[bytes] | None = None
    name: re.Pattern[str] | None = None

    def fits(self, name: str, head: bytes) -> bool:
        marked = self.mark is None or self.mark.match(head) is not None
        return marked and (self.name is None or self.name.fullmatch(name.lower()) is not None)


def _content(mark: bytes, says: str, hint: str) -> Refusal:
    return Refusal(says, hint, mark=re.compile(mark))


def _name(pattern: str, says: str, hint: str) -> Refusal:
    return Refusal(says, hint, name=re.compile(pattern))


_TOGETHER = "Put it beside the other files of its recording and open any of them."

# What the bytes prove comes before what only a name suggests.
_KNOWN = (
    _content(
        rb"######## Neuralynx",
        "is a file of the Neuralynx recorder, which is not read (Blackrock's .nev has nothing in common with it)",
        "Export the recording, as NWB for instance, with a program that reads Neuralynx files.",
    ),
    _content(
        rb"(EEG-\d{4}[A-Z]?|QI-403A|DAE-2100D)\s+V\d\d\.\d\d",
        "is a Nihon Kohden recording, which is not read (BrainVision's .eeg has nothing in common with it)",
        "Export the recording as EDF with Nihon Kohden's own program.",
    ),
    _content(
        rb"(\xef\xbb\xbf)?\s*Brain ?Vision[^\r\n]*Marker File",
        "holds the markers of a BrainVision recording; the header (.vhdr) that it belongs to is not there",
        _TOGETHER,
    ),
    _content(
        rb"DAT[12]\x00",
        "is a HEKA Patchmaster bundle, which is not read",
        "Export the traces from Patchmaster, as text or as MATLAB file.",
    ),
    _content(
        rb"WS1_\x00",
        "holds settings of a CTF MEG recording, no samples (BIOPAC's .acq has nothing in common with it)",
        "The samples are in the .meg4 of its .ds folder; convert that with a program that reads CTF recordings.",
    ),
    _content(
        rb"@(HD|SQ|RG|PG|CO)\t",
        "is a sequence alignment (SAM text), no time series",
        "Use the tools of sequence analysis for it.",
    ),
    _name(
        r".*\.sam",
        "is named like a sequence alignment (SAM); no recorder of time series is known that writes .sam",
        "Find out which program wrote it, and export the data from there as text.",
    ),
    _name(
        r".*\.pss",
        "is a single curve of PalmSens PSTrace before version 5, or settings of PicoScope 5; the layout of "
        "neither is published",
        "Open it with PSTrace 5 and save it as .pssession, or export it as text.",
    ),
    _name(
        r"(amplifier|dcamplifier|lowpass|highpass|stim|time|auxiliary|supply|analogin|analogout|digitalin"
        r"|digitalout)\.dat|(amp|dc|low|high|stim|aux|vdd|board|temp)-[a-z0-9-]+\.dat",
        "is named like one part of an Intan recording of several files; its info.rhd or info.rhs is not there",
        _TOGETHER,
    ),
    _name(
        r".*\.eeg",
        "has samples as a BrainVision .eeg may have; its header (.vhdr), without which they mean nothing, is not there",
        f"{_TOGETHER} If another program wrote it, export it as EDF.",
    ),
    _name(
        r".*\.(cdt|rs3|cef|ceo)",
        "is part of a Curry recording; its parameter file (.cdt.dpa or .dap) is not there",
        _TOGETHER,
    ),
    _name(
        r".*\.ccf",
        "holds settings of a Blackrock recorder, no samples",
        "Open the .nev or .nsX files of the recording.",
    ),
    _name(
        r".*\.dat",
        "is no text table; a binary .dat says nothing of itself, and the file that tells its layout (.dap of Curry, "
        ".vhdr of BrainVision, info.rhd of Intan) is not there",
        "Put it beside that file, or find out which program wrote it.",
    ),
)  # fmt: skip


def refusal_of(name: str, head: bytes) -> Refusal | None:
    """The known format of a file that no reader takes, by its first bytes or else its name."""
    return next((known for known in _KNOWN if known.fits(name, head)), None)
