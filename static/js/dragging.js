// Move cards between rows with a mouse, a pen or a finger. A mouse takes a card anywhere, a finger by its grip, so that
// the page can still be scrolled. Dropped on a row a card joins it; dropped on the line above a row it goes in between.
const START_AFTER_PX = 6;
const EDGE_PX = 70;
const BETWEEN_PX = 9;

export function letDrag({ cards, tiers, onto, between, announce, name }) {
  let lifted = null;

  function target(y, x) {
    const tier = tiers.find((each) => {
      const box = each.getBoundingClientRect();
      return y >= box.top - 4 && y <= box.bottom + 4 && x >= box.left - 40 && x <= box.right + 40;
    });
    if (!tier) return null;
    const isBetween = y < tier.getBoundingClientRect().top + BETWEEN_PX;
    return { tier, isBetween: isBetween && !tier.classList.contains("empty-tier") };
  }

  function mark(found) {
    for (const tier of tiers) {
      tier.classList.toggle("over", found?.tier === tier && !found.isBetween);
      tier.classList.toggle("over-between", found?.tier === tier && found.isBetween);
    }
  }

  function lift(card, event) {
    const box = card.getBoundingClientRect();
    const ghost = card.cloneNode(true);
    ghost.classList.add("ghost");
    ghost.removeAttribute("tabindex");
    ghost.setAttribute("aria-hidden", "true");
    for (const field of ghost.querySelectorAll("select, button")) field.remove();
    ghost.style.width = `${box.width}px`;
    document.body.append(ghost);
    card.classList.add("lifted");
    lifted = { ...lifted, ghost, dx: event.clientX - box.left, dy: Math.min(event.clientY - box.top, 60), isUp: true };
    document.documentElement.classList.add("dragging");
    announce(`${name(card)} lifted`);
  }

  function follow(x, y) {
    lifted.ghost.style.transform = `translate(${x - lifted.dx}px, ${y - lifted.dy}px)`;
    mark(target(y, x));
    lifted.y = y;
    lifted.x = x;
  }

  // Near an edge the page moves along.
  function scrollAlong() {
    if (!lifted?.isUp) return;
    const { y, x } = lifted;
    const by = y < EDGE_PX ? y - EDGE_PX : Math.max(0, y - (window.innerHeight - EDGE_PX));
    if (by) {
      window.scrollBy(0, by / 5);
      mark(target(y, x));
    }
    requestAnimationFrame(scrollAlong);
  }

  function end(drops) {
    if (!lifted) return;
    const { card, ghost, isUp, x, y } = lifted;
    const found = isUp && drops ? target(y, x) : null;
    lifted = null;
    ghost?.remove();
    card.classList.remove("lifted");
    document.documentElement.classList.remove("dragging");
    mark(null);
    if (!isUp) return;
    const isMoved = found && (found.isBetween ? between : onto)(card, found.tier);
    if (!isMoved) announce(`${name(card)} stays where it was`);
    card.focus({ preventScroll: true });
  }

  for (const card of cards) {
    card.addEventListener("pointerdown", (event) => {
      const isFinger = event.pointerType === "touch";
      if (event.button !== 0 || event.target.closest("button, select, a, input, label")) return;
      if (isFinger && !event.target.closest("[data-grip]")) return;
      if (card.classList.contains("expanded") && event.target.closest("[data-text]")) return; // there, text is for selecting
      lifted = { card, id: event.pointerId, x: event.clientX, y: event.clientY, startX: event.clientX, startY: event.clientY };
      card.setPointerCapture(event.pointerId);
    });
    card.addEventListener("pointermove", (event) => {
      if (!lifted || event.pointerId !== lifted.id) return;
      if (!lifted.isUp) {
        if (Math.hypot(event.clientX - lifted.startX, event.clientY - lifted.startY) < START_AFTER_PX) return;
        lift(card, event);
        scrollAlong();
      }
      event.preventDefault();
      follow(event.clientX, event.clientY);
    });
    card.addEventListener("pointerup", () => end(true));
    card.addEventListener("pointercancel", () => end(false));
    card.addEventListener("dragstart", (event) => event.preventDefault());
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") end(false); });
}
