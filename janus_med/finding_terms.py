"""The words that name each of CheXpert's findings in an English chest report.

A term is the shortest wording that a radiologist would accept as naming the finding; whether the text states,
denies or raises it is decided in `janus_med.negation`. Sources: CheXpert's definitions (Irvin et al. 2019),
the Fleischner Society's glossary (Hansell et al. 2008), and reading reports.
"""

from __future__ import annotations

import re

_HEART = r"(?:heart|cardiac (?:silhouettes?|size|shadow|contours?)|(?<!mediastinal )silhouette of the heart)"
_BIG = r"(?:enlarg\w*|dilat\w+)"
_LINE = r"(?:subclavian|jugular|ij|femoral|picc|pic|central|venous|vascular|arterial|dialysis)"

FINDING_TERMS: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": (
        r"mediastin(?:um|al(?! (?:\w+ )?(?:nodes?|lymph\w*|air|emphysema|drains?|clips?)))"
        r"(?:(?! and ) [\w-]+){0,4}? (?:wid\w+|enlarg\w*|promin\w+)",
        r"(?:wid(?:en\w*|e)|enlarg\w*|promin\w+) (?:of the )?(?:[\w-]+ ){0,2}(?:cardio ?)?mediastin"
        r"(?:um|al(?! (?:nodes?|lymph\w*)))",
        r"cardiomediastin(?:um|al \w+)(?: [\w-]+){1,3}? (?:enlarg\w*|wid\w+|promin\w+)",
    ),
    "Cardiomegaly": (
        r"cardio-?megaly",
        rf"{_HEART}(?: [\w-]+){{0,5}}? {_BIG}",
        rf"{_BIG} (?:[\w-]+ ){{0,2}}?(?:heart|cardiac)",
        r"cardiac (?:and mediastinal )?enlargement",
        r"(?:large|globular|prominent|big) (?:heart|cardiac silhouette)",
        r"increased? (?:in )?(?:heart|cardiac) (?:size|silhouette)",
        rf"{_HEART} (?:is|are|remains?) (?:[\w-]+ )?(?:large|big|globular)\b(?! enough)",
    ),
    "Lung Opacity": (
        r"opaci(?!fied (?:bowel|stomach|colon))\w+",
        r"infiltrat\w*",
        r"air-?\s?space (?:disease|process)",
        r"haz(?:y|iness)\b",
        r"ground[ -]?glass",
    ),
    "Lung Lesion": (
        r"(?<!reticulo)(?<!reticulo-)nodul\w*",
        r"mass(?:es)?\b(?!-like)(?! effect)",
        r"(?:lung|pulmonary|parenchymal|cavitary|coin|lobe) lesions?",
        r"cavitations?\b|cavitary\b",
        r"metastas\w*|metastatic",
        r"granulomas?\b|granulomata",
        r"neoplas\w*|tumou?rs?\b",
    ),
    "Edema": (
        r"(?<!peripheral )(?<!extremity )(?<!leg )(?<!tissue )(?<!subcutaneous )(?<!wall )(?<!pedal )"
        r"(?<!ankle )(?<!___ )(?<!cerebral )o?edema(?:tous)?\b",
        r"congesti(?:on|ve)\b|(?:fluid|volume) overload",
        r"cephali[sz]ation|vascular (?:engorgement|redistribution|plethora|prominence)|zone redistribution",
        r"(?:prominent|engorged|increased|indistinct|enlarged) (?:central )?(?:pulmonary |lung )?"
        r"(?:interstitial )?(?:vasculature|vascularity)",
        r"(?:vasculature|vascularity) (?:is|are|appears?|remains?) (?:\w+ )?(?:prominent|engorged|increased|"
        r"indistinct)",
        r"kerley|(?<![a-z])chf\b|heart failure",
    ),
    "Consolidation": (r"consolidat\w*",),
    "Pneumonia": (
        r"(?:broncho)?pneumonias?\b",
        r"pneumonic",
        r"pna\b",
        r"infectious (?:process|etiolog\w+|infiltrat\w+)",
        r"(?<!granulomatous )(?<!prior )(?<!old )(?<!previous )infections?\b",
    ),
    "Atelectasis": (
        r"atelecta\w*",
        r"(?<!vertebral )(?<!body )collaps(?:ed?|es|ing)?\b",
        r"volume loss|loss of volume",
    ),
    "Pneumothorax": (
        r"(?:hydro|haemo|hemo|tension )?-?pneumo-?thora\w*",
        r"ptx\b",
        r"pleural air\b|air in the pleural space",
    ),
    "Pleural Effusion": (
        r"(?<!pericardial )(?<!joint )effusions?\b",
        r"pleural (?:(?!air)\w+ )?(?:fluid|collections?)",
        r"fissural fluid|fluid in the (?:\w+ )?fissure",
        r"hydrothora\w*|h(?:a)?emothora\w*|(?<!sub)empyema",
        r"blunt\w* (?:of )?(?:the )?(?:[\w-]+ ){0,3}costophrenic|"
        r"costophrenic (?:[\w-]+ ){1,3}(?:is|are) (?:[\w-]+ )?blunt\w*|costophrenic (?:angle )?blunting",
        r"layering (?:\w+ )?fluid",
    ),
    "Pleural Other": (
        r"pleural(?:-parenchymal)? (?:thickening|plaques?|scar\w*|calcification\w*|abnormalit\w+|disease|"
        r"mass\w*|lesions?|nodul\w*|tumou?rs?)",
        r"(?:thickened|calcified) pleura\b",
        r"pleural (?:effusions?|fluid)(?: and/or| and| or|/) (?:\w+ )?thickening",
        r"fibrothorax|apical (?:cap\b|capping|thickening)|calcified (?:\w+ )?plaques?",
    ),
    "Fracture": (r"fractur\w*\b(?! (?:of )?(?:[\w-]+ ){0,6}?(?:wires?|leads?|catheters?|screws?|rods?)\b)",),
    "Support Devices": (
        r"(?:endo-?tracheal|tracheal|orotracheal|naso-?gastric|oro-?gastric|entero?gastric|enteric|gastric|"
        r"tracheostomy|trach|feeding|dobb?-?hoff|chest|thoracostomy|thoracotomy|pleural|drainage|intercostal|"
        r"et|ng|og|pigtail|nasoenteric|peg|intestinal|percutaneous|suction|esophageal)"
        r"(?: and [\w-]+| and| or|,)?(?: (?:\w+ )?)?(?:tubes?|tubing)\b",
        r"(?:endo-?tracheal|nasogastric|orogastric|enteric)(?: tubes?)? and [\w-]+ tubes?",
        r"ett\b|ngt\b|ogt\b|dobb?-?hoff",
        r"tracheostom\w*|tracheotomy tube",
        r"catheters?\b|pleurx|pleur-x|swan-?\s?gan[tz]z?|hickman|port-?\s?a-?\s?cath\w*|mediports?|"
        r"(?:chest|infusion|implanted|subclavian|jugular) ports?\b",
        rf"picc?s?\b(?! of)|cvcs?\b|cvls?\b|{_LINE} (?:\w+ )?lines?\b|lines and tubes|tubes and lines",
        r"pacemakers?|pacers?\b|pacing|defibrillators?|(?:a?icd|crt-?[dp]?)s?\b",
        r"(?<!ekg )(?<!ecg )leads?\b(?! to\b)",
        r"(?:support|monitoring|cardiac|implanted|electronic|assist) (?:and \w+ )?devices?|lvad\b|"
        r"balloon pump|iabp\b|stimulators?\b|loop recorder",
        r"(?:sternotomy|sternal|median) (?:\w+ )?wires?|sternotomy wires",
        r"drains?\b|pigtails?\b|hardware\b|stents?\b|(?:prosthetic|mechanical|replaced) (?:\w+ )?valves?",
    ),
}
"""Alternatives of one regular expression a finding, matched from the start of a word, case ignored."""


def compile_terms(terms: dict[str, tuple[str, ...]]) -> dict[str, re.Pattern[str]]:
    """Compile one pattern a finding.

    Parameters
    ----------
    terms
        As `FINDING_TERMS`.
    """
    return {
        name: re.compile(rf"(?<![a-z])(?:{'|'.join(patterns)})", re.IGNORECASE)
        for name, patterns in terms.items()
    }
