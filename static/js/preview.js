// A labeler's page shown to staff: everything moves, nothing leaves the browser. It runs before the page's own scripts.
for (const form of document.querySelectorAll("form[data-draft]")) form.removeAttribute("data-draft");

const quiet = (event) => {
  event.preventDefault();
  event.stopImmediatePropagation();
};
document.addEventListener("submit", quiet, true);
document.addEventListener("htmx:beforeRequest", quiet, true);
