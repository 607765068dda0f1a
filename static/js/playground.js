// The playground: replies grow while they are written, Esc stops them, D compares two word by word.
const EVERY_MS = 300;
const SLOWER_MS = 3000; // after an answer that did not come

const talk = () => document.querySelector("[data-talk]");
let timer = null;

function addressOf(moving) {
  const address = new URL(moving, location.href);
  for (const stream of talk().querySelectorAll("[data-stream]")) {
    const { attempt, length } = stream.dataset;
    address.searchParams.append("at", `${stream.closest("[data-reply]").dataset.reply}:${attempt}:${length}`);
  }
  return address;
}

// The server's numbers are kept as they came: it counts characters otherwise than JavaScript does.
function grow(reply) {
  const card = talk().querySelector(`[data-reply="${CSS.escape(reply.code)}"]`);
  const stream = card?.querySelector("[data-stream]");
  if (!stream) return;
  if (reply.start === 0) stream.textContent = "";
  if (reply.text) stream.append(reply.text);
  stream.dataset.attempt = reply.attempt;
  stream.dataset.length = reply.length;
  card.querySelector("[data-label]").textContent = reply.label;
}

async function poll() {
  const moving = talk()?.dataset.moving;
  if (!moving) return;
  let wait = EVERY_MS;
  try {
    const answer = await fetch(addressOf(moving), { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const news = await answer.json();
    for (const reply of news.replies) grow(reply);
    const note = talk().querySelector("[data-note]");
    if (note.textContent !== news.note) note.textContent = news.note;
    if (!news.is_moving) { await settle(); return; }
  } catch {
    wait = SLOWER_MS;
  }
  timer = setTimeout(poll, wait);
}

// All has been written: show it as it is stored, and let the next prompt be sent.
async function settle() {
  await htmx.ajax("GET", talk().dataset.page, { target: "#turns", swap: "outerHTML" });
  hold();
}

function hold() {
  const isMoving = Boolean(talk()?.dataset.moving);
  const send = document.querySelector("[data-send]");
  const words = document.querySelector("[data-hold]");
  if (send) send.disabled = isMoving;
  if (words) words.hidden = !isMoving;
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  const stop = document.querySelector("[data-stop]");
  if (!stop) return;
  event.preventDefault();
  stop.click();
}, true);

async function compare(turn) {
  const { openSideBySide } = await import("./diffing.js");
  const dialog = document.getElementById("side-by-side");
  const cards = [...document.querySelectorAll(`#${CSS.escape(turn)} [data-reply]`)];
  for (const select of dialog.querySelectorAll("[data-side]")) {
    select.replaceChildren(...cards.map((card) => new Option(card.dataset.letter, card.dataset.reply)));
  }
  const cardOf = (code) => cards.find((card) => card.dataset.reply === code);
  openSideBySide(dialog, cards[0].dataset.reply, cards[1].dataset.reply, cardOf);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-compare]");
  if (button) compare(button.dataset.compare);
});

document.addEventListener("keydown", (event) => {
  const button = document.querySelector("[data-compare]");
  const isTyping = event.target.closest("textarea, input, select");
  if (event.key.toLowerCase() !== "d" || !button || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  event.preventDefault();
  compare(button.dataset.compare);
});

window.addEventListener("pagehide", () => clearTimeout(timer));
hold();
poll();
