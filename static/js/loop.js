// The loop of work: prepare the next task while this one is at work, let the undo go when its time is over,
// remind of a break, keep the lease.
const PREPARE_AFTER_MS = 4000;
const BREAK_AT_LEAST_MS = 5 * 60 * 1000; // a pause as long as this is a break
const CHECK_EVERY_MS = 15000;
const STRETCH = "work-stretch";
const IDLE_AFTER_SECONDS = 120;
const BEAT_EVERY_SECONDS = 30;
const BEAT_AT_MOST_SECONDS = 120; // more is not counted for one beat
const BEATS_AT_ONCE = 10;

const token = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";

const ahead = document.querySelector("[data-ahead]");
if (ahead) {
  const prepare = () => fetch(ahead.dataset.ahead, { method: "POST", headers: { "X-CSRFToken": token() } }).catch(() => {});
  setTimeout(prepare, PREPARE_AFTER_MS);
}

for (const form of document.querySelectorAll("[data-until]")) {
  const left = new Date(form.dataset.until) - Date.now();
  setTimeout(() => form.remove(), Math.max(0, Math.min(left, 600000)));
}

// A stretch begins with the first sign of life and goes on until a break; it spans tasks and tabs.
const reminder = document.querySelector("[data-break-reminder]");
const after = Number(reminder?.dataset.breakAfter ?? 0) * 60 * 1000;
if (after > 0) {
  const read = () => {
    try { return JSON.parse(localStorage.getItem(STRETCH)) ?? null; } catch { return null; }
  };
  const write = (stretch) => {
    try { localStorage.setItem(STRETCH, JSON.stringify(stretch)); } catch { /* no storage: no reminder */ }
  };
  let isActive = true;
  for (const kind of ["keydown", "pointerdown", "wheel", "touchstart", "input"]) {
    document.addEventListener(kind, () => { isActive = true; }, { passive: true, capture: true });
  }
  const check = () => {
    const now = Date.now();
    let stretch = read();
    if (!stretch || now - stretch.seen > BREAK_AT_LEAST_MS) stretch = { since: now, seen: now, dismissed: 0 };
    if (isActive) stretch.seen = now;
    isActive = false;
    write(stretch);
    const isDue = now - stretch.since >= after && now - stretch.dismissed >= after;
    reminder.hidden = !isDue;
    reminder.querySelector("[data-break-minutes]").textContent = Math.floor((now - stretch.since) / 60000);
  };
  reminder.addEventListener("click", (event) => {
    if (!event.target.closest("[data-break-dismiss]")) return;
    const stretch = read();
    if (stretch) write({ ...stretch, dismissed: Date.now() });
    reminder.hidden = true;
  });
  check();
  setInterval(check, CHECK_EVERY_MS);
}

// Keep the lease while somebody works, and tell the server for how long: idle after two minutes counts as a break.
const form = document.querySelector("form[data-draft]");
if (form) {
  let lastActive = Date.now();
  let active = 0;
  let elapsed = 0;
  let ended = false;
  let submitted = false;

  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "input"]) {
    document.addEventListener(kind, () => { lastActive = Date.now(); }, { passive: true, capture: true });
  }

  // What a beat could not tell, the next ones tell.
  async function beat(isLast) {
    const seconds = Math.min(active, BEAT_AT_MOST_SECONDS);
    active -= seconds;
    const response = await tell(seconds, isLast).catch(() => null);
    if (response === null || (!response.ok && response.status !== 409)) active += seconds;
    if (response?.status === 409) {
      ended = true;
      const answer = await response.json().catch(() => ({}));
      if (answer.code === "lease_ended") document.querySelector("[data-lease-ended]")?.removeAttribute("hidden");
    }
  }

  function tell(seconds, isLast) {
    return fetch(`/api/v1/assignments/${form.dataset.draft}/heartbeat/`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: JSON.stringify({ active_seconds: seconds }),
      keepalive: isLast,
    });
  }

  function tellAll() {
    for (let beats = 0; active && beats < BEATS_AT_ONCE; beats += 1) beat(true);
  }

  setInterval(() => {
    if (ended || document.hidden || (Date.now() - lastActive) / 1000 > IDLE_AFTER_SECONDS) return;
    active += 1;
    elapsed += 1;
    if (elapsed % BEAT_EVERY_SECONDS === 0) beat(false);
  }, 1000);

  window.addEventListener("pagehide", () => { if (!ended && !submitted) tellAll(); });
  document.addEventListener("htmx:afterSwap", () => { submitted = false; });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-draft]") || ended) return;
    tellAll();
    submitted = true;
  }, true);
}
