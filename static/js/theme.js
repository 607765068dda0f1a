// Light, dark or as the system says. Runs before the page is drawn, so that it never flashes.
(() => {
  const root = document.documentElement;
  const kept = localStorage.getItem("theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  root.classList.add("scripted");

  function choose(theme) {
    if (theme === "system") {
      localStorage.removeItem("theme");
      delete root.dataset.theme;
    } else {
      localStorage.setItem("theme", theme);
      root.dataset.theme = theme;
    }
    show();
  }

  function show() {
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === (root.dataset.theme ?? "system")));
    }
  }

  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (button) choose(button.dataset.themeChoice);
    for (const menu of document.querySelectorAll("details.site-menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
})();
