"""What is measured on a page: accessibility by axe-core, and words that do not fit."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from playwright.sync_api import Page

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

_AXE = """(levels) => axe.run(document, {
  runOnly: {type: "tag", values: levels}, resultTypes: ["violations"],
}).then((found) => found.violations.flatMap((rule) =>
  rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} (${node.failureSummary})`)))"""

_OVERFLOW = """(within) => {
  const found = [];
  // What is there for screen readers only, such as the head of a table that is shown as cards.
  const isClipped = (each) => {
    for (let on = each; on; on = on.parentElement)
      if (on.getBoundingClientRect().width <= 1) return true;
    return false;
  };
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth)
    found.push(`the page is ${page.scrollWidth} wide, the window ${page.clientWidth}`);
  const named = "button, .button, label, legend, .chip, summary, th, td, h1, h2, h3, dt, dd," +
    " .light, .proof, .help, .flash, nav a, .card, input, select, p, li, .table-wrap";
  for (const each of document.querySelector(within).querySelectorAll(named)) {
    const box = each.getBoundingClientRect();
    const style = getComputedStyle(each);
    if (box.width <= 1 || box.height <= 1 || style.visibility === "hidden") continue;
    if (each.closest(".visually-hidden, .skip, svg") || isClipped(each)) continue;
    const what = `${each.localName}.${each.className} "${each.textContent.trim().slice(0, 60)}"`;
    const isField = each.matches("input, select, textarea");
    if (!isField && each.clientWidth > 0 && each.scrollWidth > each.clientWidth + 1)
      found.push(`${what} needs ${each.scrollWidth} and has ${each.clientWidth}`);
    if (box.right > innerWidth + 1 || box.left < -1)
      found.push(`${what} stands at ${Math.round(box.left)} to ${Math.round(box.right)}`);
  }
  return found;
}"""


@cache
def _axe() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What breaks WCAG 2.2 at level A or AA, as far as a program can see that."""
    # A script tag would be against our own policy; evaluating is not.
    page.evaluate(_axe())
    found: list[str] = page.evaluate(_AXE, LEVELS)
    return found


def overflows(page: Page, within: str = "body") -> list[str]:
    """Sideways scrolling of the page, and words of a part wider than what they stand in."""
    found: list[str] = page.evaluate(_OVERFLOW, within)
    return found


def texts(page: Page) -> list[str]:
    """Every piece of text that can be seen or heard, hidden parts left out."""
    found: list[Any] = page.evaluate(
        """() => {
          const found = [];
          const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walk.nextNode()) {
            const around = walk.currentNode.parentElement;
            if (around.closest("script, style, template, [lang]:not(html)")) continue;
            const text = walk.currentNode.textContent.trim().replace(/\\s+/g, " ");
            if (text) found.push(text);
          }
          for (const each of document.querySelectorAll("[aria-label], [title], [placeholder]"))
            for (const name of ["aria-label", "title", "placeholder"])
              if (each.getAttribute(name)) found.push(each.getAttribute(name).trim());
          return found;
        }"""
    )
    return [str(each) for each in found]
