// Step 1 of the ranking page: the prompt, then one response at a time. The form's fields are the only state.
const isTyping = (target) => target.closest("textarea, select, input:not([type=radio], [type=checkbox])");

function start(form) {
  const sections = [...form.querySelectorAll("[data-step]")];
  const responses = [...form.querySelectorAll(".judge[data-code]")];
  const about = form.querySelector("[data-about-prompt]");
  const first = Number(sections[0].dataset.step);
  const last = Number(sections.at(-1).dataset.step);
  const current = () => Number(form.elements.step.value);
  const section = () => sections[current() - first] ?? sections[0];
  const isRanking = () => section().id === "step-rank";
  const scalesOf = (part) => [...part.querySelectorAll("[data-scale]")];
  const answerOf = (scale) => scale.querySelector("input:checked");

  function show(step, { focus = true } = {}) {
    const wanted = Math.max(first, Math.min(last, step));
    form.elements.step.value = wanted;
    for (const each of sections) each.classList.toggle("current", Number(each.dataset.step) === wanted);
    for (const link of form.querySelectorAll("[data-go]")) {
      if (Number(link.dataset.go) === wanted) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    form.dispatchEvent(new CustomEvent("step:shown", { detail: { step: wanted, isRanking: isRanking() } }));
    form.dispatchEvent(new Event("change"));
    if (focus) {
      if (!isRanking()) section().focus({ preventScroll: true });
      if (form.getBoundingClientRect().top < 0) form.scrollIntoView({ block: "start" });
    }
  }

  // What is said about the prompt: an answer for each flag once there is a tick, nothing before.
  function answersAboutPrompt() {
    const flags = about ? [...about.querySelectorAll("[data-about-flag]")] : [];
    const isAnswered = flags.some((flag) => flag.checked) || Boolean(about?.querySelector("[data-about-none]")?.checked);
    return new Map(isAnswered ? flags.map((flag) => [flag.dataset.aboutFlag, flag.checked]) : []);
  }

  // A question that the prompt does not call for is neither shown nor sent.
  function askWhatApplies() {
    const answers = answersAboutPrompt();
    for (const flag of form.querySelectorAll("[data-flag][data-when]")) {
      const { when } = flag.dataset;
      const isAsked = answers.has(when) ? answers.get(when) : form.hasAttribute(`data-tag-${when}`);
      flag.hidden = !isAsked;
      flag.disabled = !isAsked;
    }
  }

  function refresh() {
    askWhatApplies();
    for (const part of sections) {
      const scales = scalesOf(part);
      for (const scale of scales) scale.querySelector("[data-anchor]").textContent = answerOf(scale)?.parentElement.title ?? "";
      if (scales.length && scales.every(answerOf)) part.querySelector("[data-unrated]").hidden = true;
    }
    for (const each of responses) {
      form.querySelector(`[data-go="${each.dataset.step}"]`).classList.toggle("done", scalesOf(each).every(answerOf));
      const rated = each.querySelector('[data-scale="likert"] input:checked');
      const badge = form.querySelector(`.rank-card[data-code="${each.dataset.code}"] [data-rated]`);
      if (badge) badge.textContent = rated ? `rated ${rated.value}` : "not rated";
    }
  }

  function check(input) {
    if (!input) return;
    input.checked = true;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Digits answer the scale in focus, else the first without an answer, else the first.
  function answerScale(value, target) {
    const scales = scalesOf(section());
    const scale = target.closest("[data-scale]") ?? scales.find((each) => !answerOf(each)) ?? scales[0];
    const input = scale?.querySelector(`input[value="${value}"]`);
    check(input);
    return Boolean(input);
  }

  function noToTheRest() {
    for (const flag of section().querySelectorAll("[data-flag]:not([data-when], :disabled)")) {
      if (!flag.querySelector("input:checked")) check(flag.querySelector("input[value=no]"));
    }
  }

  function tick(digit) {
    const flags = [...about.querySelectorAll("[data-about-flag]")];
    (digit === 0 ? about.querySelector("[data-about-none]") : flags[digit - 1])?.click();
  }

  form.addEventListener("input", refresh);
  form.addEventListener("click", (event) => {
    const link = event.target.closest("[data-go]");
    if (link) { event.preventDefault(); show(Number(link.dataset.go)); }
    if (event.target.closest("[data-next]")) show(current() + 1);
    if (event.target.closest("[data-previous]")) show(current() - 1);
    if (event.target.closest("[data-all-no]")) noToTheRest();
  });
  form.addEventListener("text:open", (event) => openFullText(sections[event.detail.step - first]));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-report]")) event.preventDefault(); // the dialog shows what the link would
  });

  function onKey(event) {
    const onRadio = event.target.matches("input[type=radio]");
    const digit = /^[0-9]$/.test(event.key) ? Number(event.key) : null;
    if (event.key === "ArrowRight" && !onRadio) return () => show(current() + 1);
    if (event.key === "ArrowLeft" && !onRadio) return () => show(current() - 1);
    if (section().id === "step-prompt" && !scalesOf(section()).length) return digit === null ? null : () => tick(digit);
    if (digit === 0 && section().querySelector("[data-flag]")) return noToTheRest;
    if (digit !== null) return () => answerScale(String(digit), event.target);
    if (event.key === "-") return () => answerScale("-1", event.target);
    if (event.key.toLowerCase() === "f" && section().dataset.code) return () => openFullText(section());
    if (event.key.toLowerCase() === "r" && section().dataset.code) return () => section().querySelector("[data-report]").click();
    return null;
  }

  document.addEventListener("keydown", (event) => {
    if (!form.isConnected || isRanking() || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = onKey(event);
    if (!act) return;
    event.preventDefault();
    act();
  }, true);

  // Before a submission leaves: what has no rating is shown.
  form.addEventListener("htmx:confirm", (event) => {
    if (event.target !== form) return;
    const unrated = sections.find((part) => scalesOf(part).some((scale) => !answerOf(scale)));
    if (!unrated) return;
    event.preventDefault();
    show(Number(unrated.dataset.step));
    unrated.querySelector("[data-unrated]").hidden = false;
  });
  form.addEventListener("draft:restored", () => { refresh(); show(current(), { focus: false }); });
  refresh();
  show(current(), { focus: document.activeElement === document.body }); // a new page, or the answer to a submission
}

// The text as the page has it, with a switch of its own.
function openFullText(section) {
  const dialog = document.getElementById("full-text");
  const view = section.querySelector(".text-view");
  if (!view) return;
  dialog.querySelector("h2").textContent = `Response ${section.dataset.letter}`;
  const copy = view.cloneNode(true);
  for (const radio of copy.querySelectorAll(".view-switch input")) radio.name = "view-full";
  dialog.querySelector("[data-full-text]").replaceChildren(copy);
  dialog.showModal();
}

htmx.onLoad(() => {
  for (const form of document.querySelectorAll("form[data-ranking]:not([data-started-rating])")) {
    form.dataset.startedRating = "";
    start(form);
  }
});
