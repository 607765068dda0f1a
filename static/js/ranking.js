// Step 2 of the ranking page: cards in tier rows. Each card's <select> holds its rank; everything else is drawn from it.
// Dragging and the side-by-side view come when they are first needed: the page is light, and keys work at once.

const CONTRADICTION = 2;
const WARNINGS_SHOWN = 3; // the strongest; of nine responses many pairs may contradict at once

function start(form) {
  const k = Number(form.dataset.k);
  const section = form.querySelector("#step-rank");
  if (!section) return;
  const cards = [...form.querySelectorAll(".rank-card")];
  const tiers = [...form.querySelectorAll(".tier")];
  const announcer = form.querySelector("[data-announce]");
  const buttons = { undo: form.querySelector("[data-undo]"), redo: form.querySelector("[data-redo]") };
  const past = [];
  const future = [];
  const kept = new Set();
  let drawn = [];

  const select = (card) => card.querySelector("select");
  const rank = (card) => Number(select(card).value) || 0;
  const letter = (card) => card.dataset.letter;
  const judged = (card) => form.querySelector(`.judge[data-code="${card.dataset.code}"]`);
  const rating = (card) => Number(form.querySelector(`[name="likert-${card.dataset.code}"]:checked`)?.value) || 0;
  const isTouched = () => form.elements.was_touched.value === "yes";
  const isRanking = () => Number(form.elements.step.value) === k + 1;
  const inOrder = () => [...cards].sort((a, b) => rank(a) - rank(b) || letter(a).localeCompare(letter(b)));
  const ranksNow = () => cards.map((card) => rank(card));
  const listed = (letters) => (letters.length > 1 ? `${letters.slice(0, -1).join(", ")} and ${letters.at(-1)}` : letters[0]);

  function announce(words) {
    announcer.textContent = words;
  }

  function draw() {
    const focused = document.activeElement;
    drawn = ranksNow();
    for (const tier of tiers) {
      const list = tier.querySelector(".tier-cards");
      const wanted = inOrder().filter((card) => rank(card) === Number(tier.dataset.rank));
      if (wanted.some((card, index) => list.children[index] !== card) || list.children.length !== wanted.length) list.replaceChildren(...wanted);
      tier.classList.toggle("empty-tier", wanted.length === 0);
    }
    for (const card of cards) {
      const text = card.querySelector("[data-text]");
      const isExpanded = card.classList.contains("expanded");
      const isLong = text.scrollHeight > text.clientHeight + 4;
      text.classList.toggle("long", isLong && !isExpanded);
      for (const button of card.querySelectorAll("[data-expand], [data-full]")) button.hidden = !isLong && !isExpanded;
      const place = rank(card) ? `, rank ${rank(card)} of ${k}` : "";
      card.setAttribute("aria-label", `Response ${letter(card)}${place}${rating(card) ? `, rated ${rating(card)}` : ""}`);
    }
    buttons.undo.disabled = past.length === 0;
    buttons.redo.disabled = future.length === 0;
    if (focused && focused !== document.activeElement && form.contains(focused)) focused.focus({ preventScroll: true });
    warn();
  }

  // Cards that have no rank yet stand in display order, or by rating where this task starts from the ratings.
  function placeUnranked() {
    if (cards.every(rank) && (isTouched() || !("startsFromRatings" in form.dataset))) return;
    const byRating = "startsFromRatings" in form.dataset && !isTouched();
    const levels = [...new Set(cards.map(rating))].sort((a, b) => b - a);
    for (const [index, card] of cards.entries()) {
      if (byRating) select(card).value = String(levels.indexOf(rating(card)) + 1);
      else if (!rank(card)) select(card).value = String(index + 1);
    }
    form.elements.start.value = byRating ? "ratings" : "shuffled";
  }

  // Every way of moving ends here: new ranks in, one step on the undo list, one announcement.
  function arrange(wanted, words) {
    const before = ranksNow();
    if (wanted.every((value, index) => value === before[index])) return false;
    past.push(before);
    future.length = 0;
    settle(wanted, words);
    return true;
  }

  function settle(wanted, words) {
    for (const [index, card] of cards.entries()) select(card).value = String(wanted[index]);
    form.elements.was_touched.value = "yes";
    form.elements.confirmed.value = "";
    form.elements.moves.value = Number(form.elements.moves.value || 0) + 1;
    draw();
    announce(words());
    form.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function whereIs(card) {
    const tied = cards.filter((other) => other !== card && rank(other) === rank(card)).map(letter);
    return `${letter(card)} at rank ${rank(card)} of ${k}${tied.length ? `, tied with ${listed(tied)}` : ""}`;
  }

  function place(card, wanted) {
    const after = Math.max(1, Math.min(k, wanted));
    return arrange(ranksNow().map((value, index) => (cards[index] === card ? after : value)), () => whereIs(card));
  }

  // The card stands alone at this rank; those there move towards the nearest free row.
  function insert(card, wanted) {
    const at = Math.max(1, Math.min(k, wanted));
    const others = cards.filter((other) => other !== card);
    const taken = (value) => others.some((other) => rank(other) === value);
    let down = at;
    while (down <= k && taken(down)) down += 1;
    let up = at;
    while (up >= 1 && taken(up)) up -= 1;
    const isDown = down <= k;
    const next = ranksNow().map((value, index) => {
      if (cards[index] === card) return at;
      if (isDown && value >= at && value < down) return value + 1;
      if (!isDown && value <= at && value > up) return value - 1;
      return value;
    });
    return arrange(next, () => `${whereIs(card)}; the others made room`);
  }

  function tieWithAbove(card) {
    const order = inOrder();
    const above = order[order.indexOf(card) - 1];
    if (above) place(card, rank(above));
  }

  function travel(from, to, word) {
    const wanted = from.pop();
    if (!wanted) return announce(`Nothing to ${word}`);
    const before = ranksNow();
    to.push(before);
    const changed = cards.filter((_, index) => wanted[index] !== before[index]);
    settle(wanted, () => `${word === "undo" ? "Undone" : "Redone"}: ${changed.map(whereIs).join("; ")}`);
    changed[0]?.focus({ preventScroll: true });
    return undefined;
  }
  const undo = () => travel(past, future, "undo");
  const redo = () => travel(future, past, "redo");

  function contradictions() {
    const found = [];
    for (const better of inOrder()) {
      for (const worse of inOrder()) {
        const gap = rating(worse) - rating(better);
        if (rank(better) && rank(better) < rank(worse) && rating(better) && gap >= CONTRADICTION) {
          found.push({ gap, pair: `${letter(better)}${letter(worse)}`, words: `${letter(better)} stands above ${letter(worse)}, although you rated it ${gap} points lower.` });
        }
      }
    }
    for (const pair of kept) if (!found.some((each) => each.pair === pair)) kept.delete(pair);
    return found.filter((each) => !kept.has(each.pair)).sort((a, b) => b.gap - a.gap);
  }

  function warn() {
    const box = form.querySelector("[data-contradictions]");
    const found = isTouched() ? contradictions() : [];
    box.hidden = found.length === 0;
    const words = found.map((each) => each.words).join(" ");
    if (box.dataset.words === words) return;
    box.dataset.words = words;
    const lines = found.slice(0, WARNINGS_SHOWN).map(({ pair, words: said }) => warning(said, "Keep both", [pair]));
    const more = found.length - WARNINGS_SHOWN;
    if (more > 0) lines.push(warning(`${more} more ${more === 1 ? "pair stands" : "pairs stand"} against your ratings.`, "Keep all", found.map((each) => each.pair)));
    box.replaceChildren(...lines);
  }

  function warning(said, word, pairs) {
    const line = paragraph(said);
    const keep = document.createElement("button");
    keep.type = "button";
    keep.className = "button small";
    keep.textContent = word;
    keep.setAttribute("aria-label", `${word}: ${said}`);
    keep.addEventListener("click", () => { for (const pair of pairs) kept.add(pair); warn(); section.focus({ preventScroll: true }); announce("Kept"); });
    line.append(" ", keep);
    return line;
  }

  function paragraph(text) {
    const element = document.createElement("p");
    element.textContent = text;
    return element;
  }

  function expand(card) {
    const isExpanded = card.classList.toggle("expanded");
    const button = card.querySelector("[data-expand]");
    button.querySelector("[data-expand-word]").textContent = isExpanded ? "Less" : "More";
    button.setAttribute("aria-expanded", String(isExpanded));
    draw();
  }

  const openFullText = (card) => form.dispatchEvent(new CustomEvent("text:open", { detail: { step: Number(judged(card).dataset.step) } }));
  const report = (card) => judged(card).querySelector("[data-report]").click();

  function step(card, by) {
    const order = inOrder();
    order[order.indexOf(card) + by]?.focus();
  }

  // Left stands what is above: the card itself and its neighbour; the first one beside the second.
  async function compare(card) {
    const dialog = document.getElementById("side-by-side");
    const order = inOrder();
    const at = Math.max(1, order.indexOf(card));
    const { openSideBySide } = await import("./diffing.js");
    openSideBySide(dialog, order[at - 1].dataset.code, order[at].dataset.code, (code) => judged(cards.find((each) => each.dataset.code === code)));
  }

  function onCard(event, card) {
    const keys = {
      ArrowUp: () => place(card, rank(card) - 1),
      ArrowDown: () => place(card, rank(card) + 1),
      ArrowLeft: () => step(card, -1),
      ArrowRight: () => step(card, 1),
      "=": () => tieWithAbove(card),
      " ": () => expand(card),
      f: () => openFullText(card),
      r: () => report(card),
    };
    const digit = event.code.match(/^(?:Digit|Numpad)([1-9])$/)?.[1] ?? (/^[1-9]$/.test(event.key) ? event.key : "");
    if (digit && Number(digit) <= k) return () => (event.shiftKey ? insert(card, Number(digit)) : place(card, Number(digit)));
    return keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  }

  document.addEventListener("keydown", (event) => {
    if (!form.isConnected || !isRanking() || document.querySelector("dialog[open]") || event.target.closest("textarea")) return;
    const key = event.key.toLowerCase();
    const isCommand = event.ctrlKey || event.metaKey;
    const card = event.target.matches(".rank-card") ? event.target : null;
    let act;
    if (isCommand && key === "z") act = event.shiftKey ? redo : undo;
    else if (isCommand && key === "y") act = redo;
    else if (isCommand || event.altKey || event.target.closest("select")) return;
    else if (key === "u") act = event.shiftKey ? redo : undo;
    else if (key === "d") act = () => compare(card ?? inOrder()[1]);
    else if (card) act = onCard(event, card);
    if (!act) return;
    event.preventDefault();
    act();
  }, true); // before the keys of every page: U is the last move here

  form.addEventListener("click", (event) => {
    if (event.target.closest("[data-undo]")) undo();
    if (event.target.closest("[data-redo]")) redo();
    if (event.target.closest("[data-side-by-side]")) compare(inOrder()[1]);
    const card = event.target.closest(".rank-card");
    if (!card) return;
    if (event.target.closest("[data-up]")) place(card, rank(card) - 1);
    if (event.target.closest("[data-down]")) place(card, rank(card) + 1);
    if (event.target.closest("[data-expand]")) expand(card);
    if (event.target.closest("[data-full]")) openFullText(card);
  });

  for (const card of cards) {
    const text = judged(card).querySelector(".text-body");
    if (text) card.querySelector("[data-text]").replaceChildren(...[...text.childNodes].map((node) => node.cloneNode(true)));
    select(card).addEventListener("change", () => {
      const wanted = ranksNow();
      if (!rank(card)) wanted[cards.indexOf(card)] = drawn[cards.indexOf(card)];
      for (const [index, each] of cards.entries()) select(each).value = String(drawn[index]);
      arrange(wanted, () => whereIs(card));
    });
  }

  let mayDrag = false;
  async function allowDragging() {
    if (mayDrag) return;
    mayDrag = true;
    try {
      const { letDrag } = await import("./dragging.js");
      letDrag({
        cards,
        tiers,
        onto: (card, tier) => place(card, Number(tier.dataset.rank)),
        between: (card, tier) => insert(card, Number(tier.dataset.rank)),
        announce,
        name: letter,
      });
      section.dataset.draggable = "";
    } catch {
      mayDrag = false; // offline: keys and buttons do the same, the next visit of this step tries again
    }
  }

  form.addEventListener("step:shown", (event) => {
    if (!event.detail.isRanking) return;
    allowDragging();
    placeUnranked();
    section.querySelector("[data-start-words]").textContent = form.elements.start.value === "ratings" ? "The order below is that of your ratings." : "";
    draw();
    inOrder()[0].focus({ preventScroll: true });
  });
  form.addEventListener("draft:restored", () => { past.length = 0; future.length = 0; draw(); });

  // Before a submission leaves: what is doubtful is asked about once.
  form.addEventListener("htmx:confirm", (event) => {
    if (event.target !== form || event.defaultPrevented) return;
    const reasons = doubts();
    form.elements.confirmed.value = "yes";
    if (!reasons.length) return;
    event.preventDefault();
    form.elements.confirmed.value = "";
    const dialog = document.getElementById("sure-dialog");
    dialog.querySelector("[data-sure-reasons]").replaceChildren(...reasons.map(paragraph));
    dialog.querySelector("[data-sure]").onclick = () => {
      dialog.close();
      form.elements.confirmed.value = "yes";
      event.detail.issueRequest(true);
    };
    dialog.showModal();
  });

  function doubts() {
    const found = isTouched() ? contradictions() : [];
    const reasons = found.slice(0, WARNINGS_SHOWN).map((each) => `${each.words} Keep both?`);
    if (found.length > WARNINGS_SHOWN) reasons.push(`${found.length - WARNINGS_SHOWN} more of the pairs stand against your ratings. Keep all?`);
    if (!isTouched()) reasons.push("You have not moved any response. Is the order in which they stand the order you mean?");
    const open = cards.filter((card) => [...judged(card).querySelectorAll("[data-flag]:not(:disabled)")].some((flag) => !flag.querySelector("input:checked")));
    if (open.length) reasons.push(`Questions without an answer: ${open.map(letter).sort().join(", ")}. They are stored as not answered.`);
    return reasons;
  }

  if (!cards.every(rank)) form.elements.was_touched.value = "";
  if (isRanking()) {
    allowDragging();
    placeUnranked();
  }
  draw();
  if (isRanking() && document.activeElement === document.body) inOrder()[0].focus({ preventScroll: true });
}

htmx.onLoad(() => {
  for (const form of document.querySelectorAll("form[data-ranking]:not([data-started-ranking])")) {
    form.dataset.startedRanking = "";
    start(form);
  }
});
