// The desk without reloading: saves as one types, shows what others change, and never writes over them.
"use strict";
(() => {
  const desk = document.getElementById("desk");
  const words = document.getElementById("words");
  const REGIONS = ["state", "conflict", "suggestions", "comparisons", "preflight", "looking", "inbox"];
  const WORDS = ["subject", "preheader", "opening"];
  const PAUSE = 700; // milliseconds after the last key
  const POLL = 4000;
  const REFRESH = 60000; // links are asked and the store changes while nobody types
  const ACCEPT = { Accept: "application/json, text/html" };

  // Words and notes that are newer here than in the store, each with the version on which they were written.
  const dirty = new Map();
  const touched = new Set(); // ids of other fields with something in them that was not sent
  const quoting = new Map(); // by their forms' addresses: ticks that wait for the next one
  let waiting = null;
  let queue = Promise.resolve();
  let held = false; // while a comparison is being dragged its list must not change under the hand
  let lookedAt = performance.now(); // at the whole page, last
  let signedOut = false; // since then everything here was made for a login that is over
  let composing = false; // nor a note while a letter of it is put together from several keys

  const field = (name) => document.getElementById(name);
  const version = () => Number(desk.dataset.version);
  const length = (text) => [...text].length;
  const isNote = (one) => Boolean(one) && one.id.startsWith("note-");
  const standsAt = (one) => (one.type === "checkbox" ? one.checked : one.value);
  const plain = (text) => text.replace(/\s+/g, " ").trim();

  function say(text, bad = false) {
    const said = document.getElementById("said");
    said.classList.toggle("bad", bad);
    said.textContent = text;
  }

  function saving(text) {
    const saved = document.getElementById("saved");
    const stood = saved ? saved.textContent : "";
    if (saved) saved.textContent = text;
    return stood;
  }

  // ---- taking in a page: what changed is exchanged, what is being written stays ----

  function remember() {
    const at = document.activeElement;
    if (!at || !desk.contains(at)) return null;
    const row = at.closest("li[data-id]");
    return {
      id: at.id,
      label: at.getAttribute("aria-label"),
      row: row && row.dataset.id,
      caret: typeof at.selectionStart === "number" ? [at.selectionStart, at.selectionEnd] : null,
    };
  }

  function refocus(was) {
    if (!was || desk.contains(document.activeElement)) return;
    const labelled = [...desk.querySelectorAll("[aria-label]")];
    const row = was.row && desk.querySelector(`li[data-id="${was.row}"]`);
    const again =
      (was.id && document.getElementById(was.id)) ||
      (was.label && labelled.find((one) => one.getAttribute("aria-label") === was.label)) ||
      (row && row.querySelector("button, summary"));
    if (!again) return;
    again.focus({ preventScroll: true });
    if (was.caret && again.setSelectionRange) again.setSelectionRange(...was.caret);
  }

  function keepTyped() {
    const ids = new Set([...touched, ...dirty.keys()].filter((id) => !WORDS.includes(id)));
    if (isNote(document.activeElement)) ids.add(document.activeElement.id);
    return [...ids].map(field).filter(Boolean).map((old) => [old.id, old, old.scrollTop]);
  }

  function giveBack(kept) {
    for (const [id, old, scrolled] of kept) {
      const one = field(id);
      if (!one) {
        touched.delete(id);
        dirty.delete(id);
      } else if (one.type === "checkbox") one.checked = old.checked;
      else if (!isNote(one)) one.value = old.value;
      else {
        one.style.cssText = old.style.cssText; // as large as it was pulled
        if (dirty.has(id) || plain(one.value) === plain(old.value)) one.value = old.value;
        one.scrollTop = scrolled;
      }
    }
  }

  // Of two texts, both stay in sight until somebody has chosen. Whether what stands here stays as it is.
  function stillToChoose(here, there) {
    const known = [...here.querySelectorAll("[data-part]")];
    const open = known.filter(({ dataset }) => dirty.has(dataset.part) && !there.querySelector(`[data-part="${dataset.part}"]`));
    if (!open.length) return false;
    const alert = there.querySelector("[role=alert]");
    if (alert) alert.append(...open);
    else known.filter((one) => !open.includes(one)).forEach((one) => one.remove());
    return !alert;
  }

  function takeFrame(page) {
    const here = document.getElementById("shown");
    const there = page.getElementById("shown");
    const old = here.querySelector("iframe");
    const fresh = there.querySelector("iframe");
    if (!old || !fresh) {
      here.replaceChildren(...there.childNodes);
      return;
    }
    if (old.getAttribute("src") === fresh.getAttribute("src")) return;
    // The new one loads behind the old one and is shown where the editor was looking.
    for (const late of here.querySelectorAll("iframe.coming")) late.remove();
    const next = document.adoptNode(fresh);
    next.classList.add("coming");
    next.addEventListener("load", () => {
      const at = old.contentWindow ? old.contentWindow.scrollY : 0;
      next.contentWindow.scrollTo(0, at);
      next.classList.remove("coming");
      old.remove();
    }, { once: true });
    here.append(next);
  }

  function take(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = page.getElementById("desk");
    if (!fresh) return;
    if (Number(fresh.dataset.version) < version()) return; // older than what stands here
    lookedAt = performance.now();
    if ("open" in fresh.dataset !== "open" in desk.dataset) {
      // It can be edited no longer, or again.
      if (dirty.size) say("It is on its way and can be changed no longer. What you typed is not saved: copy it before you leave.", true);
      else location.reload();
      return;
    }
    const was = remember();
    const typed = keepTyped();
    const open = [...desk.querySelectorAll("details[open]")].map((one) => one.id || one.closest("li").dataset.id);
    for (const id of REGIONS) {
      const here = document.getElementById(id);
      const there = page.getElementById(id);
      const stays = (id === "comparisons" && (held || composing)) || (id === "conflict" && here && there && stillToChoose(here, there));
      if (here && there && !stays) here.replaceWith(document.adoptNode(there));
    }
    for (const key of open) {
      const again = document.getElementById(key) || desk.querySelector(`li[data-id="${key}"] details`);
      if (again) again.open = true;
    }
    giveBack(typed);
    takeFrame(page);
    const form = page.getElementById("words");
    for (const name of WORDS) {
      if (!dirty.has(name)) show(field(name), form.elements[name].value);
      count(name);
    }
    words.action = form.getAttribute("action");
    words.elements.csrf.value = form.elements.csrf.value;
    desk.dataset.version = fresh.dataset.version;
    desk.dataset.status = fresh.dataset.status;
    refocus(was);
    document.dispatchEvent(new CustomEvent("desk:taken"));
  }

  // Spaces that the store drops stay under the hand that has just typed one, and so does the caret.
  function show(one, value) {
    if (one === document.activeElement && plain(one.value) === plain(value)) return;
    if (one.value !== value) one.value = value;
  }

  function count(name) {
    const value = field(name).value;
    const counts = desk.querySelector(`[data-counts="${name}"]`);
    if (counts) {
      counts.querySelector("b").textContent = length(value);
      counts.classList.toggle("over", length(value) > Number(counts.dataset.of));
    }
    const shown = desk.querySelector(`[data-shows="${name}"]`);
    if (shown) shown.textContent = value;
  }

  // ---- sending: one at a time, each on the version that the one before it left ----

  async function ask(address, options = {}) {
    const answer = await fetch(address, { ...options, headers: ACCEPT });
    if (answer.status === 401 || (answer.status === 403 && options.method)) signedOut = true;
    if (answer.status === 401) throw new Error("You are signed out. Sign in in another tab, then go on here: nothing of yours is lost.");
    const isPage = (answer.headers.get("content-type") || "").startsWith("text/html");
    if (!isPage) throw new Error((await answer.json()).detail || "That did not work.");
    return { ok: answer.ok, html: await answer.text() };
  }

  function inTurn(step) {
    const done = queue.then(step);
    queue = done.catch((error) => {
      const lost = error instanceof TypeError; // fetch's word for "no connection"
      say(lost ? "No connection. What you typed is kept here, and saved as soon as there is one." : error.message, true);
      if (dirty.size) saving("Not saved");
      if (lost && dirty.size) soon(3000);
    });
    return done.then(() => true, () => false);
  }

  // `make` gives the fields when its turn has come; the answer to a refused save is a page as well.
  function post(address, make, after = () => undefined) {
    return inTurn(async () => {
      const data = make();
      if (!data) return;
      const stood = saving("Saving …");
      const answer = await ask(address(), { method: "POST", body: new URLSearchParams(data) }).catch((error) => {
        saving(stood);
        throw error;
      });
      if (answer.ok) {
        say("");
        after(new DOMParser().parseFromString(answer.html, "text/html").getElementById("desk"));
      }
      take(answer.html);
      if (!answer.ok) say("Somebody was there first: see the top of the page.", true);
    });
  }

  function savedTyped(sent) {
    return (fresh) => {
      for (const [name, value] of Object.entries(sent)) {
        if (field(name).value === value) dirty.delete(name);
        else dirty.set(name, Number(fresh.dataset.version));
      }
    };
  }

  // Words written on the same version go together; empty subjects wait until there is one. Each note goes by itself.
  function saveTyped() {
    const notes = [...dirty.keys()].filter((id) => !WORDS.includes(id)).map(saveNote);
    const bases = new Set(WORDS.filter((name) => dirty.has(name)).map((name) => dirty.get(name)));
    const all = [...bases].map((base) => {
      const sent = {};
      return post(() => words.action, () => {
        const names = [...dirty].filter(([name, on]) => WORDS.includes(name) && on === base && (name !== "subject" || field(name).value.trim()));
        if (!names.length) return null;
        for (const [name] of names) sent[name] = field(name).value;
        return { csrf: words.elements.csrf.value, version: base, ...sent };
      }, savedTyped(sent));
    });
    if (dirty.has("subject") && !field("subject").value.trim()) say("A mail needs a subject; the old one stands until there is one.", true);
    return Promise.all([...notes, ...all]).then(() => !dirty.size);
  }

  function saveNote(id) {
    const sent = {};
    return post(() => field(id).form.getAttribute("action"), () => {
      if (!dirty.has(id) || !field(id)) return null;
      sent[id] = field(id).value;
      return { csrf: words.elements.csrf.value, version: dirty.get(id), do: "note", note: sent[id] };
    }, savedTyped(sent));
  }

  function soon(after = PAUSE) {
    clearTimeout(waiting);
    waiting = setTimeout(() => composing ? soon() : saveTyped(), after);
  }

  words.addEventListener("input", (event) => {
    const name = event.target.name;
    if (!dirty.has(name)) dirty.set(name, version());
    count(name);
    saving("Not saved yet");
    soon();
  });

  desk.addEventListener("input", ({ target }) => {
    if (!target.id || words.contains(target)) return;
    if (!isNote(target)) return void touched.add(target.id);
    if (!dirty.has(target.id)) dirty.set(target.id, version());
    saving("Not saved yet");
    soon();
  });
  // Who is quoted is saved as it is ticked, several ticks at once.
  desk.addEventListener("change", ({ target }) => {
    if (target.name !== "voice") return;
    clearTimeout(quoting.get(target.form.action));
    quoting.set(target.form.action, setTimeout(() => quote(target.id), PAUSE));
  });

  function quote(id) {
    const form = field(id) && field(id).form;
    if (form) form.requestSubmit(form.querySelector("button[value=quote]"));
  }

  desk.addEventListener("compositionstart", () => { composing = true; });
  desk.addEventListener("compositionend", () => { composing = false; });

  desk.addEventListener("submit", (event) => {
    const form = event.target;
    if ("leaves" in form.dataset) { // for another page, once what was typed is saved
      if (!dirty.size) return;
      event.preventDefault();
      const pressed = event.submitter;
      saveTyped().then((saved) => saved && form.requestSubmit(pressed));
      return;
    }
    event.preventDefault();
    clearTimeout(waiting);
    if (form === words || [...form.elements].some(isNote)) return void saveTyped();
    if (form.method === "get") return void look(`${form.action}?${new URLSearchParams(new FormData(form))}`, form);
    const data = new FormData(form, event.submitter);
    const takes = form.dataset.takes;
    const sent = [...form.elements].filter((one) => one.id).map((one) => [one.id, standsAt(one)]);
    const action = form.getAttribute("action");
    saveAllBut(takes).then(() => post(() => action, () => {
      // Of two texts, one's own goes over the one that was shown beside it, and over no third.
      if (!form.closest("#conflict")) data.set("version", desk.dataset.version);
      return data;
    }, () => {
      if (takes) dirty.delete(takes);
      // What was ticked or typed since is still to be sent.
      for (const [id, at] of sent) if (!field(id) || standsAt(field(id)) === at) touched.delete(id);
      document.dispatchEvent(new CustomEvent("desk:done", { detail: { action, did: data.get("do") } }));
    }));
  });

  // What was typed is saved before anything else is asked for, save what is about to be replaced.
  function saveAllBut(name) {
    const refused = document.querySelector("#conflict [data-part]");
    if (refused || (name && dirty.has(name) && dirty.size === 1)) return Promise.resolve(false);
    return saveTyped();
  }

  // ---- looking at it otherwise: no reload, and the address says it ----

  function look(address, form) {
    if (form) for (const one of form.elements) touched.delete(one.id);
    return inTurn(async () => {
      const answer = await ask(address);
      say("");
      take(answer.html);
      history.replaceState(null, "", address);
    });
  }

  desk.addEventListener("click", (event) => {
    const keeps = event.target.closest("a[data-keeps]");
    const tab = event.target.closest(".tabs a, .matches a");
    const leaves = event.target.closest("a[data-leaves]");
    if (leaves && dirty.size) {
      event.preventDefault();
      saveTyped().then((saved) => saved && location.assign(leaves.href));
      return;
    }
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || !(keeps || tab)) return;
    event.preventDefault();
    if (keeps) dirty.delete(keeps.dataset.keeps);
    if (tab && tab.closest(".matches")) field("find").focus(); // the list goes, and the hand stays where it was made
    look((keeps || tab).href).then(() => dirty.size && soon());
  });

  const refresh = () => inTurn(async () => take((await ask(location.href)).html));

  async function poll() {
    if (document.hidden || held) return;
    const now = await ask0(`/desk/${desk.dataset.issue}/state.json`);
    if (now && signedOut) return void comeBack();
    if (now && performance.now() - lookedAt > REFRESH && !dirty.size && !String(getSelection())) return void refresh();
    if (!now || (now.version === version() && now.status === desk.dataset.status)) return;
    if (now.version > version() && now.by) say(`${now.by}: ${now.what}.`);
    await refresh();
  }

  // Signed in once more, maybe in another tab: what was typed is saved under the new login.
  async function comeBack() {
    signedOut = false;
    await refresh();
    say("");
    if (dirty.size) await saveTyped();
  }

  async function ask0(address) {
    try {
      const answer = await fetch(address, { headers: ACCEPT });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // asked again in a moment
    }
  }

  setInterval(poll, POLL);
  addEventListener("beforeunload", (event) => {
    if (dirty.size) event.preventDefault();
  });

  window.theDesk = {
    say,
    hold: (on) => { held = on; },
    order: (address, ids) => saveAllBut().then(() => post(() => address, () => {
      const data = new URLSearchParams({ csrf: words.elements.csrf.value, version: desk.dataset.version });
      for (const id of ids) data.append("order", id);
      return data;
    })),
    refresh,
  };
})();
