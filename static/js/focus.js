// Where the keyboard goes on after a step: what was pressed leads to what it came to, and a part of the page
// that is drawn anew keeps the focus that was in it.
const STEP = "instructloop.step";

const isLost = () => !document.activeElement || document.activeElement === document.body;

function goTo(element) {
  if (!element) return;
  if (!element.matches("a[href], button, input, select, textarea, summary")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}

// A form was sent and the page that came is another one: what is to be mended goes before what was done, and
// that before where the page would have one go on. A page that says itself where to begin is left to it.
document.addEventListener("submit", (event) => {
  if (event.target.closest("main") && event.target.method !== "dialog") sessionStorage.setItem(STEP, "sent");
});

function arrive() {
  const hasSent = sessionStorage.getItem(STEP) !== null;
  sessionStorage.removeItem(STEP);
  const main = document.getElementById("content");
  // A notice says that there was a step, also on a page that does not remember its steps here.
  if (!(hasSent || main.querySelector(".messages")) || !isLost() || document.querySelector("[autofocus]")) return;
  const places = ["[aria-invalid=true]", ".messages", "[role=alert]", "[data-arrives]", "h1"];
  goTo(document.querySelector(":target") ?? places.map((place) => main.querySelector(place)).find(Boolean));
}

window.addEventListener("load", arrive);

// Before a part goes, remember what in it had the focus; when the new one is there, find its like.
const likeness = (element) =>
  [element.tagName, element.name ?? "", element.getAttribute("href") ?? element.textContent.trim()].join("\n");
const likesOf = (part, like) =>
  [...part.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((one) => likeness(one) === like);
let held = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  const focused = document.activeElement;
  if (!part.contains(focused) || focused === document.body) return;
  const like = likeness(focused);
  held = { part: part.id, like, place: likesOf(part, like).indexOf(focused) };
});

document.addEventListener("htmx:afterSettle", () => {
  const before = held;
  held = null;
  if (!before || !isLost()) return;
  const part = document.getElementById(before.part);
  if (!part) return;
  const likes = likesOf(part, before.like);
  goTo(likes[before.place] ?? likes[0] ?? part);
});
