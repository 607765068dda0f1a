// Keys that work on every task page, and dialogs: data-opens="id" (what says data-first has the focus then), data-closes, data-key="s", data-submit-shortcut.
const isTyping = (target) => target.closest("textarea, select, input:not([type=radio], [type=checkbox]), [contenteditable]");
const isVisible = (element) => element.offsetParent !== null;

function open(dialog) {
  dialog?.showModal();
  dialog?.querySelector("[data-first]")?.focus();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) open(document.getElementById(opener.dataset.opens));
  if (event.target.closest("[data-closes]") || event.target.matches("dialog")) event.target.closest("dialog")?.close();
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return; // the page knows this key better
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const scope = document.querySelector("dialog[open]") ?? document.querySelector("main");
    const button = [...scope.querySelectorAll("[data-submit-shortcut], dialog[open] .primary")].find(isVisible);
    if (!button) return;
    event.preventDefault();
    button.click();
    return;
  }
  if (event.key === "Escape" && isTyping(event.target) && !document.querySelector("dialog[open]")) {
    event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

// From a question to the section of the guideline that explains it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-to-guideline]");
  const section = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (!section) return;
  event.preventDefault(); // the address stays that of the task
  section.closest("details").open = true;
  section.tabIndex = -1;
  section.focus({ preventScroll: true });
  section.scrollIntoView({ block: "start" });
});

// Rendered or as typed: one choice for every text on the page, kept for the next one.
const VIEW = "text-view";
function showTexts(view) {
  document.documentElement.dataset.textView = view;
  for (const radio of document.querySelectorAll(`.view-switch input[value="${view}"]`)) radio.checked = true;
}
document.addEventListener("change", (event) => {
  if (!event.target.matches(".view-switch input")) return;
  try { localStorage.setItem(VIEW, event.target.value); } catch { /* storage is closed; this page still follows */ }
  showTexts(event.target.value);
});
try { if (localStorage.getItem(VIEW) === "typed") showTexts("typed"); } catch { /* as above */ }
