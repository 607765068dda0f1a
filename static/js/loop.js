// The loop of work: prepare the next task while this one is at work, let the undo go when its time is over,
// remind of a break.
const PREPARE_AFTER_MS = 4000;
const BREAK_AT_LEAST_MS = 5 * 60 * 1000; // a pause as long as this is a break
const CHECK_EVERY_MS = 15000;
const STRETCH = "work-stretch";

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
