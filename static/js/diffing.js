// Two responses side by side, word for word. What only one of them says is marked by a line and read out, not by color alone.
const MAX_STEPS = 1500; // with more differences two texts have too little in common to be worth aligning

const tokens = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

// Myers, "An O(ND) difference algorithm": runs of {kind: "same" | "left" | "right", text}. Null where the texts differ too much.
export function wordDiff(left, right) {
  const a = tokens(left);
  const b = tokens(right);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const path = shortestEdit(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  if (path === null) return null;
  const runs = [];
  const add = (kind, text) => {
    if (runs.at(-1)?.kind === kind) runs.at(-1).text += text;
    else if (text) runs.push({ kind, text });
  };
  add("same", a.slice(0, head).join(""));
  for (const { kind, text } of path) add(kind, text);
  add("same", a.slice(a.length - tail).join(""));
  return runs.filter((run) => run.text);
}

// Blanks between two changed words belong to the change: whole phrases are easier to read than single words.
function joined(runs, kind) {
  const own = runs.filter((run) => run.kind === "same" || run.kind === kind);
  const found = [];
  for (const [index, run] of own.entries()) {
    const isGap = run.kind === "same" && !run.text.trim() && own[index - 1]?.kind === kind && own[index + 1]?.kind === kind;
    const as = isGap ? kind : run.kind;
    if (found.at(-1)?.kind === as) found.at(-1).text += run.text;
    else found.push({ kind: as, text: run.text });
  }
  return found;
}

// reach[k + middle] is how far along `a` the diagonal k = x - y has come; trail keeps it as it was before each step.
function shortestEdit(a, b) {
  const middle = Math.min(MAX_STEPS, a.length + b.length) + 1;
  const reach = new Int32Array(2 * middle + 1);
  const trail = [];
  for (let d = 0; d < middle; d += 1) {
    trail.push(reach.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]);
      let x = isDown ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, trail);
    }
  }
  return null;
}

function walkBack(a, b, trail) {
  const path = [];
  let x = a.length;
  let y = b.length;
  for (let d = trail.length - 1; d >= 0; d -= 1) {
    const reach = (k) => trail[d][k + d + 1];
    const k = x - y;
    const isDown = k === -d || (k !== d && reach(k - 1) < reach(k + 1));
    const fromX = d === 0 ? 0 : reach(isDown ? k + 1 : k - 1);
    const fromY = d === 0 ? 0 : fromX - (isDown ? k + 1 : k - 1);
    while (x > fromX && y > fromY) { x -= 1; y -= 1; path.push({ kind: "same", text: a[x] }); }
    if (d === 0) break;
    if (isDown) { y -= 1; path.push({ kind: "right", text: b[y] }); } else { x -= 1; path.push({ kind: "left", text: a[x] }); }
  }
  return path.reverse();
}

const wordCount = (text) => {
  const count = text.split(/\s+/).filter(Boolean).length;
  return `${count} ${count === 1 ? "word" : "words"}`;
};

function hidden(words) {
  const element = document.createElement("span");
  element.className = "visually-hidden";
  element.textContent = words;
  return element;
}

function marked(tag, text) {
  const element = document.createElement(tag);
  element.append(hidden(" [only here: "), text, hidden("] "));
  return element;
}

function pane(runs, kind, tag) {
  const text = document.createElement("div");
  text.className = "plain";
  text.dir = "auto";
  for (const run of joined(runs, kind)) text.append(run.kind === "same" || !run.text.trim() ? run.text : marked(tag, run.text));
  return text;
}

export function openSideBySide(dialog, leftCode, rightCode, sectionOf) {
  const choice = { left: dialog.querySelector("[data-side=left]"), right: dialog.querySelector("[data-side=right]") };
  const panes = { left: dialog.querySelector("[data-pane=left]"), right: dialog.querySelector("[data-pane=right]") };
  const textOf = (code) => sectionOf(code).querySelector(".view-typed .plain")?.textContent ?? "";
  const letterOf = (code) => sectionOf(code).dataset.letter;

  function draw() {
    const [left, right] = [choice.left.value, choice.right.value];
    const [one, other] = [textOf(left), textOf(right)];
    const runs = wordDiff(one, other);
    panes.left.replaceChildren(runs ? pane(runs, "left", "del") : pane([{ kind: "same", text: one }]));
    panes.right.replaceChildren(runs ? pane(runs, "right", "ins") : pane([{ kind: "same", text: other }]));
    panes.left.setAttribute("aria-label", `Response ${letterOf(left)}`);
    panes.right.setAttribute("aria-label", `Response ${letterOf(right)}`);
    const said = [left, right].map((code) => `${letterOf(code)} has ${wordCount(textOf(code))}`).join(", ");
    const verdict = one === other ? "; they say the same" : runs ? "" : "; too different to mark word for word";
    dialog.querySelector("[data-diff-summary]").textContent = `${said}${verdict}.`;
    for (const each of Object.values(panes)) each.scrollTop = 0;
  }

  let leading = null;
  for (const [name, other] of [["left", "right"], ["right", "left"]]) {
    panes[name].onscroll = () => {
      if (leading && leading !== name) return;
      leading = name;
      const span = panes[name].scrollHeight - panes[name].clientHeight;
      panes[other].scrollTop = span > 0 ? (panes[name].scrollTop / span) * (panes[other].scrollHeight - panes[other].clientHeight) : 0;
      requestAnimationFrame(() => requestAnimationFrame(() => { leading = null; }));
    };
    choice[name].onchange = draw;
  }
  dialog.querySelector("[data-swap-sides]").onclick = () => {
    [choice.left.value, choice.right.value] = [choice.right.value, choice.left.value];
    draw();
  };
  choice.left.value = leftCode;
  choice.right.value = rightCode;
  draw();
  dialog.showModal();
  panes.left.focus();
}
