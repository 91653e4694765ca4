"""The page of an explanation."""

from frozenvl.report.explanation import explanation_page, strongest

MAPS = {
    "method": "occlusion",
    "settings": {"grid": 2},
    "baseline": "mean",
    "unit": "nats",
    "names": ["<b>red</b>", "star"],
    "value": [-1.0, -2.5],
    "value_at_baseline": [-4.0, -2.0],
    "facts": {"steps": [1, 2]},
    "values": [[[0.0, 3.0], [-4.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]],
    "spread": None,
}
RECORD = {
    "image": "<i>photo.jpg",
    "question": "what?",
    "text": "red star",
    "against": "",
    "maps": [MAPS],
    "refused": {"attention": "no places"},
    "provenance": {"checkpoint": "runs/demo", "versions": {"torch": "1"}},
}


def test_strongest_cells_are_counted_from_the_top_left():
    assert strongest(MAPS, 0, 2) == "2,1: -4  1,2: +3"
    assert strongest(MAPS, 1) == ""


def test_the_page_has_the_picture_the_numbers_and_the_provenance():
    page = explanation_page(RECORD, [b"png"])
    assert "data:image/png;base64,cG5n" in page and "2,1: -4" in page
    assert "-2.500" in page and "runs/demo" in page and "attention: no places" in page
    assert "&lt;b&gt;red&lt;/b&gt;" in page and "<b>red" not in page and "<i>photo" not in page
    assert "Red cells raise the value" in page
    assert "settings.grid" in page and "http" not in page.replace("http-equiv", "")


def test_maps_without_values_have_no_columns_for_them():
    maps = MAPS | {"value": None, "value_at_baseline": None, "baseline": "", "unit": "share"}
    page = explanation_page(RECORD | {"maps": [maps]}, [b"png"])
    assert "-2.500" not in page and "Baseline:" not in page and "Red cells" not in page
