// The demonstration page: count words, switch between writing and preview.
const words = (text) => text.split(/\s+/).filter(Boolean).length;

function start(form) {
  const text = form.querySelector("textarea[name=text]");
  const counter = form.querySelector("[data-word-count]");
  const panels = { write: form.querySelector("#write-panel"), preview: form.querySelector("#preview-panel") };

  function count() {
    const n = words(text.value);
    counter.textContent = `${n} ${n === 1 ? "word" : "words"}`;
  }

  function show(name) {
    for (const tab of form.querySelectorAll("[data-tab]")) tab.setAttribute("aria-selected", String(tab.dataset.tab === name));
    for (const [key, panel] of Object.entries(panels)) panel.hidden = key !== name;
    if (name === "write") text.focus();
  }

  form.addEventListener("input", count);
  form.addEventListener("draft:restored", count);
  form.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-tab]");
    if (tab) show(tab.dataset.tab);
  });
  count();
}

htmx.onLoad((root) => {
  for (const form of document.querySelectorAll("form[data-writing]:not([data-started-writing])")) {
    form.dataset.startedWriting = "";
    start(form);
  }
});
