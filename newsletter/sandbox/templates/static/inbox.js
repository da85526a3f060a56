// Small comforts; every page works without them.
const short = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dated = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const today = new Date().toDateString();

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  const recent = moment.toDateString() === today && !("long" in time.dataset);
  time.title = time.dateTime;
  time.textContent = (recent ? short : dated).format(moment);
}

const rows = [...document.querySelectorAll("a.row")];

function step(by) {
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.metaKey || event.ctrlKey || event.altKey) return;
  const follow = (id) => document.getElementById(id)?.click();
  if (event.key === "/") {
    const search = document.getElementById("q");
    if (search) { search.focus(); event.preventDefault(); }
  } else if (event.key === "j") {
    rows.length ? step(1) : follow("older");
  } else if (event.key === "k") {
    rows.length ? step(-1) : follow("newer");
  } else if (event.key === "u") {
    follow("back");
  }
});

// New mail is announced, never pushed under the reader's pointer.
const fresh = document.getElementById("fresh");
if (fresh) {
  const known = Number(fresh.dataset.known);
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/sandbox/health");
      const { messages } = await answer.json();
      if (messages === known) return;
      fresh.hidden = false;
      const more = messages - known;
      fresh.firstElementChild.textContent = more > 0
        ? `${more.toLocaleString()} new message${more === 1 ? "" : "s"}. Show ${more === 1 ? "it" : "them"}`
        : "The mailbox has changed. Show it";
    } catch { /* the sandbox is restarting */ }
  }, 3000);
}
