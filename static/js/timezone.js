// Propose the browser's own time zone where the form still says UTC.
const field = document.querySelector("[name=time_zone]");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (field && own && field.value === "UTC") field.value = own;
