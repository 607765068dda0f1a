// Keep the lease while somebody works, and tell the server for how long: idle after two minutes counts as a break.
const IDLE_AFTER_SECONDS = 120;
const BEAT_EVERY_SECONDS = 30;

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

  async function beat(isLast) {
    const seconds = active;
    active = 0;
    const response = await fetch(`/api/v1/assignments/${form.dataset.draft}/heartbeat/`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: JSON.stringify({ active_seconds: seconds }),
      keepalive: isLast,
    });
    if (response.status === 409) {
      ended = true;
      const answer = await response.json();
      if (answer.code === "lease_ended") document.querySelector("[data-lease-ended]")?.removeAttribute("hidden");
    }
  }

  const send = (isLast = false) => beat(isLast).catch(() => {});

  setInterval(() => {
    if (ended || document.hidden || (Date.now() - lastActive) / 1000 > IDLE_AFTER_SECONDS) return;
    active += 1;
    elapsed += 1;
    if (elapsed % BEAT_EVERY_SECONDS === 0) send();
  }, 1000);

  window.addEventListener("pagehide", () => { if (active && !ended && !submitted) send(true); });
  document.addEventListener("htmx:afterSwap", () => { submitted = false; });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-draft]") || ended) return;
    if (active) send(true);
    submitted = true;
  }, true);
}
