"""What a free question asks, in the closed vocabulary of the model, or why it is not answered.

Rules, not the language model, do this step. Which finding is looked up decides the answer, so the step must
be open to inspection and the same for every weight file; a language model of 1 to 30 M parameters would map
a question that it never saw to the nearest one that it knows, and that is a guess. The rules lean on the
labeler of reports (`janus_med.facts`): a finding is named in a question by the words that name it in a
report. What no rule claims is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from janus_med.facts import label_sentence
from janus_med.question_scope import Refusal, match_words, refuse_topic

if TYPE_CHECKING:
    from janus_med.expert import Count, Side, Zone

Kind = Literal["presence", "where", "count", "list", "normal", "view"]
Scope = Literal["film", "lungs"]
View = Literal["", "frontal", "lateral", "projection"]
LONGEST = 200
"""Characters of a question; a longer text is not one question about one film."""


@dataclass(frozen=True)
class Question:
    """One question of the closed vocabulary.

    Attributes
    ----------
    finding
        One of `janus_med.reading.FINDINGS` for ``presence``, ``where`` and ``count``, else "".
    side, zone
        Where the finding (or, of ``normal``, the lung) is asked for; "" anywhere.
    inverted
        Whether "yes" means that nothing is there ("Are the costophrenic angles clear?").
    scope
        Of ``normal``: the whole film or the lungs alone.
    count
        Of ``count``: the number a yes would confirm; "" for "how many".
    view
        Of ``view``: the one a yes would confirm; ``projection`` for AP or PA, "" for "which".
    """

    kind: Kind
    finding: str = ""
    side: Side = ""
    zone: Zone = ""
    inverted: bool = False
    scope: Scope = "film"
    count: Count = ""
    view: View = ""


_ALSO: dict[str, re.Pattern[str]] = {
    "Pleural Effusion": match_words(r"fluid (?:around|outside|beside|in the pleura)|pleural fluid"),
    "Pneumothorax": match_words(r"air (?:in|within) the pleura\w*|air around|pleural air"),
    "Edema": match_words(r"congest\w*"),
    "Fracture": match_words(r"broken (?:ribs?|bones?)"),
    "Lung Opacity": match_words(r"opacif\w*|whit(?:e|ish) (?:area|patch)\w*"),
    "Support Devices": match_words(
        r"devices?\b|tubes?\b|lines\b|central line|wires?\b|implant\w*|hardware|pace ?maker|"
        r"foreign (?:body|bodies|object)\w*"
    ),
}
"""Everyday words for a finding, beside the words of the labeler."""

_ORGANS: dict[str, re.Pattern[str]] = {
    "Cardiomegaly": match_words(r"heart\b|cardiac (?:size|silhouette|shadow)|cardiothoracic"),
    "Enlarged Cardiomediastinum": match_words(r"mediastinum|mediastinal (?:contours?|silhouette)"),
    "Pleural Effusion": match_words(r"costo-?phrenic"),
}
"""Organs that are asked for in place of their finding: "Is the heart normal?", "Is the heart big?"."""

_SOUND = match_words(r"normal\w*|clear\b|sharp\b|unremarkable|healthy|ok(?:ay)?\b|fine\b|preserved")
_UNSOUND = match_words(
    r"abnormal\w*|wrong|anything (?:unusual|bad)|patholog\w*|disease\w*|problems?\b|lesions?\b|"
    r"findings?\b|unhealthy|sick"
)
_MISSHAPEN = match_words(
    r"blunt\w*|abnormal\w*|enlarg\w*|dilat\w*|wid(?:e|er|en\w*)\b|big\b|bigger|promin\w*"
)
_WHERE = match_words(
    r"where\b|(?:which|what) (?:side|lung|zone|lobe|part|half|hemithorax|area|region|field|location)|"
    r"locat\w*|"
    r"left or (?:on )?(?:the )?right|right or (?:on )?(?:the )?left|(?:in|on) which|"
    r"(?:unilateral|bilateral) or|one side or both|sited?\b"
)
_COUNT = match_words(r"how many|number of|count\b|single or|one or (?:more|several|many)|multiple or")
_SEVERAL = match_words(r"multiple|several|more than one|many\b|numerous")
_ONE = match_words(r"(?:a )?single|solitary|only one|just one|exactly one")
_ANY_FINDING = r"(?:findings?|abnormal\w*|patholog\w*|lesions?|wrong|problems?|unusual)\b"
_LIST = match_words(
    rf"(?:what|which|list|describe|name|where|summari[sz]e)\b.*\b{_ANY_FINDING}|"
    r"what (?:does|do) (?:the|this) (?:film|image|radiograph|x-?ray|chest film)s? (?:show|demonstrate)|"
    r"what (?:can be|is|do you|can you) (?:seen?|visible) (?:on|in) "
    r"(?:the|this) (?:film|image|radiograph|x-?ray)"
)
_CLOSED = re.compile(
    r"\W*(?:is|are|was|were|does|do|has|have|can|could|any|anything)(?:n't)?\b", re.IGNORECASE
)
_VIEW = match_words(
    r"views?\b|projections?\b|planes?\b|a\.?p\.?\b|p\.?a\.?\b|antero-?posterior|"
    r"postero-?anterior|frontal|lateral|coronal|sagittal"
)
_PROJECTION = match_words(r"a\.?p\b|p\.?a\b|antero-?posterior|postero-?anterior")
_FRONTAL, _LATERAL = match_words(r"frontal|coronal"), match_words(r"lateral|sagittal")
_OPEN_WORD = re.compile(r"\W*(?:what|how|when|which|whose|describe)\b(?! about)", re.IGNORECASE)
_OF_A_KNOWN_ONE = re.compile(r"\W*(?:is|are|was|were) the\b", re.IGNORECASE)
_BEING_THERE = match_words(
    r"present|seen|visible|noted|identified|evident|there\b|left|right|bilateral|both|upper|mid|lower|apical|bas\w+"
)
_SIDES: tuple[tuple[Side, re.Pattern[str]], ...] = (
    ("bilateral", match_words(r"bilateral\w*|both\b|each side|either side")),
    ("left", match_words(r"left\b")),
    ("right", match_words(r"right\b")),
)
_ZONES: tuple[tuple[Zone, re.Pattern[str]], ...] = (
    ("upper", match_words(r"upper|apex|apical|apices")),
    ("mid", match_words(r"mid(?:dle)?\b(?= (?:lobe|zone|lung|field))")),
    ("lower", match_words(r"lower|bas(?:e|es|al|ilar)\b")),
)


def parse_question(text: str) -> Question | Refusal:
    """Map a free question to one of the closed vocabulary.

    Parameters
    ----------
    text
        English, one question.

    Returns
    -------
    Question or Refusal
        A refusal when the text asks for what the model does not judge, or no rule claims it.
    """
    asked = " ".join(text.split())
    if not asked or len(asked) > LONGEST:
        return Refusal("unknown")
    refused = refuse_topic(asked)
    if refused is not None:
        return refused
    findings = find_named(asked)
    if len(findings) > 1:
        return Refusal("several")
    if findings:
        return _about_finding(asked, findings[0])
    organs = [name for name, words in _ORGANS.items() if words.search(asked)]
    if organs:
        return _about_organ(asked, organs)
    return _about_film(asked)


def find_named(text: str) -> tuple[str, ...]:
    """Return the findings that a question names."""
    named = {name for name in label_sentence(text) if name != "No Finding"}
    also = {name for name, words in _ALSO.items() if words.search(text)}
    return tuple(sorted(named or also))


def _about_finding(text: str, finding: str) -> Question | Refusal:
    if _COUNT.search(text) or (finding == "Lung Lesion" and (_SEVERAL.search(text) or _ONE.search(text))):
        return _about_count(text, finding)
    if _WHERE.search(text):
        return Question("where", finding)
    if _OPEN_WORD.match(text):
        return Refusal("unknown")
    if _takes_for_granted(text) and finding not in _ORGANS:
        return Refusal("nature")
    return Question("presence", finding, _side(text), _zone(text), inverted=_is_denied(text, finding))


def _takes_for_granted(text: str) -> bool:
    """Whether more than presence is asked: "Is the nodule spiculated?" is, "Is the rib broken?" is not."""
    stated_last = bool(find_named(text.rsplit(maxsplit=1)[-1]))
    return bool(_OF_A_KNOWN_ONE.match(text)) and not (stated_last or _BEING_THERE.search(text))


def _about_count(text: str, finding: str) -> Question | Refusal:
    if finding != "Lung Lesion":
        return Refusal("not_counted")
    if _COUNT.search(text):
        return Question("count", finding)
    return Question("count", finding, count="multiple" if _SEVERAL.search(text) else "single")


def _about_organ(text: str, findings: list[str]) -> Question | Refusal:
    misshapen = _MISSHAPEN.search(text)
    if len(findings) > 1:
        return Refusal("several")
    if not (misshapen or _SOUND.search(text)) or not _CLOSED.match(text):
        return Refusal("organ")
    return Question("presence", findings[0], _side(text), inverted=not misshapen)


def _about_film(text: str) -> Question | Refusal:
    if _LIST.search(text):
        return Question("list")
    if _UNSOUND.search(text) or _SOUND.search(text):
        lungs = re.search(r"\blungs?\b|\blung fields?\b|\bpulmonary\b", text, re.IGNORECASE)
        scope: Scope = "lungs" if lungs else "film"
        if not _CLOSED.match(text):
            return Refusal("unknown")
        return Question("normal", side=_side(text), inverted=_asks_for_ill(text), scope=scope)
    return Question("view", view=_view(text)) if _VIEW.search(text) else Refusal("unknown")


def _asks_for_ill(text: str) -> bool:
    """Whether a yes means something is wrong: "Are the findings normal?" does not ask that."""
    called_normal = re.search(r"(?<!not )\b(?:normal|clear|unremarkable|healthy)\b", text, re.IGNORECASE)
    return bool(_UNSOUND.search(text)) and called_normal is None


def _is_denied(text: str, finding: str) -> bool:
    """Whether a yes would deny the finding, as it is asked away ("Are the lungs free of edema?")."""
    fact = label_sentence(text).get(finding)
    rhetorical = re.match(r"\W*(?:is|are|does|do|can|could)(?:n't| not)\b", text, re.IGNORECASE)
    return fact is not None and fact.polarity == "negative" and rhetorical is None


def _side(text: str) -> Side:
    named = [side for side, words in _SIDES if words.search(text)]
    return "bilateral" if len(named) > 1 else named[0] if named else ""


def _zone(text: str) -> Zone:
    named = [zone for zone, words in _ZONES if words.search(text)]
    return named[0] if len(named) == 1 else ""


def _view(text: str) -> View:
    if _PROJECTION.search(text):
        return "projection"
    frontal, lateral = _FRONTAL.search(text), _LATERAL.search(text)
    if bool(frontal) == bool(lateral) or not _CLOSED.match(text):
        return ""
    return "frontal" if frontal else "lateral"
