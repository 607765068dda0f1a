// The page before the prompt: Ctrl+Enter goes to the next response that nothing was said about, at the end to the prompt.
const partOf = (target) => target.closest("[data-reading]");
const wordsOf = (part) => part.querySelector("textarea");
const isSaid = (part) => Boolean(wordsOf(part).value.trim()) || part.querySelector("[type=checkbox]").checked;

function start(form) {
  const parts = [...form.querySelectorAll("[data-reading]")];

  form.addEventListener("htmx:confirm", (event) => {
    if (event.target !== form) return;
    const open = parts.filter((part) => !isSaid(part));
    if (!open.length) return;
    event.preventDefault();
    const here = partOf(document.activeElement);
    const isAnswering = here !== null && document.activeElement.matches("textarea, input");
    const after = here && open.find((part) => parts.indexOf(part) >= parts.indexOf(here) + Number(isAnswering));
    const next = after ?? open[0];
    next.querySelector("[data-no-words]").hidden = Boolean(after); // on the way through, nothing is amiss yet
    next.scrollIntoView({ block: "start" });
    wordsOf(next).focus({ preventScroll: true });
  });
  form.addEventListener("input", (event) => {
    const part = partOf(event.target);
    if (part && isSaid(part)) part.querySelector("[data-no-words]").hidden = true;
  });
}

htmx.onLoad(() => {
  for (const form of document.querySelectorAll("form[data-readings]:not([data-started-readings])")) {
    form.dataset.startedReadings = "";
    start(form);
  }
});
