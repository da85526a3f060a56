// Keeps the front page at what /status.json says. Without scripts the page reloads itself instead.
"use strict";

(() => {
  const every = 1500; // milliseconds; the next question is asked only after the last answer

  async function look() {
    try {
      const answer = await fetch("/status.json");
      const shown = document.getElementById("live").dataset.stamp;
      if (answer.ok && (await answer.json()).stamp !== shown) await show();
    } catch {
      // The service is being restarted; the next look will find it.
    }
    window.setTimeout(look, every);
  }

  async function show() {
    const answer = await fetch("/");
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const live = document.getElementById("live");
    const next = fresh.getElementById("live");
    if (!next) return;
    const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
    live.replaceWith(next);
    document.title = fresh.title;
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    const said = next.querySelector(".trouble .words, .held .words, .now .words, .steps li:last-child .words");
    if (said) document.getElementById("voice").textContent = said.textContent;
  }

  window.setTimeout(look, every);
})();
