// Follows something that runs: asks for its page again until it has ended. Without scripts the page reloads itself.
"use strict";

(() => {
  const every = 1500; // milliseconds; the next question is asked only after the last answer

  async function look() {
    try {
      const answer = await fetch(window.location.href);
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = fresh.getElementById("live");
        if (next && !("runs" in next.dataset)) {
          window.location.reload();
          return;
        }
        if (next) document.getElementById("live").replaceWith(next);
      }
    } catch {
      // The service is being restarted; the next look will find it.
    }
    window.setTimeout(look, every);
  }

  window.setTimeout(look, every);
})();
