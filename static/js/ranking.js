// Step 2 of the ranking page: cards in tier rows. Each card's <select> holds its rank; everything else is drawn from it.
const CONTRADICTION = 2;

function start(form) {
  const k = Number(form.dataset.k);
  const cards = [...form.querySelectorAll(".rank-card")];
  const tiers = [...form.querySelectorAll(".tier")];
  const announce = form.querySelector("[data-announce]");
  const undoButton = form.querySelector("[data-undo]");
  const undone = [];

  const select = (card) => card.querySelector("select");
  const rank = (card) => Number(select(card).value) || 0;
  const letter = (card) => card.dataset.letter;
  const rating = (card) => Number(form.querySelector(`[name="likert-${card.dataset.code}"]:checked`)?.value) || 0;
  const isTouched = () => form.elements.was_touched.value === "yes";
  const isRanking = () => Number(form.elements.step.value) === k + 1;
  const inOrder = () => [...cards].sort((a, b) => rank(a) - rank(b) || letter(a).localeCompare(letter(b)));

  function draw() {
    const focused = document.activeElement;
    for (const tier of tiers) {
      const list = tier.querySelector(".tier-cards");
      const wanted = inOrder().filter((card) => rank(card) === Number(tier.dataset.rank));
      if (wanted.some((card, index) => list.children[index] !== card) || list.children.length !== wanted.length) list.replaceChildren(...wanted);
    }
    for (const card of cards) {
      const text = card.querySelector("[data-text]");
      const isExpanded = card.classList.contains("expanded");
      const isLong = text.scrollHeight > text.clientHeight + 4;
      text.classList.toggle("long", isLong && !isExpanded);
      card.querySelector("[data-expand]").hidden = !isLong && !isExpanded;
    }
    if (focused && focused !== document.activeElement && form.contains(focused)) focused.focus({ preventScroll: true });
    warn();
  }

  // Cards that have no rank yet stand in display order, or by rating where the batch says so.
  function placeUnranked() {
    if (isTouched() && cards.every(rank)) return;
    const byRating = "startsFromRatings" in form.dataset && !isTouched();
    const levels = [...new Set(cards.map(rating))].sort((a, b) => b - a);
    for (const [index, card] of cards.entries()) {
      if (byRating) select(card).value = String(levels.indexOf(rating(card)) + 1);
      else if (!rank(card)) select(card).value = String(index + 1);
    }
  }

  function place(card, wanted, { isUndo = false } = {}) {
    const before = rank(card);
    const after = Math.max(1, Math.min(k, wanted));
    if (after === before) return;
    if (!isUndo) undone.push([card, before]);
    select(card).value = String(after);
    moved(card, after);
  }

  function moved(card, after) {
    form.elements.was_touched.value = "yes";
    form.elements.moves.value = Number(form.elements.moves.value || 0) + 1;
    undoButton.disabled = undone.length === 0;
    draw();
    const tied = cards.filter((other) => other !== card && rank(other) === after).map(letter);
    announce.textContent = `${letter(card)} at rank ${after} of ${k}${tied.length ? `, tied with ${tied.join(" and ")}` : ""}`;
    form.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function undo() {
    const last = undone.pop();
    if (!last) return;
    place(last[0], last[1], { isUndo: true });
    undoButton.disabled = undone.length === 0;
    last[0].focus();
  }

  function tieWithAbove(card) {
    const order = inOrder();
    const above = order[order.indexOf(card) - 1];
    if (above) place(card, rank(above));
  }

  function contradictions() {
    const found = [];
    for (const better of cards) {
      for (const worse of cards) {
        const gap = rating(worse) - rating(better);
        if (rank(better) && rank(better) < rank(worse) && rating(better) && gap >= CONTRADICTION) {
          found.push(`${letter(better)} stands above ${letter(worse)}, although you rated it ${gap} points lower.`);
        }
      }
    }
    return found;
  }

  function warn() {
    const box = form.querySelector("[data-contradictions]");
    const found = contradictions();
    box.hidden = found.length === 0 || !isTouched();
    box.replaceChildren(...[...found, found.length ? "Keep both if you mean it." : ""].filter(Boolean).map(paragraph));
  }

  function paragraph(text) {
    const element = document.createElement("p");
    element.textContent = text;
    return element;
  }

  function expand(card) {
    card.classList.toggle("expanded");
    card.querySelector("[data-expand]").textContent = card.classList.contains("expanded") ? "Less" : "More";
    draw();
  }

  function openFullText(card) {
    const dialog = document.getElementById("full-text");
    dialog.querySelector("h2").textContent = `Response ${letter(card)}`;
    dialog.querySelector("[data-full-text]").replaceChildren(...[...card.querySelector("[data-text]").childNodes].map((node) => node.cloneNode(true)));
    dialog.showModal();
  }

  function step(card, by) {
    const order = inOrder();
    order[order.indexOf(card) + by]?.focus();
  }

  form.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && isRanking() && !event.target.matches("textarea")) {
      event.preventDefault();
      undo();
      return;
    }
    const card = event.target;
    if (!card.matches(".rank-card") || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowUp: () => place(card, rank(card) - 1),
      ArrowDown: () => place(card, rank(card) + 1),
      ArrowLeft: () => step(card, -1),
      ArrowRight: () => step(card, 1),
      "=": () => tieWithAbove(card),
      " ": () => expand(card),
      f: () => openFullText(card),
      F: () => openFullText(card),
    };
    const digit = Number(event.key);
    const act = digit >= 1 && digit <= k ? () => place(card, digit) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });

  form.addEventListener("click", (event) => {
    if (event.target.closest("[data-undo]")) undo();
    const card = event.target.closest(".rank-card");
    if (!card) return;
    if (event.target.closest("[data-up]")) place(card, rank(card) - 1);
    if (event.target.closest("[data-down]")) place(card, rank(card) + 1);
    if (event.target.closest("[data-expand]")) expand(card);
  });

  for (const card of cards) {
    let before = rank(card);
    select(card).addEventListener("focus", () => { before = rank(card); });
    select(card).addEventListener("change", () => {
      if (rank(card)) { undone.push([card, before]); moved(card, rank(card)); before = rank(card); }
    });
    card.draggable = true;
    card.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", card.dataset.code);
      event.dataTransfer.effectAllowed = "move";
      card.classList.add("lifted");
    });
    card.addEventListener("dragend", () => card.classList.remove("lifted"));
  }
  for (const tier of tiers) {
    tier.addEventListener("dragover", (event) => { event.preventDefault(); tier.classList.add("over"); });
    tier.addEventListener("dragleave", (event) => { if (!tier.contains(event.relatedTarget)) tier.classList.remove("over"); });
    tier.addEventListener("drop", (event) => {
      event.preventDefault();
      tier.classList.remove("over");
      const card = cards.find((each) => each.dataset.code === event.dataTransfer.getData("text/plain"));
      if (card) place(card, Number(tier.dataset.rank));
    });
  }

  form.addEventListener("step:shown", (event) => {
    if (!event.detail.isRanking) return;
    placeUnranked();
    draw();
    inOrder()[0].focus({ preventScroll: true });
  });
  form.addEventListener("draft:restored", draw);

  // Before a submission leaves: what is missing is shown, what is doubtful is asked about once.
  form.addEventListener("htmx:confirm", (event) => {
    if (event.target !== form) return;
    const unrated = cards.filter((card) => !rating(card)).sort((a, b) => letter(a).localeCompare(letter(b)));
    if (unrated.length) {
      event.preventDefault();
      form.querySelector(`.judge-steps a[aria-label="Response ${letter(unrated[0])}"]`).click();
      form.querySelector(`.judge[data-code="${unrated[0].dataset.code}"] [data-unrated]`).hidden = false;
      return;
    }
    const reasons = doubts();
    if (!reasons.length) return;
    event.preventDefault();
    const dialog = document.getElementById("sure-dialog");
    dialog.querySelector("[data-sure-reasons]").replaceChildren(...reasons.map(paragraph));
    dialog.querySelector("[data-sure]").onclick = () => { dialog.close(); event.detail.issueRequest(true); };
    dialog.showModal();
  });

  function doubts() {
    const reasons = [];
    if (!isTouched()) reasons.push("You have not moved any response. Is the order in which they stand the order you mean?");
    const open = cards.filter((card) => {
      const section = form.querySelector(`.judge[data-code="${card.dataset.code}"]`);
      return [...section.querySelectorAll("[data-flag]")].some((flag) => !flag.querySelector("input:checked"));
    });
    if (open.length) reasons.push(`Questions without an answer: ${open.map(letter).sort().join(", ")}. They are stored as not answered.`);
    return reasons;
  }

  if (!cards.every(rank)) form.elements.was_touched.value = "";
  if (isRanking()) placeUnranked();
  draw();
}

htmx.onLoad(() => {
  for (const form of document.querySelectorAll("form[data-ranking]:not([data-started-ranking])")) {
    form.dataset.startedRanking = "";
    start(form);
  }
});
