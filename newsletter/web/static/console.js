// Keeps the console at this moment. Whoever is typing or deciding is left alone until they have done.
"use strict";

(() => {
  const every = 2000; // milliseconds; the next question is asked only after the last answer

  function isBusy(live) {
    const active = document.activeElement;
    if (live.querySelector("details[open]")) return true;
    if ([...live.querySelectorAll("input[name=reason]")].some((field) => field.value)) return true;
    return live.contains(active) && active.matches("input");
  }

  async function look() {
    const live = document.getElementById("live");
    try {
      if (!document.hidden && !isBusy(live)) {
        const answer = await fetch("/console");
        if (answer.ok && !answer.redirected && !isBusy(live)) show(live, await answer.text());
      }
    } catch {
      // The service is being restarted; the next look will find it.
    }
    window.setTimeout(look, every);
  }

  function show(live, html) {
    const next = new DOMParser().parseFromString(html, "text/html").getElementById("live");
    if (!next) return;
    const told = [...live.querySelectorAll(".notice strong")].map((one) => one.textContent);
    const focused = live.contains(document.activeElement) ? document.activeElement.textContent : "";
    live.replaceWith(document.adoptNode(next));
    if (focused) [...next.querySelectorAll("a, button, summary")].find((one) => one.textContent === focused)?.focus({ preventScroll: true });
    const fresh = [...next.querySelectorAll(".notice strong")].map((one) => one.textContent);
    const news = fresh.filter((one) => !told.includes(one));
    if (news.length) document.getElementById("voice").textContent = news.join(" ");
  }

  window.setTimeout(look, every);
})();
