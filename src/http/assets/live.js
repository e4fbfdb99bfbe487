// Keeps a page up to date: asks for it again, and puts what has changed into the sections marked data-live.
//
// What has not changed is not touched, so that scrolling, focus, a selection and opened details stay as they are. When no answer
// comes, a banner says so: a page that is out of date must not look as if it weren't.
"use strict";

(() => {
  const FAILED_INTERVAL_MS = 10_000;
  const ANSWER_MS_MAX = 10_000;

  const main = document.getElementById("main");
  const banner = document.getElementById("stale-banner");
  let timer = null;
  let asking = false;

  // What the person has set, and not the server.
  const OWN = { DETAILS: ["open"] };

  function updateAttributes(old, fresh) {
    const own = OWN[old.nodeName] ?? [];
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !own.includes(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !own.includes(name)) old.setAttribute(name, value);
    }
  }

  function isSame(old, fresh) {
    return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && old.id === fresh.id;
  }

  function update(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    updateAttributes(old, fresh);
    updateChildren(old, fresh);
  }

  function updateChildren(old, fresh) {
    const before = [...old.childNodes];
    const after = [...fresh.childNodes];
    after.forEach((node, index) => {
      const there = before[index];
      if (there === undefined) old.append(document.importNode(node, true));
      else if (isSame(there, node)) update(there, node);
      else there.replaceWith(document.importNode(node, true));
    });
    before.slice(after.length).forEach((node) => node.remove());
  }

  function show(page) {
    const fresh = page.getElementById("main");
    if (fresh === null || !fresh.hasAttribute("data-interval-seconds")) throw new Error("another page answered");
    if (fresh.getAttribute("data-version") !== main.getAttribute("data-version")) {
      // The program was upgraded: the looks and this script may be others.
      location.reload();
      return;
    }
    for (const section of main.querySelectorAll("section[data-live]")) {
      const answer = page.getElementById(section.id);
      if (answer !== null && answer.outerHTML !== section.outerHTML) update(section, answer);
    }
    updateAttributes(main, fresh);
    document.title = page.title;
  }

  function warn(why) {
    const shown = new Date(main.getAttribute("data-now")).toISOString().slice(11, 19);
    const text = `This page shows the state of ${shown} UTC: ${why}. It tries again every ${FAILED_INTERVAL_MS / 1000} seconds.`;
    if (banner.textContent !== text) banner.textContent = text;
    banner.hidden = false;
    document.title = `⚠ not up to date — customer-mirror`;
  }

  async function ask() {
    if (asking || document.hidden) return;
    asking = true;
    clearTimeout(timer);
    let wait = FAILED_INTERVAL_MS;
    try {
      const answer = await fetch(location.href, {
        cache: "no-store",
        headers: { Accept: "text/html" },
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      if (!answer.ok) {
        warn(`the server answered ${answer.status}`);
      } else {
        show(new DOMParser().parseFromString(await answer.text(), "text/html"));
        banner.hidden = true;
        wait = Number(main.getAttribute("data-interval-seconds")) * 1000;
      }
    } catch (error) {
      warn(error.name === "TimeoutError" ? "the server doesn't answer in time" : "the server can't be reached");
    }
    asking = false;
    plan(wait);
  }

  // A hidden page asks for nothing. When it is shown again, it asks at once.
  function plan(wait) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, wait);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else ask();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) ask();
  });
  window.addEventListener("online", ask);

  plan(Number(main.getAttribute("data-interval-seconds")) * 1000);
})();
