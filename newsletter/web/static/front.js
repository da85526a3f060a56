// Keeps the front page at what /status.json says. Without scripts the page reloads itself instead.
"use strict";

(() => {
  const every = 1500; // milliseconds; the next question is asked only after the last answer
  let known = null;

  async function look() {
    try {
      const answer = await fetch("/status.json");
      const status = answer.ok ? await answer.text() : known;
      if (known !== null && status !== known) await show();
      known = status;
    } catch {
      // The service is being restarted; the next look will find it.
    }
    window.setTimeout(look, every);
  }

  async function show() {
    const answer = await fetch("/");
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [live, next] = [document, fresh].map((page) => page.getElementById("live"));
    if (!live || !next) return;
    const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
    live.replaceWith(next);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    const said = next.querySelector(".trouble .words, .held .words, .now .words, li:last-child .words");
    const voice = document.getElementById("voice");
    if (said && voice) voice.textContent = said.textContent;
  }

  window.setTimeout(look, every);
})();
