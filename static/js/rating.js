// Step 1 of the ranking page: one response at a time. The form's fields are the only state.
const isTyping = (target) => target.closest("textarea, select, input:not([type=radio], [type=checkbox])");

function start(form) {
  const sections = [...form.querySelectorAll("[data-step]")];
  const last = sections.length;
  const current = () => Number(form.elements.step.value) || 1;
  const section = () => sections[current() - 1];

  function show(step, { focus = true } = {}) {
    const wanted = Math.max(1, Math.min(last, step));
    form.elements.step.value = wanted;
    for (const [index, each] of sections.entries()) each.classList.toggle("current", index + 1 === wanted);
    for (const link of form.querySelectorAll("[data-go]")) {
      if (Number(link.dataset.go) === wanted) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    form.dispatchEvent(new CustomEvent("step:shown", { detail: { step: wanted, isRanking: wanted === last } }));
    form.dispatchEvent(new Event("change"));
    if (focus) {
      if (wanted !== last) section().focus({ preventScroll: true });
      if (form.getBoundingClientRect().top < 0) form.scrollIntoView({ block: "start" });
    }
  }

  function refresh() {
    for (const each of sections.slice(0, -1)) {
      const rated = each.querySelector(".likert input:checked");
      form.querySelector(`[data-go="${each.dataset.step}"]`).classList.toggle("done", Boolean(rated));
      each.querySelector("[data-anchor]").textContent = rated?.parentElement.title ?? "";
      if (rated) each.querySelector("[data-unrated]").hidden = true;
      const badge = form.querySelector(`.rank-card[data-code="${each.dataset.code}"] [data-rated]`);
      badge.textContent = rated ? `rated ${rated.value}` : "not rated";
    }
  }

  function check(input) {
    if (!input) return;
    input.checked = true;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function noToTheRest() {
    for (const flag of section().querySelectorAll("[data-flag]:not([data-conditional])")) {
      if (!flag.querySelector("input:checked")) check(flag.querySelector("input[value=no]"));
    }
  }

  form.addEventListener("input", refresh);
  form.addEventListener("click", (event) => {
    const link = event.target.closest("[data-go]");
    if (link) { event.preventDefault(); show(Number(link.dataset.go)); }
    if (event.target.closest("[data-next]")) show(current() + 1);
    if (event.target.closest("[data-previous]")) show(current() - 1);
    if (event.target.closest("[data-all-no]")) noToTheRest();
  });
  document.addEventListener("keydown", (event) => {
    if (!form.isConnected || current() === last || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onRadio = event.target.matches("input[type=radio]");
    if (event.key >= "1" && event.key <= "9") check(section().querySelector(`.likert input[value="${event.key}"]`));
    else if (event.key === "0") noToTheRest();
    else if (event.key === "ArrowRight" && !onRadio) show(current() + 1);
    else if (event.key === "ArrowLeft" && !onRadio) show(current() - 1);
    else if (event.key.toLowerCase() === "f") openFullText(section().dataset.letter, section().querySelector(".text-body"));
    else return;
    event.preventDefault();
  });
  form.addEventListener("draft:restored", () => { refresh(); show(current(), { focus: false }); });
  refresh();
  show(current(), { focus: false });
}

function openFullText(letter, source) {
  const dialog = document.getElementById("full-text");
  if (!source) return;
  dialog.querySelector("h2").textContent = `Response ${letter}`;
  dialog.querySelector("[data-full-text]").replaceChildren(...[...source.childNodes].map((node) => node.cloneNode(true)));
  dialog.showModal();
}

htmx.onLoad(() => {
  for (const form of document.querySelectorAll("form[data-ranking]:not([data-started-rating])")) {
    form.dataset.startedRating = "";
    start(form);
  }
});
