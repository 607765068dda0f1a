// Never lose a word: each keystroke goes to this browser's storage, every few seconds to the server under a version.
// A form says data-draft="<assignment>", data-draft-version, data-owner; its fields are the only state. Where an assignment has
// a form before its own, data-draft-key keeps what this browser remembers of it apart.
const SAVE_AFTER_MS = 1500;
const RETRY_AFTER_MS = 8000;
const GIVE_UP_AFTER_MS = 20000; // a connection that hangs must not stop later saves
const KEEP_DAYS = 14;
const PREFIX = "draft:";
const JUDGED = /^(rank|likert|note)-([0-9a-f-]{36})$/;
const FLAGGED = /^flag-([0-9a-f-]{36})-(.+)$/;
const SCALED = /^scale-([0-9a-f-]{36})-(.+)$/;

const numberOrNull = (value) => (value === "" || value === undefined ? null : Number(value));

// What the form holds, in the shape in which drafts and submissions travel.
function collect(form) {
  const data = new FormData(form);
  if ("readings" in form.dataset) return read(form, "value", "checked");
  if (form.elements.text) return written(form, (field) => field.value);
  const responses = new Map();
  const entry = (code) => {
    if (!responses.has(code)) responses.set(code, { code, rank: null, likert: null, flags: {}, scores: {}, note: "" });
    return responses.get(code);
  };
  for (const [name, value] of data) {
    const judged = name.match(JUDGED);
    const flagged = name.match(FLAGGED);
    const scaled = name.match(SCALED);
    if (judged) entry(judged[2])[judged[1]] = judged[1] === "note" ? value : numberOrNull(value);
    else if (flagged) entry(flagged[1]).flags[flagged[2]] = value === "yes";
    else if (scaled) entry(scaled[1]).scores[scaled[2]] = numberOrNull(value);
  }
  return {
    responses: [...responses.values()],
    notes: data.get("notes") ?? "",
    was_touched: data.get("was_touched") === "yes",
    moves: numberOrNull(data.get("moves")) ?? 0,
    start: data.get("start") ?? "",
    step: numberOrNull(data.get("step")) ?? 1,
    about_prompt: aboutPrompt(form, data),
  };
}

// What is said about the prompt: each flag is answered once one of them, or none, is ticked.
function aboutPrompt(form, data) {
  const flags = [...form.querySelectorAll("[data-about-flag]")];
  const isAnswered = flags.some((flag) => flag.checked) || data.has("about-none");
  const scores = [...data].filter(([name]) => name.startsWith("about-scale-"));
  return {
    category: data.get("about-category") ?? "",
    flags: Object.fromEntries(isAnswered ? flags.map((flag) => [flag.dataset.aboutFlag, flag.checked]) : []),
    scores: Object.fromEntries(scores.map(([name, value]) => [name.slice("about-scale-".length), numberOrNull(value)])),
  };
}

// "None of these" and the flags exclude each other.
document.addEventListener("input", (event) => {
  const box = event.target.closest("[data-about-flags]");
  if (!box || !event.target.checked) return;
  const isNone = event.target.matches("[data-about-none]");
  for (const flag of box.querySelectorAll(isNone ? "[data-about-flag]" : "[data-about-none]")) flag.checked = false;
}, true);

function fillAboutPrompt(form, about) {
  const answers = Object.entries(about.flags ?? {});
  for (const [key, answer] of answers) {
    const flag = form.elements[`about-flag-${key}`];
    if (flag) flag.checked = answer;
  }
  const none = form.elements["about-none"];
  if (none) none.checked = answers.length > 0 && answers.every(([, answer]) => !answer);
}

// A text, and the pairs of a few-shot prompt where the form has them.
function written(form, valueOf) {
  const pairs = [...form.querySelectorAll("[data-pair]")].map((pair) => {
    const [query, response] = pair.querySelectorAll("textarea");
    return { query: valueOf(query), response: valueOf(response) };
  });
  const text = valueOf(form.elements.text);
  const about = aboutPrompt(form, new FormData(form));
  const isSaid = about.category || Object.keys(about.flags).length || Object.keys(about.scores).length;
  return { text, ...(pairs.length ? { pairs } : {}), ...(isSaid ? { about_prompt: about } : {}) };
}

// What each response seems to say, before the prompt.
function read(form, words, tick) {
  const readings = [...form.querySelectorAll("[data-reading]")].map((part) => ({
    code: part.dataset.reading,
    text: part.querySelector("textarea")[words],
    cannot_tell: part.querySelector("[type=checkbox]")[tick],
  }));
  return { readings };
}

// What the form held when the server sent it: people may type before this script is at work.
function asServed(form) {
  if ("readings" in form.dataset) return read(form, "defaultValue", "defaultChecked");
  return form.elements.text ? written(form, (field) => field.defaultValue) : collect(form);
}

// The same content, whatever the order of keys: databases may sort them.
function canonical(value) {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, canonical(value[key])]));
}
const fingerprint = (payload) => JSON.stringify(canonical(payload));
const same = (one, other) => fingerprint(one) === fingerprint(other);

function fill(form, payload) {
  const set = (name, value) => {
    const field = form.elements[name];
    if (!field) return;
    if (field instanceof RadioNodeList) {
      for (const radio of field) radio.checked = radio.value === String(value);
    } else {
      field.value = value ?? "";
    }
  };
  if ("text" in payload) set("text", payload.text);
  if (payload.pairs) {
    form.dispatchEvent(new CustomEvent("draft:pairs", { detail: payload.pairs.length }));
    payload.pairs.forEach((pair, at) => {
      for (const name of ["query", "response"]) set(`${name}-${at + 1}`, pair[name]);
    });
  }
  for (const response of payload.responses ?? []) {
    for (const name of ["rank", "likert", "note"]) set(`${name}-${response.code}`, response[name]);
    for (const [key, answer] of Object.entries(response.flags ?? {})) set(`flag-${response.code}-${key}`, answer ? "yes" : "no");
    for (const [key, score] of Object.entries(response.scores ?? {})) set(`scale-${response.code}-${key}`, score);
  }
  for (const reading of payload.readings ?? []) {
    set(`reading-${reading.code}`, reading.text);
    const tick = form.elements[`cannot-tell-${reading.code}`];
    if (tick) tick.checked = reading.cannot_tell === true;
  }
  if (payload.about_prompt) {
    set("about-category", payload.about_prompt.category);
    for (const [key, score] of Object.entries(payload.about_prompt.scores ?? {})) set(`about-scale-${key}`, score);
    fillAboutPrompt(form, payload.about_prompt);
  }
  for (const name of ["notes", "moves", "start", "step"]) if (name in payload) set(name, payload[name]);
  if ("was_touched" in payload) set("was_touched", payload.was_touched ? "yes" : "");
  form.dispatchEvent(new CustomEvent("draft:restored"));
}

const remembered = {
  key: (code) => PREFIX + code,
  read(code) {
    try { return JSON.parse(localStorage.getItem(this.key(code))); } catch { return null; }
  },
  write(code, record) {
    try { localStorage.setItem(this.key(code), JSON.stringify(record)); } catch { /* storage is full or closed; the server still has it */ }
  },
  forget(code) { localStorage.removeItem(this.key(code)); },
  prune() {
    const oldest = Date.now() - KEEP_DAYS * 24 * 3600 * 1000;
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(PREFIX)) continue;
      const record = this.read(key.slice(PREFIX.length));
      if (!record || record.at < oldest) localStorage.removeItem(key);
    }
  },
};

class Drafts {
  // before: the drafts of the form that a refused submission replaced; what it sent may still reach the server.
  constructor(form, before) {
    this.form = form;
    this.code = form.dataset.draft;
    this.key = form.dataset.draftKey ?? this.code;
    this.version = Number(form.dataset.draftVersion);
    this.saved = JSON.stringify(asServed(form));
    this.saving = null;
    this.sent = before?.sent ?? []; // what was sent without our having heard an answer: the server may have it
    this.timer = null;
    this.status = document.querySelector("[data-save-status]");
    this.savedWords = this.status?.textContent ?? "";
    this.conflict = document.querySelector("[data-draft-conflict]");
    form.addEventListener("input", () => this.changed());
    form.addEventListener("change", () => this.changed());
    this.restore();
    this.changed();
  }

  // The form is gone from the page: nothing of it may be saved over what replaced it.
  end() {
    clearTimeout(this.timer);
    this.hasEnded = true;
  }

  get isDirty() { return JSON.stringify(collect(this.form)) !== this.saved; }

  restore() {
    if (this.isDirty) return;
    const record = remembered.read(this.key);
    if (!record || record.owner !== this.form.dataset.owner || record.isSaved) return;
    if (same(record.payload, JSON.parse(this.saved))) return;
    const isOurs = record.version < this.version && record.sent?.includes(fingerprint(JSON.parse(this.saved)));
    if (record.version === this.version || isOurs) {
      this.sent = record.sent ?? []; // the save of the page that was left may land after this one was served
      fill(this.form, record.payload);
      document.querySelector("[data-draft-restored]")?.removeAttribute("hidden");
      this.changed();
    } else if (record.version < this.version) {
      this.ask({ version: this.version, payload: JSON.parse(this.saved), saved_at: null }, record.payload);
    }
  }

  changed() {
    if (!this.isDirty) return this.settled();
    this.remember(false);
    this.say("not saved yet", "unsaved");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_AFTER_MS);
  }

  // What was changed was taken back before it was saved: the server has what stands here.
  settled() {
    if (this.saving || this.status?.dataset.state !== "unsaved") return;
    clearTimeout(this.timer);
    this.remember(true);
    this.say(this.savedWords, "saved");
  }

  remember(isSaved) {
    remembered.write(this.key, {
      owner: this.form.dataset.owner, version: this.version, payload: collect(this.form), sent: this.sent, at: Date.now(), isSaved,
    });
  }

  async save(isLast = false) {
    if (this.asking || leaving || (this.saving && !isLast)) return; // what is being submitted is saved by that
    if (!this.isDirty) return;
    const payload = collect(this.form);
    const print = fingerprint(payload);
    if (isLast && this.saving && this.last === print) return; // hidden, then left: two events, one save
    if (isLast) this.last = print;
    const version = this.version + (this.saving ? 1 : 0);
    this.sent = [...this.sent, print].slice(-5);
    this.remember(false);
    this.saving = this.put(payload, version, isLast);
    await this.saving;
    this.saving = null;
    if (this.hasEnded) return;
    if (!this.asking && this.isDirty) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.save(), this.failed ? RETRY_AFTER_MS : SAVE_AFTER_MS);
    }
  }

  async put(payload, version, isLast) {
    let response;
    try {
      response = await fetch(`/api/v1/assignments/${this.code}/draft/`, {
        method: "PUT",
        headers: { "Content-Type": "application/json", "X-CSRFToken": this.form.elements.csrfmiddlewaretoken.value },
        body: JSON.stringify({ version, payload }),
        keepalive: isLast,
        signal: AbortSignal.timeout(GIVE_UP_AFTER_MS),
      });
    } catch {
      if (this.hasEnded) return;
      this.failed = true;
      this.say("no connection; kept in this browser", "failed");
      return;
    }
    this.failed = !response.ok;
    const answer = await response.json().catch(() => ({}));
    if (this.hasEnded) return;
    const stored = answer.fields?.draft;
    if (response.ok) {
      this.accept(answer, payload);
    } else if (answer.code === "stale_draft" && stored && same(stored.payload, payload)) {
      this.accept(stored, payload); // our own words, sent when the page was left
    } else if (answer.code === "stale_draft" && stored && this.sent.includes(fingerprint(stored.payload))) {
      this.accept(stored, stored.payload); // our own words too, and more were written since: the next save has them
    } else if (answer.code === "stale_draft") {
      this.ask(stored ?? { version: 0, payload: {} }, payload);
    } else if (response.status === 401 || response.status === 403) {
      this.say("logged out; kept in this browser. Log in in another tab, then go on here.", "failed");
    } else {
      this.say(`not saved on the server; kept in this browser. ${answer.message ?? ""}`, "failed");
    }
  }

  accept(draft, payload) {
    this.failed = false;
    this.version = draft.version;
    this.form.dataset.draftVersion = draft.version;
    this.saved = JSON.stringify(payload);
    if (!this.isDirty) this.sent = [];
    this.remember(!this.isDirty);
    this.savedWords = `saved ${this.clock(draft.saved_at)}`;
    this.say(this.savedWords, "saved");
  }

  // Somebody saved a newer draft elsewhere. Neither is thrown away before a person has chosen.
  ask(server, own) {
    this.asking = true;
    if (!this.conflict) return;
    this.conflict.hidden = false;
    this.conflict.querySelector("[data-conflict-time]").textContent = server.saved_at ? this.clock(server.saved_at) : "earlier";
    this.conflict.onclick = (event) => {
      const choice = event.target.closest("[data-take]")?.dataset.take;
      if (!choice) return;
      this.asking = false;
      this.conflict.hidden = true;
      this.version = server.version;
      this.saved = JSON.stringify(server.payload);
      fill(this.form, choice === "server" ? server.payload : own);
      this.remember(choice === "server");
      this.say("", "saved");
      this.changed();
    };
  }

  say(words, state) {
    if (!this.status) return;
    this.status.textContent = words;
    this.status.dataset.state = state;
  }

  clock(at) {
    const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: this.form.dataset.timeZone };
    return new Intl.DateTimeFormat("en-GB", options).format(at ? new Date(at) : new Date());
  }
}

let current = null;
let leaving = false;

remembered.prune();
for (const done of document.querySelectorAll("[data-forget-draft]")) remembered.forget(done.dataset.forgetDraft);

htmx.onLoad(() => {
  if (current && !current.form.isConnected) current.end();
  const form = document.querySelector("form[data-draft]:not([data-started-drafts])");
  if (!form) return;
  form.dataset.startedDrafts = "";
  current = new Drafts(form, current?.code === form.dataset.draft ? current : null);
});

// A form that leads on says data-leaves: what it holds goes with it, so nobody needs to be held back.
// htmx asks before it sends (is the order meant?), so there a submission begins with the request.
function leave(event) {
  if (event.target.matches("[data-leaves]")) leaving = true;
}
function stay() {
  if (!leaving) return;
  leaving = false;
  if (current?.form.isConnected) current.changed();
}
document.addEventListener("submit", (event) => { if (!event.target.hasAttribute("hx-post")) leave(event); }, true);
document.addEventListener("htmx:beforeRequest", leave);
document.addEventListener("htmx:responseError", stay);
document.addEventListener("htmx:sendError", () => {
  stay();
  current?.say("no connection; nothing is lost. Submit again when it is back.", "failed");
});
document.addEventListener("htmx:afterSwap", stay);
window.addEventListener("online", () => { if (current?.isDirty) current.save(); });
window.addEventListener("beforeunload", (event) => { if (!leaving && current?.isDirty) event.preventDefault(); });
window.addEventListener("pagehide", () => { if (!leaving && current?.isDirty) current.save(true); });
document.addEventListener("visibilitychange", () => { if (document.hidden && !leaving && current?.isDirty) current.save(true); });
