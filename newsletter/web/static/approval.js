// The page of an approval: counts down to the send, and shows how it goes without being asked.
"use strict";
(() => {
  const LOOK = 2000; // milliseconds
  const live = () => document.getElementById("live");

  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function length(seconds) {
    const said = [];
    for (const [size, unit] of UNITS) {
      const count = Math.floor(seconds / size);
      seconds -= count * size;
      if (count) said.push(`${count} ${unit}`);
    }
    return said.slice(0, 2).join(" ") || "0 s";
  }

  function countDown() {
    const until = document.querySelector("time[data-until]");
    if (!until) return false;
    const seconds = Math.round((Date.parse(until.dataset.until) - Date.now()) / 1000);
    until.textContent = seconds > 0 ? length(seconds) : "a moment";
    return seconds < 10;
  }

  async function look() {
    let page;
    try {
      const answer = await fetch(live().dataset.page, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return; // the next look finds it
    }
    const now = page.getElementById("live");
    if (!now) return;
    if (now.dataset.status !== live().dataset.status) {
      location.assign(live().dataset.page); // other things can be done now
      return;
    }
    const focused = document.activeElement && document.activeElement.id;
    if (now.innerHTML !== live().innerHTML) live().replaceWith(document.adoptNode(now));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  let looking = false;
  let last = 0;
  setInterval(async () => {
    const close = countDown();
    if (looking || document.hidden || !(close || "live" in live().dataset)) return;
    if (Date.now() - last < LOOK) return;
    looking = true;
    last = Date.now();
    await look();
    looking = false;
  }, 500);
})();
