// The desk without reloading: saves as one types, reorders by dragging, shows what others change.
"use strict";
(() => {
  const desk = document.getElementById("desk");
  const words = document.getElementById("words");
  const REGIONS = ["state", "conflict", "suggestions", "comparisons", "preflight"];
  const dirty = new Set();
  let waiting = null;
  let busy = Promise.resolve();

  const field = (name) => document.getElementById(name);

  function take(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = page.getElementById("desk");
    if (!fresh) return;
    const open = [...desk.querySelectorAll("details[open]")].map((one) => one.closest("[data-id]")?.dataset.id || one.id);
    const focused = document.activeElement?.getAttribute("aria-label");
    for (const id of REGIONS) {
      const here = document.getElementById(id);
      const there = page.getElementById(id);
      if (here && there) here.replaceWith(document.adoptNode(there));
    }
    for (const key of open) {
      const again = document.getElementById(key) || desk.querySelector(`[data-id="${key}"] details`);
      if (again) again.open = true;
    }
    if (focused) [...desk.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
    const refused = page.querySelector("#conflict section");
    for (const name of ["subject", "preheader", "opening"]) {
      const there = page.getElementById(name);
      if (!dirty.has(name) && there) field(name).value = there.value;
    }
    // After a refusal the form keeps the old version: only the editor's own word goes on from here.
    if (!refused) words.elements.version.value = fresh.dataset.version;
    desk.dataset.version = fresh.dataset.version;
    const mail = document.getElementById("mail");
    const next = page.getElementById("mail");
    if (mail && next && mail.getAttribute("src") !== next.getAttribute("src")) mail.src = next.getAttribute("src");
    for (const inbox of [desk.querySelector(".inbox")]) inbox.replaceWith(document.adoptNode(page.querySelector(".inbox")));
  }

  function send(address, data) {
    busy = busy.then(async () => {
      const answer = await fetch(address, { method: "POST", body: new URLSearchParams(data) });
      const html = await answer.text();
      if (answer.ok || answer.status === 409) {
        if (answer.ok) dirty.clear();
        if (html.includes('id="desk"')) take(html);
        else document.getElementById("state").insertAdjacentText("beforeend", "Not saved: reload the page.");
      }
    }).catch(() => undefined);
    return busy;
  }

  desk.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    event.preventDefault();
    clearTimeout(waiting);
    const data = new FormData(form, event.submitter);
    if (form.closest("#conflict")) dirty.clear();
    send(form.action, data);
  });

  words.addEventListener("input", (event) => {
    dirty.add(event.target.name);
    const counts = desk.querySelector(`[data-counts="${event.target.name}"]`);
    if (counts) counts.textContent = `${event.target.value.length} of about ${counts.dataset.of} shown on a phone`;
    clearTimeout(waiting);
    waiting = setTimeout(() => words.reportValidity() && send(words.action, new FormData(words)), 900);
  });

  desk.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button) return;
    const row = grip.closest("li");
    const list = row.parentElement;
    event.preventDefault();
    row.classList.add("dragged");
    const move = (at) => {
      const over = document.elementFromPoint(at.clientX, at.clientY)?.closest("li[data-id]");
      if (!over || over === row || over.parentElement !== list) return;
      const box = over.getBoundingClientRect();
      list.insertBefore(row, at.clientY > box.top + box.height / 2 ? over.nextSibling : over);
    };
    const drop = () => {
      document.removeEventListener("pointermove", move);
      row.classList.remove("dragged");
      const data = new FormData();
      data.set("csrf", words.elements.csrf.value);
      data.set("version", desk.dataset.version);
      for (const one of list.children) data.append("order", one.dataset.id);
      send(list.dataset.order, data);
    };
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", drop, { once: true });
  });

  setInterval(async () => {
    try {
      const answer = await fetch(`/desk/${desk.dataset.issue}/state.json`);
      const now = await answer.json();
      if (String(now.version) === desk.dataset.version && now.status === desk.dataset.status) return;
      if (dirty.size) return; // the next save is refused if somebody was there first, and shows both
      take(await (await fetch(location.href)).text());
      desk.dataset.status = now.status;
    } catch {
      return; // asked again in a moment
    }
  }, 4000);
})();
