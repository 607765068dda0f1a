// Pairs of a few-shot prompt: added and taken out without leaving the page. Without this script the same buttons submit.
function start(form) {
  const list = form.querySelector("[data-pair-list]");
  if (!list) return;
  const add = form.querySelector("[data-add-pair]");
  const news = form.querySelector("[data-pair-news]");
  const most = Number(form.dataset.pairs);
  const least = 2;
  const pairs = () => [...list.querySelectorAll("[data-pair]")];
  const fieldsOf = (pair) => [...pair.querySelectorAll("textarea")];

  // Names and numbers follow the order on the page.
  function renumber() {
    const all = pairs();
    all.forEach((pair, at) => {
      const number = at + 1;
      fieldsOf(pair).forEach((field, place) => {
        const name = `${place === 0 ? "query" : "response"}-${number}`;
        field.name = name;
        field.id = `id_${name}`;
        pair.querySelectorAll("label")[place].htmlFor = field.id;
      });
      for (const place of pair.querySelectorAll("[data-pair-number]")) place.textContent = number;
      const remove = pair.querySelector("[data-remove-pair]");
      remove.value = number;
      remove.disabled = all.length <= least;
    });
    add.disabled = all.length >= most;
  }

  function addPair(isOurs = true) {
    if (pairs().length >= most) return;
    const pair = pairs()[0].cloneNode(true);
    for (const field of fieldsOf(pair)) {
      field.value = "";
      field.defaultValue = "";
      field.removeAttribute("aria-invalid");
    }
    for (const errors of pair.querySelectorAll(".errorlist")) errors.remove();
    list.append(pair);
    renumber();
    if (!isOurs) return;
    fieldsOf(pair)[0].focus();
    news.textContent = `Pair ${pairs().length} added.`;
    form.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function removePair(pair) {
    if (pairs().length <= least) return;
    const at = pairs().indexOf(pair);
    pair.remove();
    renumber();
    const next = pairs()[Math.min(at, pairs().length - 1)];
    fieldsOf(next)[0].focus();
    news.textContent = `Pair ${at + 1} taken out. ${pairs().length} pairs are left.`;
    form.dispatchEvent(new Event("input", { bubbles: true }));
  }

  form.addEventListener("click", (event) => {
    const remove = event.target.closest("[data-remove-pair]");
    if (event.target.closest("[data-add-pair]")) {
      event.preventDefault();
      addPair();
    } else if (remove) {
      event.preventDefault();
      removePair(remove.closest("[data-pair]"));
    }
  });
  form.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.code === "KeyN") {
      event.preventDefault();
      addPair();
    } else if (event.code === "KeyX" && event.target.closest("[data-pair]")) {
      event.preventDefault();
      removePair(event.target.closest("[data-pair]"));
    }
  });
  // A draft that comes back says how many pairs it has.
  form.addEventListener("draft:pairs", (event) => {
    while (pairs().length < Math.min(event.detail, most)) addPair(false);
    while (pairs().length > Math.max(event.detail, least)) pairs().at(-1).remove();
    renumber();
  });
  renumber();
}

htmx.onLoad(() => {
  for (const form of document.querySelectorAll("form[data-pairs]:not([data-started-pairs])")) {
    form.dataset.startedPairs = "";
    start(form);
  }
});
