"""Rules of accessibility, asked of axe-core in the very page that a person sees."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from playwright.sync_api import Page

# WCAG 2.2 AA with everything below it, and what axe advises beyond
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN = """([exclude, tags]) => axe.run(
  { exclude: exclude.map((selector) => [selector]) },
  { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] },
).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
  `${id}: ${target.flat().join(" >> ")}: ${failureSummary.replaceAll("\\n", " ")}`)))"""


def breaches(page: Page, *, exclude: Sequence[str] = ()) -> list[str]:
    """Return what breaks a rule on the page as it stands, open shadow roots included: rule, element, why.

    Parameters
    ----------
    exclude
        Selectors of elements that are not asked about.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_script())
    found: list[str] = page.evaluate(_RUN, [list(exclude), list(TAGS)])
    return found


def _script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
