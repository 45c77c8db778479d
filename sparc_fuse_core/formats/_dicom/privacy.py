"""What of a DICOM header may be kept: no person, place, date or serial number (PS3.15, basic profile).

Left out are all names of persons, dates and times, free texts, unique identifiers of instances, private elements,
and the elements listed here, which the profile removes or replaces.
"""

from __future__ import annotations

import math
from typing import Any

from sparc_fuse_core.formats._dicom.header import tags_of

_KINDS = ("PN", "DA", "DT", "TM", "LT", "ST", "UT", "UN", "OB", "OW", "OF", "OD", "OL", "OV")
_STARTS = (
    "Accession", "AcquisitionContext", "AcquisitionComments", "Additional", "Admi", "Affected", "Allergies",
    "Arbitrary", "AttributeModif", "Author", "Barcode", "Branch", "CassetteID", "ClinicalTrial", "Confidential",
    "Consult", "Contact", "Container", "ContentCreator", "ContentSequence", "CountryOf", "CurrentPatient",
    "Curve", "Custodial", "DataSetTrailing", "Device", "DigitalSign", "Discharge", "Distribution", "Encrypted",
    "Ethnic", "Filler", "Graphic", "Human", "Icon", "Identif", "Institution", "Insurance", "Intended",
    "Interpretation", "Issuer", "MAC", "Medical", "Military", "Modif", "MostRecent", "NameOf", "Occupation",
    "Operator", "Order", "Organization", "OriginalAttrib", "OtherPatient", "OverlayComments", "OverlayData",
    "Participa", "Patient", "Perform", "Person", "Physician", "Placer", "PlateID", "PreMedication", "Pregnancy",
    "PrivateInf", "ReasonFor", "RegionOf", "Referenced", "Referr", "Request", "Responsib", "Results", "Review",
    "Scheduled", "ServiceEpisode", "Slide", "Smoking", "SourceImage", "SpecialNeeds", "Specimen", "Station",
    "StudyID", "Telephone", "Text", "Topic", "TransducerIdent", "UniqueDevice", "UserContent", "Verif", "Visit",
)  # fmt: skip
_ENDS = (
    "UID", "ID", "SerialNumber", "Comments", "Comment", "Description", "Address", "Name", "AETitle", "Location",
    "Identifier", "Certificate", "Signature", "Trial",
)  # fmt: skip
_KEPT = frozenset(
    [
        "PatientPosition",
        "PatientOrientation",
        "PatientOrientationCodeSequence",
        "PatientGantryRelationshipCodeSequence",
        "ManufacturerModelName",
        "SequenceName",
        "EnergyWindowName",
        "SliceLocation",
    ]
)
_MOST_ITEMS = 64
_MOST_DEPTH = 4
_MOST_ELEMENTS = 4000


def harmless(data: Any) -> tuple[dict[str, Any], int, int]:
    """Elements as JSON can hold them by keyword, and how many were left out: identifying ones, private ones."""
    counts = [0, 0, 0]
    return _elements(data, 0, counts), counts[0], counts[1]


def _elements(data: Any, depth: int, counts: list[int]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for tag in tags_of(data):
        counts[2] += 1
        if counts[2] > _MOST_ELEMENTS:
            break
        if (
            tag.group % 2 or tag.group == 0x7FE0 or 0x6000 <= tag.group < 0x6020
        ):  # overlays are told of by number
            counts[1] += tag.group % 2
            continue
        try:
            raw = data.get_item(tag)
            if getattr(raw, "value", b"") is None:
                continue
            element = data[tag]
        except Exception:  # noqa: S112 - a value that pydicom cannot decode is no fact about the image
            continue
        if identifies(element.keyword, element.VR, element.value):
            counts[0] += 1
        elif element.VR == "SQ":
            items = [_elements(item, depth + 1, counts) for item in list(element.value or [])[:_MOST_ITEMS]]
            if depth < _MOST_DEPTH and any(items):
                kept[element.keyword] = items
        elif element.value not in (None, ""):
            kept[element.keyword] = _plain(element.value)
    return kept


def identifies(keyword: str, kind: str, content: Any) -> bool:
    """Whether the profile removes or replaces this element."""
    if not keyword or kind in _KINDS:
        return True
    if kind == "UI":
        return not all(
            str(v).startswith("1.2.840.10008.") for v in (content if isinstance(content, list) else [content])
        )
    return keyword not in _KEPT and (keyword.startswith(_STARTS) or keyword.endswith(_ENDS))


def _plain(content: Any) -> Any:
    if isinstance(content, bytes):
        return content.hex()
    if not isinstance(content, str) and hasattr(content, "__iter__"):
        return [_plain(item) for item in list(content)[:_MOST_ITEMS]]
    if isinstance(content, str):
        return content
    number = float(content)
    if not math.isfinite(number):
        return str(content)
    return int(number) if number == int(number) and isinstance(content, int) else number
