"""What the model package and its worker say to readers: why there is no draft, and remarks on a draft.

A test finds each text in their sources, which speak English alone.
"""

from __future__ import annotations

TOLD_BY_DRAFTS: tuple[str, ...] = (
    # no draft: out of scope
    "not a frontal chest radiograph",
    "{what}: modality is {code}",
    "{what}: body part is {code}",
    "{what}: described as {text}",
    "{what}: the view is {code}",
    "{what}: rows or columns run from front to back, a lateral view",
    "{what}: raw detector data (FOR PROCESSING)",
    "{what}: {count} frames",
    "{what}: a colour image",
    "{what}: the study holds no image",
    "{what}: one side is more than {count} times the other",
    "{what}: the picture does not look like one (score {score})",
    # no draft: the picture
    "the image is blank or holds noise alone; acquire or send it again",
    "most of the image is clipped to black or white; check the window or the exposure",
    "black and white look inverted; check PhotometricInterpretation at the sender",
    "the study has no image",
    "images of different patients in one study ({names}); correct it at the sender",
    # no draft: the model
    "model fault: {reason}",
    "model unavailable: {reason}",
    "low-resource mode: no text for a cleared film",
    # remarks on a draft
    "the text states {name}, the classifier finds it absent",
    "the text denies {name}, the classifier finds it present",
    "the classifier finds {name} present, the text does not mention it",
    "the text says {side}, the region lies on the patient's {other}",
    "the text says {side}, the region reaches over both sides",
    "the impression and the findings disagree about {name}",
    "the findings state {name}, the impression denies it",
    "the same sentence stands twice in this section",
    "“{text}” compares with an earlier image, and none was read",
    "the indication asks about {name}, the text does not mention it (the classifier: {decision}, {percent})",
    "the model leaves {name} to the reader ({percent})",
    "a sentence was left out: {reason}",
    "worded by rule: the language model had left this finding out",
    "it denies {name}, which was not found absent",
    "it speaks of {name}, which was not found",
    "it doubts {name}, which was found",
    "it states {name}, which was left to the reader",
    # single words that stand in these
    "left",
    "right",
    "present",
    "absent",
    "open",
)
