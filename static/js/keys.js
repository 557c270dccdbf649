// Shortcuts of every page: "/" search, "?" the list, "g" and a letter to go somewhere.
const PLACES = { s: "/", f: "/find", v: "/videos", d: "/duplicates", j: "/jobs", t: "/training/" };
const CHORD_MS = 1200;
const dialog = document.getElementById("shortcuts");
let waitingSince = 0;

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest("input, textarea, select") !== null);
}

function showShortcuts() {
  if (dialog && !dialog.open) dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const chord = event.timeStamp - waitingSince < CHORD_MS;
  waitingSince = 0;
  if (chord && Object.hasOwn(PLACES, event.key)) {
    event.preventDefault();
    window.location.assign(PLACES[event.key]);
  } else if (event.key === "g") {
    waitingSince = event.timeStamp || 1;
  } else if (event.key === "?") {
    event.preventDefault();
    showShortcuts();
  } else if (event.key === "/") {
    event.preventDefault();
    const box = document.querySelector("input[name=q]");
    if (box) box.select();
    else window.location.assign("/");
  }
});

for (const button of document.querySelectorAll("[data-shortcuts]")) {
  button.hidden = false;
  button.addEventListener("click", showShortcuts);
}
// A menu closes when somebody clicks elsewhere or presses Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});
