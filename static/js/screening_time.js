// Count the time at work on a screening: two minutes without a sign of life are a break.
const IDLE_AFTER_SECONDS = 120;
const SEND_EVERY_SECONDS = 30;
const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
let lastActive = Date.now();
let active = 0;

for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "input"]) {
  document.addEventListener(kind, () => { lastActive = Date.now(); }, { passive: true, capture: true });
}

function send() {
  const seconds = active;
  if (!seconds || !token) return;
  active = 0;
  fetch("/api/v1/screening/time/", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify({ active_seconds: seconds }),
    keepalive: true,
  }).catch(() => { active += seconds; });
}

setInterval(() => {
  if (document.hidden || (Date.now() - lastActive) / 1000 > IDLE_AFTER_SECONDS) return;
  active += 1;
  if (active >= SEND_EVERY_SECONDS) send();
}, 1000);
addEventListener("pagehide", send);
