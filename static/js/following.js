// Keep the end of a growing log in view while its box is ticked; scrolling up unticks it, down to the end ticks it.
const log = document.querySelector("[data-follow]");
const box = document.getElementById(log.dataset.follow);
const end = () => log.scrollHeight - log.clientHeight;
const follow = () => {
  if (box.checked) log.scrollTop = end();
};

log.addEventListener("scroll", () => {
  box.checked = end() - log.scrollTop < 40;
});
box.addEventListener("change", follow);
document.addEventListener("htmx:afterSwap", follow);
follow();
