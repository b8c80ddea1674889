"""Who stands in a demonstration: a company that is none, its people, and whom they call.

Numbers are from blocks that are kept for fiction wherever there is one; where they come from, and
which are merely nobody's, stands with the personas. Nobody here is dialled: calls go to personas.
"""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.server.access import UserRole

SETTINGS: Mapping[str, object] = {
    "company": "Harbor Supply",
    "home_place": "NO",
    "language": "en",
    "lawful_basis": "legitimate_interests",
    "lawful_basis_owner": "Ingrid Dahl",
    "purpose": "training",
    "purpose_sentence": "training our staff on real calls",
    "purpose_owner": "Ingrid Dahl",
    "retention_days": 90,
}

TEAM = "Oslo"
ADMINISTRATOR, AGENT = "ingrid@harbor-supply.example", "kari@harbor-supply.example"
USERS: tuple[tuple[str, str, tuple[UserRole, ...]], ...] = (
    (ADMINISTRATOR, "Ingrid Dahl", (UserRole.ADMIN, UserRole.COMPLIANCE, UserRole.AGENT)),
    (AGENT, "Kari Lund", (UserRole.AGENT,)),
    ("jonas@harbor-supply.example", "Jonas Berg", (UserRole.SUPERVISOR,)),
    ("maria@harbor-supply.example", "Maria Solheim", (UserRole.COMPLIANCE,)),
)
"""Address, name and roles. The administrator may call too, so that one link shows everything."""

CALLED = (
    ("presses-one", "Anna Nilsen", "Fjordlys Kafé"),
    ("agrees", "Linda Parker", "Parker & Daughters"),
    ("refuses", "Thomas Becker", "Becker Druck"),
    ("told", "Aroha Walker", "Kauri Outdoor"),
    ("moves", "Emma Clarke", "Clarke Travel"),
    ("notice-inside", "Robert Hill", "Hill Hardware"),
    ("withdraws", "Helen Strand", "Strand Blomster"),
    ("not-told", "David Price", "Price Roofing"),
    ("voicemail", "Alice Brown", "Brown Legal"),
    ("hangs-up", "Peter Moen", "Moen Maskin"),
    ("silent", "Julia Haugen", "Haugen Bakeri"),
    ("late-joiner", "Claire Byrne", "Byrne Shipping"),
)
"""Persona, and the name and company that its contact has; called once each, in this order."""

OTHERS = (
    ("Sofia Reyes", "Reyes Catering", "+12125550101"),
    ("Marcus Webb", "Webb Logistics", "+13125550112"),
    ("Camila Ortiz", "Ortiz Marine", "+13055550133"),
    ("Nathan Cole", "Cole Instruments", "+16175550144"),
    ("Grace Kim", "Kim Ceramics", "+12065550155"),
    ("Dylan Hayes", "Hayes Signs", "+17025550166"),
    ("Rosa Delgado", "Delgado Tiles", "+15125550177"),
    ("Owen Fisher", "Fisher Print", "+12155550188"),
    ("Priya Shah", "Shah Optics", "+14085550119"),
    ("Louis Martin", "Martin Vélo", "+15145550136"),
    ("Hannah Scott", "Scott Timber", "+14165550129"),
    ("Ethan Wong", "Wong Imports", "+16045550171"),
    ("Oliver Hughes", "Hughes Antiques", "+442079460018"),
    ("Amelia Wright", "Wright Textiles", "+441614960021"),
    ("Callum Fraser", "Fraser Boats", "+441314960045"),
    ("Zara Ahmed", "Ahmed Foods", "+447700900123"),
    ("Lena Vogel", "Vogel Optik", "+493023125101"),
    ("Jonas Krüger", "Krüger Werkzeuge", "+496990009123"),
    ("Mia Schäfer", "Schäfer Verlag", "+492214710456"),
    ("Felix Huber", "Huber Sport", "+498999998321"),
    ("Chloé Dubois", "Dubois Pâtisserie", "+33199000012"),
    ("Hugo Lefèvre", "Lefèvre Vins", "+33261911234"),
    ("Manon Girard", "Girard Presse", "+33639981234"),
    ("Elsa Lindqvist", "Lindqvist Möbler", "+46313900612"),
    ("Nils Sandberg", "Sandberg Bygg", "+46406280415"),
    ("Maja Ek", "Ek Design", "+4684650041"),
    ("Jack Thompson", "Thompson Surf", "+61255501234"),
    ("Isla Campbell", "Campbell Wool", "+61370101234"),
    ("Noah Evans", "Evans Solar", "+61491570156"),
    ("Aoife Kelly", "Kelly Books", "+353209101299"),
)
"""Name, company and number of contacts that nobody plays; for lists and the forecast."""
