from __future__ import annotations

import gzip
import importlib.util
import math
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from babel.core import get_global

from askfirst import rules
from askfirst.errors import InvalidInput, NotFound
from askfirst.web import maps
from askfirst.web.maps import KINDS, MAPS, Mark, chart, svg

ROOT = Path(__file__).parent.parent.parent
SVG = "{http://www.w3.org/2000/svg}"
CODES = sorted(rules.packaged().jurisdictions)
MARKS = {code: (KINDS[at % len(KINDS)], "Ask first – everyone") for at, code in enumerate(CODES)}


def drawn(which: str, marks: dict[str, Mark] | None = None) -> str:
    return svg(
        which,
        MARKS if marks is None else marks,
        title="Where to ask",
        href=lambda code: f"/rules/{code}",
        name=lambda code: rules.packaged().jurisdictions[code].name["en"],
    )


def links(text: str) -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(text)  # noqa: S314  our own text
    return {link.attrib["href"].removeprefix("/rules/"): link for link in root.iter(f"{SVG}a")}


def outlines(data: str) -> Iterator[list[tuple[float, float]]]:
    """The closed outlines of path data as absolute points."""
    for part in data.split("z"):
        if part:
            numbers = [float(n) for n in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", part)]
            x, y = numbers[:2]
            points = [(x, y)]
            for dx, dy in zip(numbers[2::2], numbers[3::2], strict=True):
                x, y = x + dx, y + dy
                points.append((x, y))
            yield points


def size(which: str) -> tuple[float, float]:
    _, _, width, height = map(float, chart(which).view_box.split())
    return width, height


@cache
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_maps", ROOT / "tools" / "draw_maps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["draw_maps"] = module  # its dataclasses look themselves up by module name
    spec.loader.exec_module(module)
    return module


def test_every_country_and_territory_of_the_rulebook_is_a_link_on_the_world_map() -> None:
    expected = {
        code
        for code, jurisdiction in rules.packaged().jurisdictions.items()
        if jurisdiction.kind in ("country", "territory")
    }
    assert len(expected) > 150
    assert set(links(drawn("world"))) == expected | {"US"}


def test_every_state_and_the_capital_is_a_link_on_the_us_map() -> None:
    states = {
        code
        for code, jurisdiction in rules.packaged().jurisdictions.items()
        if jurisdiction.kind == "state" and code.startswith("US-")
    }
    assert len(states) == 51
    assert set(links(drawn("us"))) == states


@pytest.mark.parametrize("which", MAPS)
def test_no_line_runs_further_than_across_half_the_map(which: str) -> None:
    width, _ = size(which)
    stored = chart(which)
    for data in (stored.land, *(place.path for place in stored.places)):
        for points in outlines(data):
            for (ax, _), (bx, _) in pairwise([*points, points[0]]):
                assert abs(bx - ax) < width / 2


def test_russia_is_drawn_on_both_sides_of_the_date_line_and_on_nothing_between() -> None:
    width, _ = size("world")
    (russia,) = (place.path for place in chart("world").places if place.code == "RU")
    middles = [sum(x for x, _ in points) / len(points) for points in outlines(russia)]
    assert min(middles) < width / 4
    assert max(middles) > width * 3 / 4
    assert not any(width / 4 < middle < width / 2 for middle in middles)


@pytest.mark.parametrize("which", MAPS)
def test_everything_lies_inside_the_view_box(which: str) -> None:
    width, height = size(which)
    stored = chart(which)
    paths = (stored.sea, stored.land, *(place.path for place in stored.places))
    points = [point for data in paths for outline in outlines(data) for point in outline]
    points += [(place.x, place.y) for place in stored.places]
    assert len(points) > 5000
    assert all(-0.1 <= x <= width + 0.1 and -0.1 <= y <= height + 0.1 for x, y in points)


def test_no_land_lies_beyond_the_edge_of_the_world() -> None:
    width, _ = size("world")
    stored = chart("world")
    (sea,) = outlines(stored.sea)
    edge = sorted((y, x) for x, y in sea if x > width / 2)
    for data in (stored.land, *(place.path for place in stored.places)):
        for x, y in (point for points in outlines(data) for point in points):
            (above, left), (below, right) = next(
                (one, two) for one, two in pairwise(edge) if one[0] <= y <= two[0]
            )
            limit = left + (right - left) * (y - above) / (below - above)
            assert abs(x - width / 2) <= limit - width / 2 + 0.3


@pytest.mark.parametrize("which", MAPS)
def test_places_are_sorted_and_each_has_something_to_hit(which: str) -> None:
    places = chart(which).places
    assert [place.code for place in places] == sorted({place.code for place in places})
    assert all(place.dot or list(outlines(place.path)) for place in places)


@pytest.mark.parametrize("which", MAPS)
def test_dots_do_not_cover_each_other(which: str) -> None:
    stored = chart(which)
    dots = [place for place in stored.places if place.dot]
    assert dots
    for one, two in combinations(dots, 2):
        assert math.dist((one.x, one.y), (two.x, two.y)) > 2 * stored.radius, (one.code, two.code)


def test_small_and_remote_places_are_where_they_belong() -> None:
    by_code = {place.code: place for place in chart("world").places}
    south_of = [("SJ", "NO"), ("NO", "GI"), ("GI", "GP"), ("GP", "GF"), ("GF", "RE")]
    west_of = [
        ("GP", "GI"),
        ("GI", "YT"),
        ("YT", "RE"),
        ("RE", "CC"),
        ("CC", "CX"),
        ("CX", "US-GU"),
    ]
    assert all(by_code[north].y < by_code[south].y for north, south in south_of)
    assert all(by_code[west].x < by_code[east].x for west, east in west_of)
    assert {"GI", "GP", "MQ", "RE", "YT", "AX", "CX", "CC", "MT", "SG"} <= {
        place.code for place in chart("world").places if place.dot
    }
    assert not by_code["GF"].dot


@pytest.mark.parametrize("which", MAPS)
def test_the_text_is_well_formed_and_needs_neither_style_nor_script(which: str) -> None:
    root = ElementTree.fromstring(drawn(which))  # noqa: S314  our own text
    assert root.tag == f"{SVG}svg"
    for element in root.iter():
        assert element.tag not in (f"{SVG}style", f"{SVG}script")
        assert not [name for name in element.attrib if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("which", MAPS)
def test_the_map_has_a_name_a_description_and_links_that_a_screen_reader_can_reach(
    which: str,
) -> None:
    root = ElementTree.fromstring(drawn(which))  # noqa: S314  our own text
    texts = {element.get("id"): element.text for element in root.iter()}
    assert texts[root.get("aria-labelledby")] == "Where to ask"
    assert texts[root.get("aria-describedby")] == maps.DESCRIPTION
    assert root.get("role") == "group"
    for code, link in links(drawn(which)).items():
        name = rules.packaged().jurisdictions[code].name["en"]
        assert link.findtext(f"{SVG}title") == f"{name}: Ask first – everyone"


def test_each_kind_has_lines_of_its_own_so_that_colour_is_never_alone() -> None:
    root = ElementTree.fromstring(drawn("world"))  # noqa: S314  our own text
    lines = {
        pattern.attrib["id"]: pattern.findall(f"{SVG}path")[0].attrib["d"]
        for pattern in root.iter(f"{SVG}pattern")
    }
    assert set(lines) == {
        f"map-world-{kind}" for kind in ("may", "tell", "ask", "no", "unreviewed")
    }
    assert len(set(lines.values())) == len(lines)


def test_a_place_carries_the_class_and_the_hatch_of_its_mark() -> None:
    for code, link in links(drawn("us")).items():
        kind = MARKS[code][0]
        for shape in link:
            if "place" in shape.get("class", ""):
                assert kind in shape.attrib["class"].split()
                assert shape.attrib["fill"] == f"url(#map-us-{kind})"


def test_words_from_outside_are_escaped() -> None:
    sharp = "<script>alert(\"1\" & '2')</script>"
    text = svg(
        "us",
        {"US-CA": ("ask", sharp), "US-DC": ("no", sharp)},
        title=sharp,
        href=lambda code: f"/rules/{code}?a=\"><b>&c='",
        name=lambda code: sharp,
        description=sharp,
    )
    root = ElementTree.fromstring(text)  # noqa: S314  our own text
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in text
    assert root.findtext(f"{SVG}title") == root.findtext(f"{SVG}desc") == sharp
    link = next(root.iter(f"{SVG}a"))
    assert link.attrib == {"href": "/rules/US-CA?a=\"><b>&c='"}
    assert link.findtext(f"{SVG}title") == f"{sharp}: {sharp}"


def test_a_place_without_a_mark_is_land_without_a_link() -> None:
    text = drawn("us", {"US-CA": ("ask", "Ask first")})
    assert set(links(text)) == {"US-CA"}
    by_code = {place.code: place for place in chart("us").places}
    land = re.search(r'class="land" d="([^"]*)"', text)
    assert land is not None
    assert by_code["US-TX"].path in land[1]
    assert by_code["US-CA"].path not in land[1]


def test_a_kind_that_has_no_hatch_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the mark of NO is 'maybe'; expected one of: may, tell"):
        drawn("world", {"NO": ("maybe", "Perhaps")})


def test_a_map_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFound, match=r"no map '\.\./us'; expected one of: world, us"):
        drawn("../us")


@pytest.mark.parametrize("which", MAPS)
def test_the_same_marks_give_the_same_text_in_whatever_order_they_come(which: str) -> None:
    assert drawn(which) == drawn(which, dict(reversed(MARKS.items())))


@pytest.mark.parametrize(
    ("which", "raw", "packed"), [("world", 160_000, 45_000), ("us", 60_000, 20_000)]
)
def test_a_map_is_small_enough_to_be_sent(which: str, raw: int, packed: int) -> None:
    content = drawn(which).encode()
    assert len(content) <= raw
    assert len(gzip.compress(content, mtime=0)) <= packed


def test_a_ring_across_the_date_line_is_cut_into_two_that_touch_it() -> None:
    ring = [(170.0, 60.0), (-170.0, 60.0), (-170.0, 50.0), (170.0, 50.0)]
    east, west = sorted(tool().cut(ring), key=lambda part: -max(x for x, _ in part))
    assert {x for x, _ in east} == {170.0, 180.0}
    assert {x for x, _ in west} == {-180.0, -170.0}
    assert [tool().area(part) for part in (east, west)] == [100.0, 100.0]


def test_a_ring_round_the_pole_is_refused() -> None:
    ring = [(float(x), -70.0) for x in range(-180, 180, 20)]
    with pytest.raises(ValueError, match="runs round a pole"):
        tool().cut(ring)


def test_thinning_keeps_both_ends_and_every_point_that_matters() -> None:
    line = [(0.0, 0.0), (1.0, 0.05), (2.0, 0.0), (3.0, 1.0), (4.0, 0.0)]
    thin = tool().thinned(line, 0.2, lambda point: point)
    assert thin == [line[0], line[2], line[3], line[4]]


def test_path_data_read_back_are_the_points_to_a_tenth() -> None:
    ring = [(0.04, 10.0), (-0.31, 10.0), (12.5, -3.26), (12.5, 4.0)]
    (points,) = outlines(tool().path([ring]))
    assert points == [
        pytest.approx(p, abs=1e-9) for p in [(0, 10), (-0.3, 10), (12.5, -3.3), (12.5, 4)]
    ]


def test_the_country_numbers_of_the_tool_are_those_of_the_standard() -> None:
    standard = get_global("territory_aliases")
    assert len(tool().ALPHA) > 230
    for number, code in tool().ALPHA.items():
        assert standard[number] == [code.removeprefix("US-")]
