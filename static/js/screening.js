// Save an answer while it is written: the form itself, marked as a draft. Without scripts the button saves.
// A finished answer has no drafts: it stands until the button puts another in its place.
const form = document.querySelector("form[data-screening]");
const status = document.querySelector("[data-save-status]");
const PAUSE = 1500;
const STANDS = "not saved: your answer stands until you press “Save and go on”";
let timer = 0, leaving = false;
let isAnswered = form?.dataset.screening === "answered";

function say(words, state) {
  status.textContent = words;
  status.dataset.state = state;
}

async function save() {
  const body = new FormData(form);
  body.set("draft", "1");
  try {
    const answer = await fetch(location.href, { method: "POST", body, redirect: "error" });
    if (answer.status === 409) {
      isAnswered = true;
      if (!leaving) say(await answer.text(), "failed");
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    say(`saved ${new Date().toLocaleTimeString("en-GB")}`, "saved");
  } catch {
    if (leaving) return;
    say("not saved yet; trying again", "failed");
    timer = setTimeout(save, 3 * PAUSE);
  }
}

form?.addEventListener("input", () => {
  if (isAnswered) {
    say(STANDS, "failed");
    return;
  }
  say("not saved yet", "unsaved");
  clearTimeout(timer);
  timer = setTimeout(save, PAUSE);
});
form?.addEventListener("submit", () => { leaving = true; clearTimeout(timer); });
addEventListener("beforeunload", (event) => {
  if (!leaving && isAnswered && status.dataset.state) event.preventDefault();
});
addEventListener("pagehide", () => {
  if (leaving || status?.dataset.state !== "unsaved") return;
  const body = new FormData(form);
  body.set("draft", "1");
  navigator.sendBeacon(location.href, body);
});
document.querySelector("[data-feedback]")?.focus();
