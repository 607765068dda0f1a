// Save an answer while it is written: the form itself, marked as a draft. Without scripts the button saves.
const form = document.querySelector("form[data-screening]");
const status = document.querySelector("[data-save-status]");
const PAUSE = 1500;
let timer = 0, leaving = false;

async function save() {
  const body = new FormData(form);
  body.set("draft", "1");
  try {
    const answer = await fetch(location.href, { method: "POST", body, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    status.textContent = `saved ${new Date().toLocaleTimeString("en-GB")}`;
    status.dataset.state = "saved";
  } catch {
    if (leaving) return;
    status.textContent = "not saved yet; trying again";
    status.dataset.state = "failed";
    timer = setTimeout(save, 3 * PAUSE);
  }
}

form?.addEventListener("input", () => {
  status.textContent = "not saved yet";
  status.dataset.state = "unsaved";
  clearTimeout(timer);
  timer = setTimeout(save, PAUSE);
});
form?.addEventListener("submit", () => { leaving = true; clearTimeout(timer); });
addEventListener("pagehide", () => {
  if (leaving || status?.dataset.state !== "unsaved") return;
  const body = new FormData(form);
  body.set("draft", "1");
  navigator.sendBeacon(location.href, body);
});
document.querySelector("[data-feedback]")?.focus();
