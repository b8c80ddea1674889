"""One question, three places to ask: the checker's page, the HTTP interface, the command line."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import phonenumbers
import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Open
from tests.e2e.installation import PROGRAM, Installation

pytestmark = pytest.mark.full

ODD = [
    "112", "+1 800 555 0199", "+1 202 555 0143", "not a number", "+999123456789", "+4712",
    "+44 1534 960 123", "+358 18 12345", "+882 16 1234567", "+4779001234",
]  # fmt: skip
AREAS = [
    "202", "205", "206", "212", "213", "303", "305", "312", "404", "406", "415", "502", "503",
    "603", "617", "702", "703", "808", "860", "907", "416", "514", "604", "902", "867",
]  # fmt: skip
NUMBERS = 100
SAYS = {
    "auto": "Recording may start by itself.",
    "ask": "Ask first.",
    "forbid": "Do not record.",
}


def numbers() -> list[str]:
    """A hundred numbers: odd ones, North America by area code, then countries by their code."""
    american = [f"+1{area}5550123" for area in AREAS]
    others = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS - {"US", "CA"}):
        example = phonenumbers.example_number(region)
        if example is not None:
            others.append(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
    every = len(others) // (NUMBERS - len(ODD) - len(american)) or 1
    return (ODD + american + others[::every] + others[1::every])[:NUMBERS]


def test_the_page_the_interface_and_the_command_line_answer_alike(
    window: Open, installation: Installation
) -> None:
    asked = numbers()
    assert len(set(asked)) == NUMBERS
    seen = window("agent")
    seen.go("/rules/check")
    names = place_names(seen.page)

    shown = [on_page(seen.page, number) for number in asked]
    by_http = [over_http(seen.page, installation, number) for number in asked]
    by_command = on_command_line(asked)

    assert by_http == by_command
    assert shown == [summary(each, names) for each in by_http]
    assert {each["mode"] for each in by_http} >= {"auto", "ask"}
    assert len(seen.documents) == 1


def question(number: str) -> dict[str, Any]:
    return {"agent_location": "US-TX", "contact_numbers": [number], "language": "en"}


def on_page(page: Page, number: str) -> dict[str, Any]:
    """What the page says about a number."""
    form = page.locator("#main form[action='/rules/check']")
    form.get_by_label("They", exact=True).fill(number)
    form.get_by_label("I am in").select_option("US-TX")
    page.evaluate("() => document.getElementById('answer')?.removeAttribute('id')")
    form.get_by_role("button").click()
    answer = page.locator("section[aria-labelledby=answer]:has(#answer)")
    expect(answer.locator("#answer")).to_be_visible()
    expect(form.get_by_label("They", exact=True)).to_have_value(number)
    found: dict[str, Any] = answer.evaluate(
        """(card) => ({
          head: card.querySelector("h2").lastChild.textContent.trim().replace(/\\s+/g, " "),
          decided: card.querySelector("h2 + p").textContent,
          proof: card.querySelector(".proof-level")?.textContent ?? null,
          rules: [...card.querySelectorAll("h3 + ul")[0].querySelectorAll(".muted")]
            .map((each) => each.textContent.split(":")[0]),
        })"""
    )
    return found


def summary(decision: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """What the page has to say about a decision."""
    places = ", ".join(names.get(code, code) for code in decision["primary"])
    owed = decision["requirements"]
    return {
        "head": SAYS[decision["mode"]],
        "decided": f"Decided by: {places}",
        "proof": str(owed[0]["proof"]) if owed else None,
        "rules": [each["rule"] for each in decision["reasons"]],
    }


def place_names(page: Page) -> dict[str, str]:
    """Names of places by their codes, as the page offers them."""
    found: dict[str, str] = page.locator("#agent").evaluate(
        "(field) => Object.fromEntries([...field.options].map((each) => [each.value, each.text]))"
    )
    return {**found, "UNKNOWN": "Unknown place"}


def over_http(page: Page, installation: Installation, number: str) -> Any:
    answer = page.context.request.post(
        f"{installation.origin}/api/v1/decisions",
        data=question(number),
        headers={"origin": installation.origin},
    )
    assert answer.ok, answer.text()
    return answer.json()


def on_command_line(asked: list[str]) -> list[Any]:
    lines = "\n".join(json.dumps(question(each)) for each in asked)
    done = subprocess.run(  # noqa: S603 - our own program
        [PROGRAM, "decide", "--batch", "-"], input=lines, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
