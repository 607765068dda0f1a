// Pages for writing: count words, show length and hints, switch between writing and preview, count what is typed and pasted.
const CHARACTERS_A_TOKEN = 4;
const HINT_AFTER_MS = 1500;
const TYPING = "typing:";
const words = (text) => text.split(/\s+/).filter(Boolean).length;

function start(form) {
  const fields = () => [...form.querySelectorAll("textarea")];
  const counter = form.querySelector("[data-word-count]");
  const bar = form.querySelector("[data-length-bar]");
  const length = form.querySelector("[data-length]");
  const hints = form.querySelector("[data-hints]");
  const panels = { write: form.querySelector("#write-panel"), preview: form.querySelector("#preview-panel") };
  const whole = () => fields().map((field) => field.value).join("\n");

  function count() {
    const text = whole();
    const n = words(text);
    const tokens = Math.max(Math.ceil((n * 4) / 3), Math.ceil(text.trim().length / CHARACTERS_A_TOKEN)); // as intake counts
    counter.textContent = `${n} ${n === 1 ? "word" : "words"}`;
    bar.value = tokens;
    length.textContent = `${tokens} of about ${bar.max} tokens`;
  }

  let timer = null;
  let asked = "";
  function askForHints() {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const text = whole();
      if (text === asked) return;
      asked = text;
      const body = new FormData();
      body.set("text", text);
      body.set("prompt_language", form.elements.prompt_language?.value ?? "");
      body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
      const answer = await fetch("/work/hints/", { method: "POST", body }).catch(() => null);
      if (answer?.ok) hints.innerHTML = await answer.text(); // our own fragment, escaped where it was made
    }, HINT_AFTER_MS);
  }

  // How the text came to be, for a reviewer. It outlives a reload and is sent with the submission.
  const key = TYPING + form.dataset.draft;
  const counts = { typed: 0, pastes: 0, pasted: 0, longest_paste: 0 };
  try { Object.assign(counts, JSON.parse(localStorage.getItem(key))); } catch { /* it begins anew */ }
  function keepCounts() {
    form.elements.typing_counts.value = JSON.stringify(counts);
    try { localStorage.setItem(key, JSON.stringify(counts)); } catch { /* the field has it */ }
  }
  form.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    counts.pastes += 1;
    counts.pasted += text.length;
    counts.longest_paste = Math.max(counts.longest_paste, text.length);
    keepCounts();
  });
  form.addEventListener("beforeinput", (event) => {
    if (!event.inputType?.startsWith("insert") || event.inputType === "insertFromPaste") return;
    counts.typed += event.data?.length ?? 1;
    keepCounts();
  });

  function show(name) {
    for (const tab of form.querySelectorAll("[data-tab]")) {
      tab.setAttribute("aria-selected", String(tab.dataset.tab === name));
      tab.tabIndex = tab.dataset.tab === name ? 0 : -1;
    }
    for (const [key, panel] of Object.entries(panels)) panel.hidden = key !== name;
  }

  const changed = () => { count(); askForHints(); };
  form.addEventListener("input", changed);
  form.addEventListener("draft:restored", changed);
  form.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-tab]");
    if (!tab) return;
    show(tab.dataset.tab);
    if (tab.dataset.tab === "write") fields()[0].focus();
  });
  form.addEventListener("keydown", (event) => {
    const tab = event.target.closest("[data-tab]");
    if (!tab || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const other = form.querySelector(`[data-tab="${tab.dataset.tab === "write" ? "preview" : "write"}"]`);
    event.preventDefault();
    other.focus();
    other.click();
  });
  keepCounts();
  changed();
}

for (const done of document.querySelectorAll("[data-forget-draft]")) localStorage.removeItem(TYPING + done.dataset.forgetDraft);

htmx.onLoad(() => {
  for (const form of document.querySelectorAll("form[data-writing]:not([data-started-writing])")) {
    form.dataset.startedWriting = "";
    start(form);
  }
});
