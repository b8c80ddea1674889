"""Draw the maps of the rules from two published atlases, as paths that a page can use.

    npm pack world-atlas@2.0.2 us-atlas@3.0.1        (in a folder outside the repository)
    tar xzf world-atlas-2.0.2.tgz package/countries-50m.json  (the other likewise)
    python tools/draw_maps.py countries-50m.json states-albers-10m.json

Writes `src/askfirst/web/maps/world.json` and `us.json`: the view box, and for each place its code,
its path (one decimal, moves relative), its centre and whether it is drawn as a dot because nobody
could hit its shape. The same input gives the same bytes. A place of the rulebook that would be
missing is an error: give it a line in DOTS or CARVED.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from askfirst import rules

HERE = Path(__file__).parent.parent / "src" / "askfirst" / "web" / "maps"

WORLD_SHA256 = "04342cdc1e3016bcd7db1630de95684d67b79fe3c8c460321e87aef469502394"
US_SHA256 = "6e7bb086a3c791490361968a3094f377f7726c5d0c4900fec03cc42db2305a3d"
WORLD_SOURCE = "world-atlas 2.0.2, countries-50m.json (Natural Earth 4.1.0, public domain)"
US_SOURCE = "us-atlas 3.0.1, states-albers-10m.json (US Census Bureau 2017, public domain)"

# ISO 3166-1: number and alpha-2 code of what the atlas has, in the order of the numbers.
ALPHA = dict(
    re.findall(
        r"(\d{3}) ([A-Z]{2})",
        """
004 AF 008 AL 012 DZ 016 AS 020 AD 024 AO 028 AG 031 AZ 032 AR 036 AU 040 AT 044 BS 048 BH 050 BD
051 AM 052 BB 056 BE 060 BM 064 BT 068 BO 070 BA 072 BW 076 BR 084 BZ 086 IO 090 SB 092 VG 096 BN
100 BG 104 MM 108 BI 112 BY 116 KH 120 CM 124 CA 132 CV 136 KY 140 CF 144 LK 148 TD 152 CL 156 CN
158 TW 170 CO 174 KM 178 CG 180 CD 184 CK 188 CR 191 HR 192 CU 196 CY 203 CZ 204 BJ 208 DK 212 DM
214 DO 218 EC 222 SV 226 GQ 231 ET 232 ER 233 EE 234 FO 238 FK 239 GS 242 FJ 246 FI 248 AX 250 FR
258 PF 260 TF 262 DJ 266 GA 268 GE 270 GM 275 PS 276 DE 288 GH 296 KI 300 GR 304 GL 308 GD 316 GU
320 GT 324 GN 328 GY 332 HT 334 HM 336 VA 340 HN 344 HK 348 HU 352 IS 356 IN 360 ID 364 IR 368 IQ
372 IE 376 IL 380 IT 384 CI 388 JM 392 JP 398 KZ 400 JO 404 KE 408 KP 410 KR 414 KW 417 KG 418 LA
422 LB 426 LS 428 LV 430 LR 434 LY 438 LI 440 LT 442 LU 446 MO 450 MG 454 MW 458 MY 462 MV 466 ML
470 MT 478 MR 480 MU 484 MX 492 MC 496 MN 498 MD 499 ME 500 MS 504 MA 508 MZ 512 OM 516 NA 520 NR
524 NP 528 NL 531 CW 533 AW 534 SX 540 NC 548 VU 554 NZ 558 NI 562 NE 566 NG 570 NU 574 NF 578 NO
580 MP 583 FM 584 MH 585 PW 586 PK 591 PA 598 PG 600 PY 604 PE 608 PH 612 PN 616 PL 620 PT 624 GW
626 TL 630 PR 634 QA 642 RO 643 RU 646 RW 652 BL 654 SH 659 KN 660 AI 662 LC 663 MF 666 PM 670 VC
674 SM 678 ST 682 SA 686 SN 688 RS 690 SC 694 SL 702 SG 703 SK 704 VN 705 SI 706 SO 710 ZA 716 ZW
724 ES 728 SS 729 SD 732 EH 740 SR 748 SZ 752 SE 756 CH 760 SY 762 TJ 764 TH 768 TG 776 TO 780 TT
784 AE 788 TN 792 TR 795 TM 796 TC 800 UG 804 UA 807 MK 818 EG 826 GB 831 GG 832 JE 833 IM 834 TZ
840 US 850 VI 854 BF 858 UY 860 UZ 862 VE 876 WF 882 WS 887 YE 894 ZM
""",
    )
)
# The rulebook files these under the United States, whose federal law they share.
ALPHA |= {number: f"US-{ALPHA[number]}" for number in ("016", "316", "580", "630", "850")}

# The atlas gives these no number. Kosovo has a code that ISO leaves to users and that the rulebook
# has. The others have no code and no rules here: drawn as land, named and linked by nobody.
NAMED = {
    "Kosovo": "XK",
    "N. Cyprus": "",
    "Siachen Glacier": "",
    "Somaliland": "",
    "Indian Ocean Ter.": "",  # carved below into its two parts
}
LEFT_OUT = {"010"}  # Antarctica: nobody is called there, and it would take a quarter of the map

# What the atlas draws as part of another place: its code, the place the atlas gives it to, and the
# box (west, south, east, north, degrees) in which its polygons have their first point.
CARVED = (
    ("GF", "FR", -55.0, 2.0, -51.0, 6.0),
    ("GP", "FR", -62.0, 15.8, -61.0, 16.6),
    ("MQ", "FR", -61.3, 14.3, -60.7, 15.0),
    ("RE", "FR", 55.0, -21.5, 56.0, -20.8),
    ("YT", "FR", 45.0, -13.1, 45.4, -12.6),
    ("SJ", "NO", 10.0, 74.0, 34.0, 81.0),
    ("SJ", "NO", -10.0, 70.0, -7.0, 72.0),
    ("BQ", "NL", -69.0, 12.0, -62.5, 18.0),
    ("TK", "NZ", -173.0, -10.0, -171.0, -8.0),
    ("CX", "", 105.0, -11.0, 106.0, -10.0),
    ("CC", "", 96.5, -12.5, 97.0, -12.0),
    # Claimed and held by different states; a map of rules does not decide it.
    ("", "RU", 32.4, 44.3, 36.7, 46.3),
)
# What the atlas lacks: longitude and latitude in degrees.
DOTS = {"GI": (-5.35, 36.14), "TV": (179.2, -8.52)}

# The Census Bureau's numbers (FIPS) and the postal codes.
STATES = dict(
    re.findall(
        r"(\d\d)=([A-Z]{2})",
        """
01=AL 02=AK 04=AZ 05=AR 06=CA 08=CO 09=CT 10=DE 11=DC 12=FL 13=GA 15=HI 16=ID 17=IL 18=IN 19=IA
20=KS 21=KY 22=LA 23=ME 24=MD 25=MA 26=MI 27=MN 28=MS 29=MO 30=MT 31=NE 32=NV 33=NH 34=NJ 35=NM
36=NY 37=NC 38=ND 39=OH 40=OK 41=OR 42=PA 44=RI 45=SC 46=SD 47=TN 48=TX 49=UT 50=VT 51=VA 53=WA
54=WV 55=WI 56=WY
""",
    )
)

NORTH, SOUTH = 85.0, -57.0  # degrees: what the world map shows
WORLD_WIDTH = 1000.0
UNITS_A_RADIAN = WORLD_WIDTH / (2 * math.pi * 0.8707)
SPREAD_STEPS = 400

Point = tuple[float, float]
Ring = list[Point]
Projection = Callable[[Point], Point]


@dataclass(frozen=True, slots=True)
class Style:
    """How fine a map is drawn; everything in units of its view box."""

    tolerance: float  # how far a line may run from the atlas's line
    sliver: float  # a polygon below this area is dropped, unless it is the place's only one
    hittable: float  # a place whose largest polygon is below this area becomes a dot
    radius: float  # of a dot


@dataclass(slots=True)
class Drawing:
    """A map under way: rings in map units by code; the empty code is land of no place.

    The rings of a place are its outlines and its holes alike: paths are filled by the even-odd
    rule. `points` are places of which there is nothing but where they are.
    """

    source: str
    width: float
    height: float
    style: Style
    rings: dict[str, list[Ring]] = field(default_factory=dict)
    points: dict[str, Point] = field(default_factory=dict)
    sea: Ring = field(default_factory=list)


def decoded(topology: Mapping[str, Any]) -> list[Ring]:
    """The arcs of a TopoJSON file as points; they are stored as differences of integers."""
    (scale_x, scale_y), (from_x, from_y) = (
        topology["transform"][k] for k in ("scale", "translate")
    )
    arcs = []
    for stored in topology["arcs"]:
        x = y = 0
        arc = []
        for dx, dy in stored:
            x, y = x + dx, y + dy
            arc.append((x * scale_x + from_x, y * scale_y + from_y))
        arcs.append(arc)
    return arcs


def unwrapped(points: Iterable[Point]) -> Ring:
    """The same points with longitudes that run on past ±180° instead of jumping."""
    line: Ring = []
    for x, y in points:
        if line:
            x -= 360 * round((x - line[-1][0]) / 360)
        line.append((x, y))
    return line


def thinned(line: Ring, tolerance: float, project: Projection) -> Ring:
    """The line with fewer points (Douglas-Peucker): none runs further off than `tolerance` units.

    Lines are thinned before they are joined into rings, so that neighbours keep one border.
    """
    seen = [project(point) for point in line]
    kept = {0, len(line) - 1}
    todo = [(0, len(line) - 1)]
    while todo:
        first, last = todo.pop()
        far, at = 0.0, 0
        for here in range(first + 1, last):
            off = _distance(seen[here], seen[first], seen[last])
            if off > far:
                far, at = off, here
        if far > tolerance:
            kept.add(at)
            todo += [(first, at), (at, last)]
    return [line[at] for at in sorted(kept)]


def _distance(point: Point, start: Point, end: Point) -> float:
    """Distance of a point from a piece of line; a piece without length is a point."""
    (x, y), (ax, ay), (bx, by) = point, start, end
    length = (bx - ax) ** 2 + (by - ay) ** 2
    along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length if length else 0.0
    along = min(1.0, max(0.0, along))
    return math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))


def cut(ring: Ring) -> list[Ring]:
    """The parts of a ring of degrees on the map, each from -180° to 180°.

    Without this a place on both sides of the line is drawn as a bar across the whole map.
    """
    *line, end = unwrapped([*ring, ring[0]])
    if abs(line[0][0] - end[0]) > 1:
        raise ValueError("a ring runs round a pole and cannot be laid flat: leave its place out")
    parts = []
    for shift in (-360.0, 0.0, 360.0):
        part = [(x + shift, y) for x, y in line]
        part = _beyond(part, -180.0, 1)
        part = _beyond(part, 180.0, -1)
        if part:
            parts.append(part)
    return parts


def _beyond(ring: Ring, edge: float, sign: int) -> Ring:
    """What of the ring is on one side of a meridian (Sutherland-Hodgman)."""
    inside = []
    for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1], strict=True):
        a_in, b_in = sign * (ax - edge) >= 0, sign * (bx - edge) >= 0
        if a_in:
            inside.append((ax, ay))
        if a_in != b_in:
            inside.append((edge, ay + (by - ay) * (edge - ax) / (bx - ax)))
    return inside


def natural_earth(point: Point) -> Point:
    """Map units of a point in degrees, in the Natural Earth projection of Tom Patterson."""
    x, y = math.radians(point[0]), math.radians(point[1])
    a, b = y * y, y**4
    wide = 0.8707 - 0.131979 * a + b * (-0.013791 + b * (0.003971 * a - 0.001529 * b))
    high = y * (1.007226 + a * (0.015085 + b * (-0.044475 + 0.028874 * a - 0.005916 * b)))
    return x * wide * UNITS_A_RADIAN, -high * UNITS_A_RADIAN


def world_point(point: Point) -> Point:
    """Where a point in degrees is in the view box of the world."""
    x, y = natural_earth(point)
    return x + WORLD_WIDTH / 2, y - natural_earth((0.0, NORTH))[1]


def area(ring: Ring) -> float:
    """Area in square units, positive whichever way the ring runs."""
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairwise([*ring, ring[0]]))) / 2


def centre(ring: Ring) -> Point:
    """The centre of gravity; of a ring without area the mean of its points."""
    doubled = x = y = 0.0
    for (ax, ay), (bx, by) in pairwise([*ring, ring[0]]):
        turn = ax * by - bx * ay
        doubled, x, y = doubled + turn, x + (ax + bx) * turn, y + (ay + by) * turn
    if abs(doubled) < 1e-9:
        return sum(p[0] for p in ring) / len(ring), sum(p[1] for p in ring) / len(ring)
    return x / (3 * doubled), y / (3 * doubled)


def joined(indices: list[int], arcs: list[Ring]) -> Ring:
    """One ring from the arcs it consists of; a negative index is an arc run backwards."""
    ring: Ring = []
    for index in indices:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        ring += arc[1:] if ring else arc
    return ring[:-1]


def polygons_of(geometry: Mapping[str, Any], arcs: list[Ring]) -> Iterator[list[Ring]]:
    """The polygons of one atlas entry, outline before holes, in the coordinates of the arcs."""
    single = geometry["type"] == "Polygon"
    for rings in [geometry["arcs"]] if single else geometry["arcs"]:
        yield [joined(indices, arcs) for indices in rings]


def code_of(geometry: Mapping[str, Any]) -> str | None:
    """The rulebook's code of an atlas entry; empty for land of no place, None to leave it out."""
    number, name = geometry.get("id"), geometry["properties"]["name"]
    if number in LEFT_OUT:
        return None
    code = NAMED.get(name) if number is None else ALPHA.get(number)
    if code is None:
        raise ValueError(f"the atlas has {name} ({number}); expected a line in ISO or NAMED for it")
    return code


def carved(code: str, outline: Ring) -> str:
    """The code of a polygon that the atlas gives to another place, else the code given."""
    x, y = outline[0]
    for own, whole, west, south, east, north in CARVED:
        if whole == code and west <= x <= east and south <= y <= north:
            return own
    return code


def world(topology: Mapping[str, Any]) -> Drawing:
    """The world without Antarctica, every place of the atlas by its code."""
    degree = natural_earth((1.0, 0.0))[0]
    style = Style(tolerance=0.15 * degree, sliver=0.4, hittable=8.0, radius=4.0)
    height = math.ceil(world_point((0.0, SOUTH))[1])
    drawing = Drawing(WORLD_SOURCE, WORLD_WIDTH, height, style)
    arcs = [thinned(unwrapped(a), style.tolerance, natural_earth) for a in decoded(topology)]
    for geometry in topology["objects"]["countries"]["geometries"]:
        code = code_of(geometry)
        if code is None:
            continue
        for polygon in polygons_of(geometry, arcs):
            rings = drawing.rings.setdefault(carved(code, polygon[0]), [])
            for part in (part for ring in polygon for part in cut(ring)):
                rings.append([world_point(point) for point in part])
    drawing.points.update({code: world_point(point) for code, point in DOTS.items()})
    edge = [float(y) for y in range(int(NORTH), int(SOUTH) - 1, -3)]
    drawing.sea = [world_point((180.0, y)) for y in edge]
    drawing.sea += [world_point((-180.0, y)) for y in reversed(edge)]
    return drawing


def united_states(topology: Mapping[str, Any]) -> Drawing:
    """The states and the District of Columbia; the atlas has laid them out (Albers) already."""
    west, north, east, south = topology["bbox"]
    style = Style(tolerance=0.35, sliver=1.5, hittable=60.0, radius=7.0)
    drawing = Drawing(US_SOURCE, math.ceil(east - west + 4), math.ceil(south - north + 4), style)
    arcs = [
        [(x - west + 2, y - north + 2) for x, y in thinned(arc, style.tolerance, lambda p: p)]
        for arc in decoded(topology)
    ]
    for geometry in topology["objects"]["states"]["geometries"]:
        code = f"US-{STATES[geometry['id']]}"
        drawing.rings[code] = [ring for rings in polygons_of(geometry, arcs) for ring in rings]
    return drawing


def tenths(ring: Ring) -> list[tuple[int, int]]:
    """The ring in whole tenths of a unit, without points that fall together."""
    points: list[tuple[int, int]] = []
    for x, y in ring:
        point = round(x * 10), round(y * 10)
        if not points or point != points[-1]:
            points.append(point)
    while len(points) > 1 and points[0] == points[-1]:
        points.pop()
    return points


def path(rings: Iterable[Ring]) -> str:
    """SVG path data of closed rings; after the first point every number is a difference."""
    data = []
    for points in map(tenths, rings):
        if len(points) < 3:
            continue
        steps = [n for (ax, ay), (bx, by) in pairwise(points) for n in (bx - ax, by - ay)]
        data.append(f"M{numbers(points[0])}l{numbers(steps)}z")
    return "".join(data)


def numbers(values: Iterable[int]) -> str:
    """Tenths as decimals, as short as SVG allows: a minus sign needs no space before it."""
    words = []
    for value in values:
        whole, rest = divmod(abs(value), 10)
        word = (str(whole) if whole or not rest else "") + (f".{rest}" if rest else "")
        words.append(f"-{word}" if value < 0 else f" {word}")
    return "".join(words).strip()


def spread(anchors: Mapping[str, Point], gap: float) -> dict[str, Point]:
    """Where dots go so that none is closer to another than `gap`, each near where it belongs."""
    codes = sorted(anchors)
    at = {code: list(anchors[code]) for code in codes}
    for step in range(SPREAD_STEPS):
        for turn, (one, two) in enumerate(combinations(codes, 2)):
            dx, dy = at[two][0] - at[one][0], at[two][1] - at[one][1]
            apart = math.hypot(dx, dy)
            if apart >= gap:
                continue
            if apart < 1e-6:  # two in one spot: any direction will do, but the same each time
                dx, dy, apart = math.cos(turn), math.sin(turn), 1.0
            push = (gap - min(apart, gap)) / 2 / apart
            for code, sign in ((one, -1), (two, 1)):
                at[code][0] += sign * dx * push
                at[code][1] += sign * dy * push
        if step < SPREAD_STEPS / 2:
            for code in codes:  # back towards home, so that nobody drifts further than needed
                for axis in (0, 1):
                    at[code][axis] += (anchors[code][axis] - at[code][axis]) * 0.05
    return {code: (x, y) for code, (x, y) in at.items()}


def places(drawing: Drawing) -> list[dict[str, Any]]:
    """The entries of a map file, sorted by code."""
    style = drawing.style
    shapes: dict[str, list[Ring]] = {}
    homes = dict(drawing.points)
    for code in sorted(drawing.rings.keys() - {""}):
        rings = sorted(drawing.rings[code], key=area, reverse=True)
        homes[code] = centre(rings[0])
        shapes[code] = [rings[0], *(ring for ring in rings[1:] if area(ring) >= style.sliver)]
    largest = {code: area(rings[0]) for code, rings in shapes.items()}
    small = {c: home for c, home in homes.items() if largest.get(c, 0.0) < style.hittable}
    dots = spread(small, 2 * style.radius + 1)
    entries = []
    for code, home in sorted(homes.items()):
        x, y = dots.get(code, home)
        entry = {
            "code": code,
            "path": path(shapes.get(code, ())),
            "x": round(x, 1),
            "y": round(y, 1),
            "dot": code in dots,
        }
        if math.dist((x, y), home) > style.radius:
            (ax, ay), (bx, by) = tenths([home, (x, y)])
            entry["lead"] = f"M{numbers((ax, ay))}L{numbers((bx, by))}"
        entries.append(entry)
    return entries


def text(drawing: Drawing) -> str:
    """The map file: JSON with one place on a line, so that a change can be read."""
    land = [ring for ring in drawing.rings.get("", []) if area(ring) >= drawing.style.sliver]
    head = {
        "source": drawing.source,
        "view_box": f"0 0 {drawing.width:g} {drawing.height:g}",
        "radius": drawing.style.radius,
        "sea": path([drawing.sea]),
        "land": path(land),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    entries = ",\n".join(json.dumps(entry) for entry in places(drawing))
    return "\n".join(["{", *lines, '"places": [', entries, "]}", ""])


def missing(world_codes: set[str], us_codes: set[str]) -> list[str]:
    """Codes of the rulebook that belong on one of the maps and are not there."""
    on_world = {"US"}
    on_us = set()
    for code, jurisdiction in rules.packaged().jurisdictions.items():
        if jurisdiction.kind in ("country", "territory"):
            on_world.add(code)
        elif jurisdiction.kind == "state" and code.startswith("US-"):
            on_us.add(code)
    return sorted((on_world - world_codes) | (on_us - us_codes))


def read(file: Path, sha256: str) -> Any:
    """The atlas file, if it is the one that the tables above were written for."""
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{file} has SHA-256 {found}, expected {sha256}: take the version named at the top, "
            "or look at the new atlas and change the number here"
        )
    return json.loads(content)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write(__doc__ or "")
        return 2
    drawn = {
        "world": world(read(Path(arguments[0]), WORLD_SHA256)),
        "us": united_states(read(Path(arguments[1]), US_SHA256)),
    }
    gone = missing(*(drawing.rings.keys() | drawing.points.keys() for drawing in drawn.values()))
    if gone:
        sys.stderr.write(f"on no map: {' '.join(gone)}; give each a line in DOTS or CARVED\n")
        return 1
    HERE.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawn.items():
        (HERE / f"{name}.json").write_text(text(drawing), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
