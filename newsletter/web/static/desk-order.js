// The order of the comparisons: dragged by mouse, pen or finger, or moved with Alt and an arrow key.
"use strict";
(() => {
  const desk = document.getElementById("desk");
  const list = () => desk.querySelector(".pairs-list");
  const rows = () => [...list().children];
  const ids = () => rows().map((row) => row.dataset.id);
  const find = (id) => desk.querySelector(`li[data-id="${id}"]`);
  const EDGE = 40; // pixels
  const STEP = 9;
  let moved = null; // whose new place is to be told once the page has it

  desk.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button) return;
    const row = grip.closest("li");
    const before = ids();
    event.preventDefault();
    window.theDesk.hold(true);
    row.classList.add("dragged");
    document.body.classList.add("dragging");

    let [x, y] = [0, innerHeight / 2]; // until it moves
    const place = () => {
      const over = document.elementFromPoint(x, y);
      const other = over && over.closest(".pairs-list > li");
      if (!other || other === row) return;
      const box = other.getBoundingClientRect();
      list().insertBefore(row, y > box.top + box.height / 2 ? other.nextSibling : other);
    };
    const move = (at) => {
      [x, y] = [at.clientX, at.clientY];
      place();
    };
    // At the window's edges the page comes along, for lists that are longer than it.
    const rolling = setInterval(() => {
      const by = y < EDGE ? -STEP : y > innerHeight - EDGE ? STEP : 0;
      if (!by) return;
      scrollBy({ top: by, behavior: "instant" });
      place();
    }, 16);
    const end = (keep) => {
      clearInterval(rolling);
      document.removeEventListener("pointermove", move);
      document.removeEventListener("pointerup", drop);
      document.removeEventListener("pointercancel", cancel);
      document.removeEventListener("keydown", escape);
      row.classList.remove("dragged");
      document.body.classList.remove("dragging");
      if (!keep) for (const id of before) list().append(find(id));
      window.theDesk.hold(false);
      if (ids().join() === before.join()) window.theDesk.refresh();
      else {
        moved = row.dataset.id;
        window.theDesk.order(list().dataset.order, ids());
      }
    };
    const drop = () => end(true);
    const cancel = () => end(false);
    const escape = (pressed) => { if (pressed.key === "Escape") end(false); };
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", drop);
    document.addEventListener("pointercancel", cancel);
    document.addEventListener("keydown", escape);
  });

  desk.addEventListener("keydown", (event) => {
    const row = event.target.closest(".pairs-list > li");
    const did = { ArrowUp: "up", ArrowDown: "down" }[event.key];
    if (!row || !did || !event.altKey || event.target.matches("textarea, input:not([type=checkbox])")) return;
    event.preventDefault();
    const button = row.querySelector(`button[value="${did}"]`);
    if (button) button.click();
  });

  document.addEventListener("desk:done", (event) => {
    const { action, did } = event.detail;
    const about = action.match(/\/comparisons\/(\d+)/);
    if (about && ["up", "down", "lead"].includes(did)) moved = about[1];
  });

  // Told once the page shows it: a list that moves silently is no use to who cannot see it.
  document.addEventListener("desk:taken", () => {
    const row = moved && find(moved);
    moved = null;
    if (row) window.theDesk.say(`${row.dataset.title} is number ${rows().indexOf(row) + 1} of ${rows().length}.`);
  });
})();
