"""The report in a headless Chromium: no complaint, no request; tables sort, runs toggle, images load."""

import json
import shutil

import pytest
from tests.runs.fake_runs import make_sweep

from elbolab.report.page import page_of
from elbolab.runs.gather import read_entries

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver: apt-get install chromium-driver"
    ),
]

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = make_sweep(tmp_path_factory.mktemp("report") / "sweep", betas=(16, 1, 4))
    (folder / "report.html").write_text(page_of(read_entries([folder]), title="a sweep", figures=24))
    return folder / "report.html"


@pytest.fixture
def page(browser, path):
    """The page, freshly opened at the size of a desktop."""
    sized(browser, 1280, 900)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(path.as_uri())
    browser.set_script_timeout(10)
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    return browser


def sized(browser, width, height):
    told = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)


def js(page, code):
    return page.execute_script(f"return {code}")


def column(page, title):
    """The texts of a column of the table that is shown, top to bottom."""
    return js(
        page,
        f"""(() => {{
            const table = document.querySelector('[data-table]:not([hidden]) table');
            const heads = [...table.tHead.rows[0].cells];
            const index = heads.findIndex((head) => head.querySelector('button').textContent === {json.dumps(title)});
            return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[index].textContent);
        }})()""",
    )


def click(page, selector):
    page.execute_script("document.querySelector(arguments[0]).click()", selector)


def head(page, title):
    (found,) = [
        button
        for button in page.find_elements("css selector", "[data-table]:not([hidden]) thead button")
        if button.text == title
    ]
    return found


def sort_of(button):
    return button.find_element("xpath", "..").get_attribute("aria-sort")


def test_it_opens_without_a_complaint_or_a_request(page, path):
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert path.as_uri() in urls
    assert [url for url in urls if not url.startswith(("data:", path.as_uri()))] == []


def test_every_image_loads(page):
    widths = js(page, "[...document.querySelectorAll('.figures img')].map((image) => image.naturalWidth)")
    assert len(widths) == 12
    assert min(widths) > 0


def test_the_table_sorts_by_click(page):
    assert column(page, "run") == ["beta=16", "beta=1", "beta=4", "beta=60, seed=0", "beta=70, seed=0"]
    nll = head(page, "nll, K=50")
    nll.click()
    assert sort_of(nll) == "ascending"
    assert column(page, "run")[:3] == ["beta=1", "beta=4", "beta=16"]
    nll.click()
    assert sort_of(nll) == "descending"
    assert column(page, "run") == ["beta=16", "beta=4", "beta=1", "beta=60, seed=0", "beta=70, seed=0"]  # none last


def test_the_table_sorts_by_keyboard_and_as_people_count(page):
    from selenium.webdriver.common.keys import Keys

    run = head(page, "run")
    run.send_keys(Keys.ENTER)
    assert sort_of(run) == "ascending"
    assert column(page, "run")[:3] == ["beta=1", "beta=4", "beta=16"]
    elbo = head(page, "elbo")
    elbo.send_keys(Keys.SPACE)
    assert (sort_of(elbo), sort_of(run)) == ("descending", "none")  # the best of a bound first
    assert column(page, "run")[0] == "beta=1"


def test_numbers_in_names_are_compared_as_numbers(page):
    names = ["b=4", "b=16", "b=0.5", "b=0.25", "b=1e-4", "b=0.001", "a=9", "b=0.5, c=1"]
    told = js(page, f"{json.dumps(names)}.sort(compareText)")
    assert told == ["a=9", "b=1e-4", "b=0.001", "b=0.25", "b=0.5", "b=0.5, c=1", "b=4", "b=16"]


def test_a_run_that_diverged_does_not_flatten_the_others(browser, tmp_path):
    """Its values are left out of the panel, which says so, until the full range is asked for."""

    def elbo():
        return js(browser, "[...document.querySelectorAll('[data-key=elbo] text')].map((text) => text.textContent)")

    folder = make_sweep(tmp_path / "sweep")
    (folder / "1" / "metrics.csv").write_text("step,epoch,val/elbo\n9,0,-3e9\n79,1,-4e9\n")
    (folder / "report.html").write_text(page_of(read_entries([folder]), title="a sweep", figures=0))
    sized(browser, 1280, 900)
    browser.get((folder / "report.html").as_uri())
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert "2 far-off values: full range shows them" in elbo()
    assert "−100" in elbo()
    click(browser, "#full-range")
    assert "−3e9" in elbo()
    assert not any("far-off" in text for text in elbo())


def test_runs_are_toggled_and_filtered_everywhere(page):
    def lines():
        return js(page, "document.querySelectorAll('[data-key=elbo] path.series').length")

    assert lines() == 6 * 2
    click(page, ".chip[data-group='0']")
    assert lines() == 4 * 2
    assert js(page, "document.querySelector('.chip').ariaPressed") == "false"
    assert column(page, "run")[:2] == ["beta=1", "beta=4"]
    page.find_element("id", "filter").send_keys("beta=4 seed=1")
    assert lines() == 2
    assert js(page, "[...document.querySelectorAll('.figures figure')].filter((f) => !f.hidden).length") == 2
    click(page, "#curve-train")
    assert lines() == 1


def test_every_run_has_its_state(page):
    click(page, "[data-view=runs]")
    assert column(page, "state") == ["finished"] * 6 + ["failed", "waiting"]
    assert column(page, "epoch")[0] == "4/4"


def test_values_are_read_by_pointer_and_keys(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    plot = page.find_element("css selector", "[data-kind=plane] .plot")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    mark = page.find_element("css selector", "[data-kind=plane] .mark")
    ActionChains(page).move_to_element(mark).perform()
    tip = page.find_element("id", "tip")
    assert tip.text == "beta=16, seed=0: rate 20, distortion 86, ELBO −106 nats"
    curve = page.find_element("css selector", "[data-key=elbo] .plot")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", curve)
    ActionChains(page).move_to_element(page.find_element("tag name", "h1")).perform()  # a pointer that leaves hides it
    WebDriverWait(page, 5).until(lambda _: not tip.text)
    curve.send_keys(Keys.ARROW_LEFT)
    WebDriverWait(page, 5).until(lambda _: "validation, step" in tip.text)
    first = tip.text
    curve.send_keys(Keys.ARROW_LEFT)
    assert tip.text != first


def test_a_drag_zooms_and_a_double_click_goes_back(page):
    from selenium.webdriver.common.action_chains import ActionChains

    def ticks():
        return js(page, "[...document.querySelectorAll('[data-key=elbo] text')].map((text) => text.textContent)")

    plot, before = page.find_element("css selector", "[data-key=elbo] .plot"), ticks()
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    ActionChains(page).move_to_element(plot).click_and_hold().move_by_offset(80, 0).release().perform()
    assert ticks() != before
    ActionChains(page).double_click(plot).perform()
    assert ticks() == before


def test_a_figure_is_enlarged(page):
    click(page, "[data-figures]:not([hidden]) .zoom")
    assert js(page, "document.querySelector('#large').open")
    assert js(page, "document.querySelector('#large img').alt") == "samples of beta=16, seed=0"


def test_nothing_but_tables_scrolls_sideways_on_a_phone(page):
    sized(page, 375, 700)
    assert js(page, "document.documentElement.scrollWidth") == 375
    assert js(page, "document.querySelector('[data-kind=plane] svg').getBoundingClientRect().right") <= 375


def test_it_is_dark_where_the_reader_is(page):
    def ground():
        return js(page, "getComputedStyle(document.body).backgroundColor")

    light = ground()
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    dark = ground()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert light == "rgb(255, 255, 255)"
    assert dark == "rgb(20, 23, 26)"


def test_a_script_that_got_in_would_not_run(page):
    """The policy admits the page's own script alone."""
    page.execute_script(
        "const own = document.createElement('script'); own.textContent = 'window.evil = 1'; document.body.append(own)"
    )
    assert js(page, "window.evil") is None
    assert "Content Security Policy" in page.get_log("browser")[0]["message"]
