"""Small made-up lands with rules, and random ones, for tests of decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from askfirst import Decision, Mode, Party, decide
from askfirst.decide import decide_anew
from askfirst.model import (
    Certainty,
    Element,
    Form,
    LocatedParty,
    Place,
    Proof,
    Purpose,
    Role,
    Source,
    Standing,
)
from askfirst.override import Override, Replacement
from askfirst.places import NO_AREA, WITHHELD
from askfirst.policy import CONDITIONS, Policy
from askfirst.rules import (
    ConsentRule,
    Eased,
    Jurisdiction,
    Rulebook,
    RuleDuty,
    RuleSource,
    When,
    Workplace,
)

ON = date(2026, 11, 23)
REVIEWED = date(2026, 10, 1)
ALWAYS = date(1900, 1, 1)


def words(text: str) -> Mapping[str, str]:
    return {"en": text, "nb": text}


def rule(
    identity: str,
    mode: Mode = Mode.AUTO,
    form: Form | None = None,
    proof: Proof = Proof.NONE,
    *elements: Element,
    layer: str = "secrecy",
    when: When | None = None,
    inside: bool = False,
    spoken: bool = True,
    eased: Eased | None = None,
    start: date = ALWAYS,
    end: date | None = None,
) -> ConsentRule:
    return ConsentRule(
        identity,
        identity.partition(".")[0],
        layer,
        start,
        end,
        when or When(),
        mode,
        form,
        proof,
        frozenset(elements),
        inside,
        spoken,
        words(f"What {identity} says."),
        (RuleSource("statute", f"Act of {identity}", None, None),),
        eased,
    )


def area(
    code: str,
    *rules: ConsentRule,
    parents: tuple[str, ...] = (),
    consent: str = "one_party",
    criminal: bool = False,
    reviewed: date = REVIEWED,
    duties: tuple[RuleDuty, ...] = (),
    kind: str = "country",
    workplace: Workplace | None = None,
) -> Jurisdiction:
    return Jurisdiction(
        code,
        words(f"Land {code}"),
        kind,
        parents,
        reviewed,
        "somebody",
        Standing.SECONDARY,
        Mode.AUTO,
        consent,
        criminal,
        rules,
        duties,
        workplace,
        {},
    )


def book(*areas: Jurisdiction) -> Rulebook:
    return Rulebook({each.code: each for each in areas}, "2026.10.01", "sha256:0")


ASKS_WHEN_UNKNOWN = area(
    "UNKNOWN",
    rule("UNKNOWN.ask", Mode.ASK, Form.AGREED, Proof.AGENT_WORD, Element.INTENT_TO_RECORD),
    consent="all_party",
    criminal=True,
    kind="pseudo",
)
EASED = Eased(
    frozenset({"lawful_basis", "automatic_notice"}),
    Mode.AUTO,
    Form.TOLD,
    Proof.AGENT_WORD,
    frozenset({Element.INTENT_TO_RECORD}),
    frozenset({"LLL.all"}),
    words("Eased."),
)
LANDS = book(
    ASKS_WHEN_UNKNOWN,
    area(
        "LLL",
        rule("LLL.all", Mode.ASK, Form.AGREED, Proof.AGENT_WORD, Element.PURPOSE),
        kind="layer",
    ),
    area("FR", rule("FR.free", start=date(2006, 1, 1))),
    area(
        "AL",
        rule("AL.ask", Mode.ASK, Form.AGREED, Proof.KEY, Element.RIGHT_TO_OBJECT, spoken=False),
        consent="all_party",
        criminal=True,
        duties=(RuleDuty("storage", words("Keep it here.")),),
    ),
    area("TO", rule("TO.tell", Mode.ASK, Form.TOLD, Proof.AGENT_WORD, Element.RIGHTS, inside=True)),
    area("PA", parents=("LLL",), duties=(RuleDuty("notice", words("Say more.")),)),
    area(
        "EA",
        rule(
            "EA.own",
            Mode.ASK,
            Form.AGREED,
            Proof.AGENT_WORD,
            Element.INTENT_TO_RECORD,
            layer="data_protection",
            eased=EASED,
        ),
        parents=("LLL",),
    ),
    area("NO", rule("NO.never", Mode.FORBID)),
    area("OL", rule("OL.free"), reviewed=date(2025, 5, 22)),
    area(
        "PU",
        rule("PU.any"),
        rule(
            "PU.training",
            Mode.ASK,
            Form.WRITTEN,
            Proof.WRITTEN,
            when=When(purposes=frozenset({"training"})),
        ),
        rule("PU.video", Mode.FORBID, when=When(channels=frozenset({"video"}))),
        rule("PU.bank", Mode.FORBID, when=When(sectors=frozenset({"finance"}))),
    ),
    area("FR-1", rule("FR-1.ask", Mode.ASK, Form.TOLD, Proof.AGENT_WORD), parents=("FR",)),
)


def judge(
    agent: str,
    *contacts: str,
    policy: Policy | None = None,
    recorder: str | None = None,
    channel: str = "phone",
    overrides: tuple[Override, ...] = (),
) -> Decision:
    parties = [Party.agent(agent), *(Party.contact(code) for code in contacts)]
    return decide(
        parties, ON, LANDS, policy, recorder=recorder, channel=channel, overrides=overrides
    )


LAW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CODES = ("AA", "AA-1", "BB", "CC", "DD")
elements = st.frozensets(st.sampled_from(list(Element)[:5]), max_size=3)
forms = st.none() | st.sampled_from(Form)
proofs = st.sampled_from(Proof)
whens = st.builds(
    When,
    st.just(frozenset[str]()) | st.frozensets(st.sampled_from(["training", "quality"]), max_size=1),
    st.just(frozenset[str]()) | st.just(frozenset({"phone"})),
    st.just(frozenset[str]()),
)


@st.composite
def areas(draw: st.DrawFn, code: str, parents: tuple[str, ...]) -> Jurisdiction:
    rules = []
    for number in range(draw(st.integers(0, 2))):
        eased = draw(
            st.none()
            | st.builds(
                Eased,
                st.frozensets(st.sampled_from(sorted(CONDITIONS)), max_size=2),
                st.sampled_from(Mode),
                forms,
                proofs,
                elements,
                st.frozensets(st.sampled_from([f"{each}.0" for each in ("LLL", *CODES)])),
                st.just(words("Eased.")),
            )
        )
        rules.append(
            rule(
                f"{code}.{number}",
                draw(st.sampled_from(Mode)),
                draw(forms),
                draw(proofs),
                *draw(elements),
                layer=draw(st.sampled_from(["secrecy", "data_protection"])),
                when=draw(whens),
                inside=draw(st.booleans()),
                spoken=draw(st.booleans()),
                eased=eased,
                start=draw(st.sampled_from([ALWAYS, date(2027, 1, 1)])),
            )
        )
    return area(
        code,
        *rules,
        parents=parents,
        consent=draw(st.sampled_from(["one_party", "mixed", "all_party"])),
        criminal=draw(st.booleans()),
        reviewed=draw(st.sampled_from([REVIEWED, date(2024, 1, 1)])),
        duties=draw(
            st.sampled_from([(), (RuleDuty("storage", words("Here.")),)]),
        ),
        kind="layer" if code == "LLL" else "country",
    )


@st.composite
def rulebooks(draw: st.DrawFn) -> Rulebook:
    files = [draw(areas("UNKNOWN", ())), draw(areas("LLL", ())), draw(areas("AA", ("LLL",)))]
    files.append(draw(areas("AA-1", ("AA",))))
    files.append(draw(areas("BB", draw(st.sampled_from([(), ("LLL",)])))))
    files.append(draw(areas("CC", ())))
    return book(*draw(st.permutations(files)))


places = st.builds(
    Place, st.sampled_from(CODES), st.sampled_from(Source), st.sampled_from(Certainty)
)
located = st.builds(
    LocatedParty,
    st.sampled_from(Role),
    st.none(),
    st.lists(places, max_size=3).map(tuple),
    st.none() | st.sampled_from([WITHHELD, NO_AREA]),
)
policies = st.builds(
    Policy,
    recording_enabled=st.booleans(),
    always_ask=st.booleans(),
    unknown_location=st.sampled_from(["ask", "forbid", "auto"]),
    automatic_notice=st.booleans(),
    lawful_basis=st.sampled_from([None, "consent"]),
    purpose=st.none() | st.sampled_from([Purpose.TRAINING, Purpose.COACHING]),
    special_category_expected=st.booleans(),
    no_third_party_guarantee=st.booleans(),
    external_processors=st.sampled_from([(), ("Vendor",)]),
    external_share_links=st.booleans(),
    forbid_jurisdictions=st.sampled_from([(), ("AA",), ("LLL",)]),
    storage_region=st.sampled_from([None, "AA-1", "BB"]),
    forbid_if_localisation_violated=st.booleans(),
    require_works_agreement=st.booleans(),
    works_agreement_on_file=st.booleans(),
    mandatory_recording=st.sampled_from([None, "fca"]),
    minimum_proof=st.sampled_from([None, Proof.ANNOUNCED, Proof.SPOKEN]),
)
recorders = st.none() | st.sampled_from(CODES)


def anew(
    parties: list[LocatedParty], rules: Rulebook, policy: Policy, recorder: str | None
) -> Decision:
    return decide_anew(parties, ON, rules, policy, recorder, "phone", "en")


def signed(name: str, *replaces: Replacement, conditions: frozenset[str] = frozenset()) -> Override:
    since, until = date(2026, 11, 1), date(2026, 12, 1)
    return Override(name, "Kari Nordmann", "A reason.", since, until, conditions, replaces)


def frees(identity: str) -> Replacement:
    return Replacement(identity, Mode.AUTO, None, Proof.NONE, frozenset())


signings = st.lists(
    st.builds(
        signed,
        st.sampled_from(["one", "two"]),
        st.builds(
            Replacement,
            st.sampled_from([f"{code}.{n}" for code in CODES for n in (0, 1)]),
            st.sampled_from(Mode),
            forms,
            proofs,
            elements,
        ),
        conditions=st.sampled_from([frozenset[str](), frozenset({"lawful_basis"})]),
    ),
    max_size=2,
    unique_by=lambda each: each.name,
)


def assert_not_looser(before: Decision, after: Decision) -> None:
    assert after.mode >= before.mode
    assert set(after.elements) >= set(before.elements)
    assert after.inside_recording >= before.inside_recording
    assert after.spoken_answer <= before.spoken_answer
    assert {(each.jurisdiction, each.kind) for each in after.duties} >= {
        (each.jurisdiction, each.kind) for each in before.duties if each.jurisdiction != "POLICY"
    }
    owed = {each.party: each for each in after.requirements}
    for each in before.requirements:
        assert owed[each.party].form >= each.form
        assert owed[each.party].proof >= each.proof
        assert owed[each.party].elements >= each.elements
