# SPDX-License-Identifier: Apache-2.0
"""The page on / of the debug port, in a real browser. The screenshots stay in build/screenshots to be looked at."""

import pytest

from harness import cluster as clusters
from harness import server as servers
from harness.basics import BUILD, until
from harness.browser import Browser, chromium_binary
from harness.venv import Missing

TEAM = "page"
EVIL = "<b onmouseover=alert(1)>&'"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    try:
        binary = chromium_binary()
    except Missing as e:
        pytest.skip(str(e))
    running = Browser(binary, tmp_path_factory.mktemp("browser"))
    yield running
    running.stop()


@pytest.fixture
def world(tmp_path):
    """An API server of the test's own: what it holds is what the page shows."""
    running = clusters.Devkube(tmp_path / "devkube")
    yield running
    running.stop()


@pytest.fixture
def page(world, tmp_path):
    server = servers.Server(world, tmp_path, ["--disable", "webhook,status"])
    yield server.start()
    server.kill()


def url(server, query=""):
    return f"http://127.0.0.1:{server.debug_port}/{query}"


def route(name, fqdn=None, routes=None):
    spec = {"routes": routes or [{"match": "/", "services": [{"name": "web", "port": 80}]}]}
    if fqdn:
        spec["virtualhost"] = {"fqdn": fqdn}
    return {"apiVersion": "contour.heptio.com/v1beta1", "kind": "IngressRoute", "spec": spec,
            "metadata": {"name": name, "namespace": TEAM}}


def keep(browser, name):
    folder = BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    browser.screenshot(folder / f"{name}.png")


def fits(browser):
    return browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def text(browser):
    return browser.evaluate("document.body.innerText")


def fill(world, routes):
    world.load([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}},
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": TEAM},
                 "spec": {"ports": [{"port": 80}]}}, *routes])


def await_hosts(server, count):
    def shown():
        status, body = server.http("/", server.debug_port)
        return status == 200 and f">Hosts ({count})<" in body
    until(shown, f"{count} hosts on the page", 60)


def test_page__nothing_to_show__says_so_on_screen_and_phone(page, browser):
    browser.open(url(page))
    assert "There is none yet" in text(browser) and "ready" in text(browser)
    keep(browser, "empty")
    browser.open(url(page), 390, 844, dark=True)
    assert fits(browser)
    keep(browser, "empty-phone-dark")


def test_page__thirty_hosts__trees_findings_and_search(world, page, browser):
    fill(world, [route(f"site-{n}", f"site-{n}.page.test") for n in range(28)] + [
        route("shop", "shop.page.test", [
            {"match": "/", "services": [{"name": "web", "port": 80}]},
            {"match": "/blog", "delegate": {"name": "blog"}}, {"match": "/lost", "delegate": {"name": "nobody"}}]),
        route("blog", None, [{"match": "/blog", "services": [{"name": "missing", "port": 80}]}]),
        route("bad", "bad.page.test", [{"match": "no-slash", "services": [{"name": "web", "port": 80}]}])])
    await_hosts(page, 30)
    browser.open(url(page))
    assert "page 1 of" not in text(browser)
    assert browser.evaluate("document.querySelectorAll('#hosts ~ details').length") == 30
    keep(browser, "thirty")
    browser.open(url(page, "?q=SHOP"))
    assert "Hosts (1 of 30)" in text(browser)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    shown = text(browser)
    assert "/blog → IngressRoute page/blog" in shown and "[ServiceNotFound]" in shown
    assert "IngressRoute page/nobody does not exist" in shown
    keep(browser, "shop")
    browser.open(url(page, "?q=shop"), 390, 844, dark=True)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert fits(browser)
    keep(browser, "shop-phone-dark")
    browser.open(url(page, "?q=servicenotfound"))
    assert "Hosts (1 of 30)" in text(browser) and "shop.page.test" in text(browser)


def test_page__markup_in_what_users_wrote__stays_text(world, page, browser):
    fill(world, [route("evil", "evil.page.test", [{"match": f"/{EVIL}", "services": [{"name": "web", "port": 80}]}])])
    await_hosts(page, 1)
    browser.open(url(page, "?q=%3Cb+onmouseover%3Dalert(1)%3E"))
    assert browser.evaluate("document.querySelectorAll('b, script, [onmouseover]').length") == 0
    assert browser.evaluate("document.querySelector('input').value") == "<b onmouseover=alert(1)>"
    browser.open(url(page))
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert EVIL in text(browser)
    assert browser.evaluate("document.querySelectorAll('b, script, [onmouseover]').length") == 0


def test_page__without_script__search_form_and_details_work(world, page, browser):
    fill(world, [route(f"site-{n}", f"site-{n}.page.test") for n in range(2)])
    await_hosts(page, 2)
    browser.open(url(page), script=False)
    # Typed and sent by the keyboard, as a reader does.
    box = browser.send("DOM.getDocument")["root"]["nodeId"]
    field = browser.send("DOM.querySelector", {"nodeId": box, "selector": "input"})["nodeId"]
    browser.send("DOM.focus", {"nodeId": field})
    browser.send("Input.insertText", {"text": "site-1"})
    browser.events.clear()
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", {"type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                                                "windowsVirtualKeyCode": 13})
    browser.await_load()
    assert browser.evaluate("location.search") == "?q=site-1"
    assert "Hosts (1 of 2)" in text(browser)


def test_page__ten_thousand_hosts__fifty_on_a_page(world, page, browser):
    fill(world, [route(f"many-{n:05}", f"many-{n:05}.page.test") for n in range(10000)])
    await_hosts(page, 10000)
    browser.open(url(page))
    assert browser.evaluate("document.querySelectorAll('#hosts ~ details').length") == 50
    assert "page 1 of 200" in text(browser) and "before" not in text(browser)
    keep(browser, "ten-thousand")
    browser.open(url(page, "?page=200"))
    assert "many-09999.page.test" in text(browser) and "next" not in text(browser)
    browser.open(url(page, "?q=many-0004&page=99"))
    assert "Hosts (10 of 10000)" in text(browser)
