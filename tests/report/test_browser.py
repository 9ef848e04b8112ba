"""The page as a person uses it: in a real browser, by mouse and keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.made import CLASSES

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
def address(report_folder: Path) -> str:
    return (report_folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        # Chromium has no sandbox of its own for root, as in a container.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: playwright.Browser, address: str) -> Iterator[playwright.Page]:
    """The page at a desktop's width; whatever it complains of or asks of others fails the test."""
    page, complaints = browser.new_page(viewport=DESKTOP), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(address)
    yield page
    allowed = ("blob:", "data:", address)
    assert [text for text in complaints if not text.startswith(allowed)] == []
    page.close()


def names(page: playwright.Page) -> list[str]:
    """Return the classes as the table shows them, from above."""
    return page.locator("#class-table tbody th:visible").all_inner_texts()


def test_columns_sort_by_mouse_and_keyboard(page: playwright.Page) -> None:
    """Numbers as numbers, largest first; what has none last, both ways."""
    assert names(page) == list(CLASSES)
    head = page.locator("#class-table th").filter(has_text="IoU").first
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    values = page.locator("#class-table tbody tr td:nth-child(2)").evaluate_all(
        "all => all.map(c => c.dataset.value)"
    )
    numbers = [float(value) for value in values if value]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) > 5
    assert names(page)[-1] == "absent"
    page.keyboard.press("Enter")  # on the button that has the focus
    assert head.get_attribute("aria-sort") == "ascending"
    assert names(page)[-1] == "absent"
    assert names(page)[0] != CLASSES[0]
    page.locator("#class-table th button").first.focus()
    page.keyboard.press("Space")
    assert names(page) == sorted(CLASSES, key=page_order(page))
    assert head.get_attribute("aria-sort") is None


def page_order(page: playwright.Page):  # type: ignore[no-untyped-def]
    """Return the key by which a browser sorts text."""
    order = page.evaluate("names => [...names].sort((a, b) => a.localeCompare(b))", list(CLASSES))
    return order.index


def test_the_slider_moves_by_mouse_and_keyboard(page: playwright.Page) -> None:
    """What is left of the border shows the photograph, right of it the prediction."""
    stage = page.locator(".stage").first
    border = "stage => getComputedStyle(stage).getPropertyValue('--at')"
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
    assert abs(float(stage.evaluate(border).rstrip("%")) - 25) < 4
    before = float(stage.evaluate(border).rstrip("%"))
    page.keyboard.press("ArrowRight")
    assert float(stage.evaluate(border).rstrip("%")) == before + 1
    assert page.locator(".stage").nth(1).evaluate(border) == "50%"
    shown = stage.locator(".layer:visible")
    assert shown.evaluate_all("all => all.map(i => i.className)") == ["layer prediction"]
    page.locator("#left").select_option("truth")
    page.locator("#right").select_option("errors")
    assert shown.evaluate_all("all => all.map(i => i.className)") == ["layer truth", "layer errors"]
    page.locator("#left").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".views").get_attribute("data-left") == "prediction"


def test_keys_on_a_picture_choose_its_views(page: playwright.Page) -> None:
    """Without them somebody at the last picture would tab back over all of them, and lose the place."""
    views, slider = page.locator(".views"), page.locator(".stage input").last
    slider.focus()
    for key, left, right in (
        ("4", "photo", "errors"),
        ("Shift+Digit2", "truth", "errors"),
        ("1", "truth", "photo"),
    ):
        page.keyboard.press(key)
        assert (views.get_attribute("data-left"), views.get_attribute("data-right")) == (left, right)
        assert page.locator("#left").input_value() == left
        assert page.locator("#right").input_value() == right
    page.keyboard.press("Control+Digit3")
    assert views.get_attribute("data-right") == "photo"
    assert slider.evaluate("input => input === document.activeElement && input.value") == "50"


def test_an_interval_has_an_end_on_each_side(page: playwright.Page) -> None:
    """Two ends at the same place look like an interval that is open to the left."""
    ends = """line => [["::before", "left"], ["::after", "right"]].map(
        ([end, side]) => getComputedStyle(line, end).getPropertyValue(side))"""
    assert page.locator("#class-table .bar b").first.evaluate(ends) == ["0px", "0px"]


PIXEL = """async image => {
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
}"""


def test_the_matrix_names_its_columns_in_their_middle(page: playwright.Page) -> None:
    """Beside it, a name could be taken for that of the next column."""
    offsets = page.locator(".matrix thead th span").evaluate_all(
        """all => all.map(span => {
            const [own, cell] = [span, span.parentNode].map(part => part.getBoundingClientRect());
            return Math.abs(own.left + own.right - cell.left - cell.right) / 2;
        })"""
    )
    assert len(offsets) == len(CLASSES)
    assert max(offsets) < 2


def test_the_filter_hides_classes_everywhere(page: playwright.Page) -> None:
    """In both tables, the matrix, the legend and the maps."""
    maps = page.locator(".stage").first.locator(".truth")
    before = maps.evaluate(PIXEL)
    page.get_by_text("Classes: all").click()
    page.get_by_role("button", name="none", exact=True).click()
    assert names(page) == []
    assert page.locator("article:visible").count() == 0
    dimmed = maps.evaluate(PIXEL)
    assert dimmed != before
    box = page.get_by_role("checkbox", name="class 5", exact=True)
    box.focus()
    page.keyboard.press("Space")
    assert names(page) == ["class 5"]
    assert page.locator("#shown").inner_text() == f"1 of {len(CLASSES)}"
    assert page.locator(".matrix tbody tr:visible").count() == 1
    page.get_by_role("button", name="all", exact=True).click()
    assert names(page) == list(CLASSES)
    assert maps.evaluate(PIXEL) == before


def test_the_second_palette_repaints_swatches_and_maps(page: playwright.Page) -> None:
    """A map in other colors than its legend would be worse than none."""
    swatch, first = (
        page.locator("#class-table .swatch").nth(3),
        page.locator(".stage").first.locator(".truth"),
    )
    color = "swatch => getComputedStyle(swatch).backgroundColor"
    before = swatch.evaluate(color), first.evaluate(PIXEL)
    page.locator("#palette").select_option("for the color-blind")
    after = swatch.evaluate(color), first.evaluate(PIXEL)
    assert before[0] != after[0]
    assert before[1] != after[1]
    painted = page.locator("#class-table .swatch").evaluate_all(f"all => all.map({color})")
    assert "rgb({}, {}, {})".format(*after[1][:3]) in painted


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_fits_and_can_be_read(
    browser: playwright.Browser, address: str, size: dict, scheme: str, tmp_path: Path
) -> None:
    """Nothing sticks out at the side; text stands out from its ground by 4.5 to 1, as WCAG wants it."""
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for selector in ("body", ".soft", ".cards dt", "thead th", "a", ".up, .down, body"):
        assert page.locator(selector).first.evaluate(CONTRAST) > 4.5, selector
    picture = tmp_path / f"{scheme}.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 50_000
    page.close()


CONTRAST = """element => {
    const light = (text) => {
        const parts = text.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05;
    };
    let under = element;
    while (getComputedStyle(under).backgroundColor === "rgba(0, 0, 0, 0)") under = under.parentElement;
    const two = [getComputedStyle(element).color, getComputedStyle(under).backgroundColor].map(light);
    return Math.max(...two) / Math.min(...two);
}"""
