"""Every error of the package, in one tree.

::

    JanusMedError
    ├── Rejected                   the same input will fail again: do not retry
    │   ├── UnreadableInput        one file or study; the message names it and says what to do
    │   │   ├── NotDicom           no DICOM header, or one that cannot be parsed
    │   │   ├── TruncatedFile      fewer bytes than the header declares
    │   │   ├── NoPixelData        a report, a presentation state, a file without image
    │   │   ├── UnsupportedImage   colour, several frames, a bit depth or syntax we do not draft
    │   │   ├── ImpossibleSize     0 x 0, or more pixels than the limit
    │   │   ├── DecodeFailed       the decoder gave up, or was stopped at its memory or time limit
    │   │   └── MixedPatients      one StudyInstanceUID, two patients
    │   ├── GeometryError          a spatial trace that cannot be inverted or does not fit its image
    │   ├── PhraseRefused          a text that no region can be shown for
    │   ├── IndexUnusable          an index of another model, or one that does not read back
    │   └── ModelFault             the model answered with something that must not be shown
    └── Fatal                      nothing can be drafted until a person acts
        └── ModelUnavailable       no model folder, no manifest, or a digest that does not match
"""

from __future__ import annotations


class JanusMedError(Exception):
    """Base of all errors raised on purpose by `janus_med`."""


class Rejected(JanusMedError):
    """The same input fails again; never retry."""


class Fatal(JanusMedError):
    """No study can be drafted until a person changes something."""


class UnreadableInput(Rejected):
    """One input cannot become an image.

    Parameters
    ----------
    source
        File name or UID that the person who reads the message can find again.
    problem
        What is wrong and what to do, without patient data.
    """

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem


class NotDicom(UnreadableInput):
    """No DICOM header, or a data set that cannot be parsed."""


class TruncatedFile(UnreadableInput):
    """The file holds fewer bytes than its header declares."""


class NoPixelData(UnreadableInput):
    """A DICOM object without an image."""


class UnsupportedImage(UnreadableInput):
    """A readable image of a kind that is not drafted (colour, several frames, an unknown syntax)."""


class ImpossibleSize(UnreadableInput):
    """Zero rows or columns, or more pixels than the limit allows."""


class DecodeFailed(UnreadableInput):
    """The decoder gave up, or was stopped at its memory or time limit."""


class MixedPatients(UnreadableInput):
    """Images of two patients carry one StudyInstanceUID."""


class GeometryError(Rejected):
    """A spatial trace cannot be inverted or does not fit the image it is used on."""


class PhraseRefused(Rejected):
    """A text states and raises none of the findings, or is too long: no region can be shown for it."""


class IndexUnusable(Rejected):
    """An index of study embeddings was made by another model, or its files are damaged: rebuild it."""


class ModelFault(Rejected):
    """The model answered with something that must not reach a reader (NaN, no text, a loop)."""


class ModelUnavailable(Fatal):
    """The model folder, its manifest or one of its files is missing, or a digest differs."""
