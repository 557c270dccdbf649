// The search page: a tidy address, and cards whose pictures can be scrubbed. Everything works without it.
import { loadStoryboard, showTile, tileAt, timecode } from "./storyboard.js";

const DWELL_MS = 250; // whoever only comes to click gets the best moment, not what lies under the pointer
const DRAG_PIXELS = 8;

for (const form of document.querySelectorAll("form[data-search]")) {
  // Empty fields do not belong into the address.
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && field.name !== "q" && field.value === "") field.disabled = true;
  });
  window.addEventListener("pageshow", () => {
    for (const field of form.elements) field.disabled = false;
  });
}

// An error while more is loaded belongs where the button was.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400 && event.detail.target.matches?.(".pager")) event.detail.shouldSwap = true;
});
document.addEventListener("htmx:sendError", (event) => {
  const link = event.target.closest?.("[data-more]");
  if (link) link.textContent = "vsearch did not answer. Try again";
});

let scrub = null; // { card, tiles, time, timer, startX, dragged }

function cardOf(target) {
  return target instanceof Element ? target.closest("a.thumb[data-storyboard]") : null;
}

function begin(card, dwell) {
  end();
  scrub = { card, tiles: null, time: null, ready: dwell === 0, dragged: false, href: card.getAttribute("href") };
  const label = card.querySelector("[data-time]");
  scrub.label = label?.textContent ?? "";
  const mine = scrub;
  loadStoryboard(card.dataset.storyboard).then((tiles) => {
    mine.tiles = tiles;
  });
  if (dwell) scrub.timer = setTimeout(() => { mine.ready = true; }, dwell);
}

function end() {
  if (!scrub) return;
  clearTimeout(scrub.timer);
  scrub.card.classList.remove("scrubbing");
  scrub.card.setAttribute("href", scrub.href);
  const label = scrub.card.querySelector("[data-time]");
  if (label) label.textContent = scrub.label;
  scrub = null;
}

function show(time) {
  if (!scrub?.tiles?.length) return;
  const { card, tiles } = scrub;
  const duration = Number(card.dataset.duration) || tiles.at(-1).end;
  scrub.time = Math.min(Math.max(0, time), duration);
  const tile = tileAt(tiles, scrub.time);
  showTile(card, tile);
  card.classList.add("scrubbing");
  let line = card.querySelector(".scrub-line");
  if (!line) {
    line = document.createElement("span");
    line.className = "scrub-line";
    card.append(line);
  }
  line.style.left = `${(100 * scrub.time) / duration}%`;
  const label = card.querySelector("[data-time]");
  if (label) label.textContent = timecode(scrub.time);
  // What is shown is what a click plays.
  const address = new URL(scrub.href, document.baseURI);
  address.searchParams.set("t", scrub.time.toFixed(1));
  card.setAttribute("href", address.pathname + address.search);
}

function timeUnder(card, clientX) {
  const box = card.getBoundingClientRect();
  const duration = Number(card.dataset.duration) || scrub?.tiles?.at(-1)?.end || 0;
  return (duration * (clientX - box.left)) / box.width;
}

document.addEventListener("pointerover", (event) => {
  const card = cardOf(event.target);
  if (event.pointerType !== "mouse" || !card || scrub?.card === card) return;
  begin(card, DWELL_MS);
});
document.addEventListener("pointermove", (event) => {
  if (!scrub || cardOf(event.target) !== scrub.card) {
    if (scrub && event.pointerType === "mouse" && !scrub.card.matches(":focus-visible")) end();
    return;
  }
  if (event.pointerType !== "mouse") {
    if (Math.abs(event.clientX - scrub.startX) < DRAG_PIXELS && !scrub.dragged) return;
    scrub.dragged = true;
  }
  if (scrub.ready) show(timeUnder(scrub.card, event.clientX));
});
document.addEventListener("pointerdown", (event) => {
  const card = cardOf(event.target);
  if (event.pointerType === "mouse" || !card) return;
  begin(card, 0);
  scrub.startX = event.clientX;
});
// A finger that dragged has looked around; it did not mean to leave the page.
document.addEventListener("click", (event) => {
  if (scrub?.dragged && cardOf(event.target) === scrub.card) {
    event.preventDefault();
    scrub.dragged = false;
  }
}, true);
document.addEventListener("pointercancel", end);
document.addEventListener("keydown", (event) => {
  const card = cardOf(event.target);
  if (!card || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
  event.preventDefault();
  if (scrub?.card !== card) begin(card, 0);
  const mine = scrub;
  const direction = event.key === "ArrowRight" ? 1 : -1;
  loadStoryboard(card.dataset.storyboard).then((tiles) => {
    if (scrub !== mine || !tiles.length) return;
    mine.tiles = tiles;
    const now = mine.time ?? Number(new URL(mine.href, document.baseURI).searchParams.get("t") ?? 0);
    const place = tiles.indexOf(tileAt(tiles, now));
    show(tiles[Math.min(tiles.length - 1, Math.max(0, place + direction))].start);
  });
});
document.addEventListener("focusout", (event) => {
  if (scrub && cardOf(event.target) === scrub.card) end();
});
document.documentElement.addEventListener("pointerleave", end);

// Playing a result says that it looked right: a weak label for training. Lost when it cannot be sent, which is fine.
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || !(event.target instanceof Element)) return;
  const link = event.target.closest(".result a[href*='/videos/']");
  const form = link?.closest(".result").querySelector("form[data-feedback]");
  if (!form) return;
  const said = new FormData(form);
  const seconds = Number(new URL(link.href, document.baseURI).searchParams.get("t") ?? said.get("start"));
  if (link.classList.contains("moment") && Number.isFinite(seconds)) {
    const length = Number(said.get("end")) - Number(said.get("start"));
    said.set("start", seconds);
    said.set("end", seconds + length);
  }
  said.set("kind", "click");
  navigator.sendBeacon(form.action, said);
});
