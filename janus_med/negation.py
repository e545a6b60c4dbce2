"""Does a clause state, deny, raise or only ask about what it mentions?

Cues before the mention reach forward until the clause, or a new statement in it, ends them; cues behind it
must belong to it. The method is that of NegEx (Chapman et al. 2001) and of the CheXpert labeler (Irvin et al.
2019); the rules are our own.
"""

from __future__ import annotations

import re
from typing import Literal

FactPolarity = Literal["positive", "negative", "uncertain"]

REACH_BEFORE = 300
REACH_AFTER = 160
"""Characters in which cues are sought: a text without full stops costs no more than its length."""

_CLAUSE_END = re.compile(
    r"\b(?:but|however|although|though|with the exception of|except(?: for)?|apart from|other than|"
    r"aside from|which|while|whereas|otherwise|despite)\b|[;:]|//|, (?:this|these|there|it)\b",
    re.IGNORECASE,
)

_DENIED_BEFORE = re.compile(
    r"\b(?:no|without|not|free of|clear of|absence of|absent|negative for|neither|nor|denies|removed|"
    r"removal of|resolution of|resolved|ruled out|excluded?(?= (?:by|on))|rather than|no longer|never|"
    r"instead of|mistaken for)\b",
    re.IGNORECASE,
)
_NO_DENIAL = re.compile(
    r"\b(?:no|not|without|never) (?:\w+ly |(?:significant|definite|substantial|appreciable|relevant|other|"
    r"great|major|obvious|clear|convincing|interval|overall|real) )*"
    r"(?:chang\w+|exclud\w+|only|differen\w*|increas\w*|decreas\w*|improve\w*|progress\w*|complete\w*|"
    r"well\b|fully|entirely|rule out)|\b(?:near|partial|incomplete|not)[ -](?:complete )?resol\w+|"
    r"\bno (?:doubt|less)\b|\bcan(?:no|')t\b|\bcan not\b",
    re.IGNORECASE,
)
"""Denials of something else than presence: "no change in", "not entirely excluded"."""

_NEW_STATEMENT = re.compile(
    r"\bthere (?:is|are|has|have|was|were)\b|"
    r"\b(?:is|are|was|were) (?:seen|present|noted|unchanged|stable|again|now|in place|"
    r"normal|enlarged|clear(?! of)|unremarkable|demonstrated|visuali[sz]ed|identified|"
    r"mild\w*|moderate\w*|small|large)\b|"
    r"\b(?:following|after|status post|because of|given)\b|"
    r"\b(?:remains?|persists?|continues?|has (?:\w+ )?(?:increased|decreased|improved|worsened))\b|"
    r"(?<!consistent )(?<!compatible )(?<!associated )(?<!concerning )\bwith\b|"
    r",? and (?:a|an|the|there|"
    r"(?:small|moderate|large|mild|severe|stable|unchanged|new)(?= (?:left|right|bi)))\b|"
    r", (?:and )?(?:a|an|the|(?:small|moderate|large|mild|severe|stable|unchanged|persistent|minimal|trace)"
    r"(?: to \w+)? (?:left|right|bi\w+)|left|right)\b(?![^,.;]* or )|\.\s",
    re.IGNORECASE,
)
"""Where a denial that stands before ends: "no effusion, small left pneumothorax"."""

_DENIED_AFTER = re.compile(
    r"^(?:(?!\b(?:tip|port|with|side|and (?:its|the|an?|there)|is|are|was|were|persists?|remains?)\b)"
    r"[^,;.]){0,45}?"
    r"\b(?:(?:is|are|was|were|has|have|can|could|be) (?:now |\w+ly )?(?:not|no longer) (?:be |been )?"
    r"(?:\w+ly )?(?:seen|identified|evident|present|visuali[sz]ed|visible|apparent|appreciated|demonstrated|"
    r"noted|detected|found|observed|definite\w*|suspected|recogni[sz]ed)|"
    r"(?:is|are|was|were) (?:now )?(?:absent|excluded|ruled out|removed|resolved|unlikely|gone)|"
    r"(?:is|are|appears?) (?:within normal limits|within limits of normal)|"
    r"(?:has|have|had) (?:now |since |(?!near|part|larg|most)\w+ly )?"
    r"(?:been (?:\w+ly )?(?:removed|withdrawn|resolved|pulled)|"
    r"(?:completely |entirely )?(?:resolved|cleared|disappeared)))",
    re.IGNORECASE,
)

_RAISED_BEFORE = re.compile(
    r"\b(?:possib\w+|probab\w+|may(?! \d)|might|could|cannot|can ?not|can't|suspicio\w+|suspect\w*|"
    r"question(?:able|ed)?|equivocal|likely|presum\w+|versus|vs\.?|suggest\w*|indeterminate|concern\w*|differential|"
    r"consider(?:ed|ing|ation)?|"
    r"not (?:\w+ )?exclud\w*|difficult to exclude|worrisome|perhaps|if any|apparent(?:ly)?|either|whether|"
    r"or(?= (?:pneumonia|atelectasis|infiltrat|infection)))\b",
    re.IGNORECASE,
)
_RAISED_AFTER = re.compile(
    r"^(?:(?!\b(?:but|with|may|might|could|likely|probabl\w+|suggest\w*|concern\w*|worrisome|which)\b)"
    r"[^;.]){0,80}?"
    r"\b(?:(?:can ?not|not|can't|difficult to|hard to|impossible to)(?: be)?(?: \w+ly)? "
    r"(?:exclud\w*|rule\w*)|"
    r"(?:is|are|was|were|be|also|remains?|seems?) (?:\w+ly )?"
    r"(?:possible|probable|suspected|questioned|likely(?=\s*(?:[,.]|$))|considered|"
    r"suggested|favou?red|a (?:possibility|concern|consideration)|in the differential|"
    r"not (?:\w+ )?excluded|equivocal|questionable|indeterminate)|(?:could|might|may) be present|"
    r"(?:may|might) not be (?:seen|shown|demonstrated|visible|apparent)|"
    r"(?:suspected|questioned)\s*(?:[,.]|$)|"
    r"(?:is|are) (?:possibly|probably|likely|questionably) (?:present|seen|visible|enlarged|widened)|"
    r"within the differential|not (?:\w+ )?excluded)|"
    r"^ ?\(?\?|^(?: \w+)? (?:versus|vs\.?)(?= )|^ or (?:less likely )?(?:pneumonia|atelectasis|infection)",
    re.IGNORECASE,
)

_ASKED = re.compile(
    r"(?:\b(?:eval(?:uat\w*)?|assess\w*|detect\w*|look\w* for|monitor\w*|follow[ -]?up|r/o|rule[sd]? out|"
    r"to (?:exclude|confirm|rule out)|question of|query|"
    r"correlat\w* (?:clinically )?for|sensitivity (?:for|to)|search\w* for|history of|"
    r"h/o|if there (?:is|are) (?:\w+ )?(?:concern|suspicion) (?:for|of)|check\w*)\b|(?<!\w)\?)"
    r"(?: (?!(?:is|are|shows?|no|but|with|has|have)\b)[\w/?-]+,?){0,6}? ?$",
    re.IGNORECASE,
)
_NOT_ASKED = re.compile(r"\b(?:can ?not|not|can't|unable to|difficult to|is|are)\b", re.IGNORECASE)


def split_clauses(sentence: str) -> list[str]:
    """Split a sentence where a denial or a doubt ends: contrasts, exceptions, relative clauses."""
    return [clause for clause in _CLAUSE_END.split(sentence) if clause.strip()]


def judge(before: str, mention: str, after: str) -> FactPolarity:
    """Decide what a clause says of the finding it mentions.

    Parameters
    ----------
    before, mention, after
        The clause in three parts; of the first the last `REACH_BEFORE` characters count, of the last the
        first `REACH_AFTER`.

    Returns
    -------
    str
        A doubt wins over a denial: "cannot be excluded" holds a "not".
    """
    before, after = before[-REACH_BEFORE:], after[:REACH_AFTER]
    reach = _last_statement(before)
    if _DENIED_AFTER.search(after) and not _RAISED_AFTER.search(after):
        return "negative"
    if _is_denied(reach):
        return "negative"
    if _RAISED_BEFORE.search(before[-80:]) or _RAISED_BEFORE.search(mention) or _RAISED_AFTER.search(after):
        return "uncertain"
    return "negative" if _DENIED_BEFORE.search(mention) else "positive"


def is_asked(before: str) -> bool:
    """Whether the clause only asks: "evaluate for pneumothorax" says nothing of the image.

    Parameters
    ----------
    before
        The clause up to the mention.
    """
    near = before[-REACH_BEFORE:]
    found = _ASKED.search(near)
    return found is not None and not _NOT_ASKED.search(near[max(0, found.start() - 16) : found.end()])


def _last_statement(before: str) -> str:
    ends = [match.end() for match in _NEW_STATEMENT.finditer(before)]
    return before[ends[-1] :] if ends else before


def _is_denied(reach: str) -> bool:
    return bool(_DENIED_BEFORE.search(_NO_DENIAL.sub(" ", reach)))
