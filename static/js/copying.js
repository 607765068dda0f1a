// Copy the text of a field: data-copy names it.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
    const status = document.querySelector("[data-copied]");
    if (status) status.textContent = "The link is on the clipboard.";
  } catch {
    button.textContent = "Press Ctrl C";
  }
});
