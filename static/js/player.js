// The video page: starts at ?t=, follows clicks on moments, shots and subtitles, and shows the storyboard on hover.
import { loadStoryboard, showTile, tileAt, timecode } from "./storyboard.js";

const STEP_SECONDS = 5;
const root = document.querySelector("[data-player]");
if (root) setUp(root, root.querySelector("video"));

function setUp(player, video) {
  const timeline = player.querySelector("[data-timeline]");
  startAt(player, video);
  followLinks(video);
  if (timeline) setUpTimeline(timeline, video);
  followTranscript(video);
  followSimilar(video);
  followSpan(video);
  document.addEventListener("keydown", (event) => onKey(event, video, Number(player.dataset.fps) || 25));
  video.addEventListener("error", () => {
    if (video.error) player.querySelector("[data-broken]").hidden = false;
  });
}

function startAt(player, video) {
  const start = Number(player.dataset.start);
  const go = () => {
    if (start && Math.abs(video.currentTime - start) > 0.05) video.currentTime = start;
    if (player.hasAttribute("data-autoplay")) play(video);
  };
  if (video.readyState >= HTMLMediaElement.HAVE_METADATA) go();
  else video.addEventListener("loadedmetadata", go, { once: true });
}

// A browser that refuses sound without a click may still play without it.
function play(video) {
  video.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    video.muted = true;
    video.play().catch(() => {});
  });
}

function seek(video, time, { playing = true } = {}) {
  video.currentTime = Math.max(0, time);
  if (playing) play(video);
}

function followLinks(video) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-seek]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    seek(video, Number(link.dataset.seek));
    const address = link instanceof SVGAElement ? link.href.baseVal : link.getAttribute("href");
    history.replaceState(null, "", address);
    if (video.getBoundingClientRect().bottom < 80) video.scrollIntoView({ block: "start" });
  });
}

// "Now" beside the two ends of the span that copies are looked for: the second that plays.
function followSpan(video) {
  const form = document.querySelector("[data-span-form]");
  for (const button of form?.querySelectorAll("[data-take]") ?? []) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const seconds = Math.floor(video.currentTime * 10) / 10;
      const minutes = Math.floor(seconds / 60);
      const rest = (seconds - 60 * minutes).toFixed(1).padStart(4, "0");
      form.elements[button.dataset.take].value = minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
    });
  }
}

function setUpTimeline(timeline, video) {
  const duration = () => video.duration || Number(timeline.dataset.duration);
  const head = timeline.querySelector("[data-head]");
  const preview = timeline.querySelector("[data-preview]");
  const picture = preview.querySelector(".preview-picture");
  const label = preview.querySelector("[data-preview-time]");
  let tiles = [];
  video.addEventListener("timeupdate", () => {
    head.setAttribute("x", String(Math.min(99.65, (100 * video.currentTime) / duration())));
  });
  const timeUnder = (event) => {
    const box = timeline.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * duration();
  };
  timeline.addEventListener("pointerenter", async () => {
    tiles = await loadStoryboard(timeline.dataset.storyboard);
  });
  timeline.addEventListener("pointermove", (event) => {
    if (!tiles.length) return;
    const time = timeUnder(event);
    preview.hidden = false;
    showTile(picture, tileAt(tiles, time), { inside: true });
    label.textContent = timecode(time);
    const width = timeline.clientWidth;
    const half = preview.offsetWidth / 2;
    const centre = Math.min(width - half, Math.max(half, (width * time) / duration()));
    preview.style.left = `${centre - half}px`;
    if (event.buttons === 1) seek(video, time, { playing: false });
  });
  timeline.addEventListener("pointerleave", () => {
    preview.hidden = true;
  });
  timeline.addEventListener("click", (event) => {
    if (event.target.closest("a[data-seek]")) return;
    seek(video, timeUnder(event));
  });
}

function followTranscript(video) {
  const list = document.querySelector("[data-transcript]");
  if (!list) return;
  const cues = [...list.querySelectorAll("a[data-seek]")];
  let current = null;
  video.addEventListener("timeupdate", () => {
    const now = video.currentTime;
    const cue = cues.findLast((link) => Number(link.dataset.seek) <= now && now < Number(link.dataset.end)) ?? null;
    if (cue === current) return;
    current?.removeAttribute("aria-current");
    cue?.setAttribute("aria-current", "true");
    current = cue;
    if (cue && !list.matches(":hover, :focus-within")) {
      list.scrollTop = cue.offsetTop - list.offsetTop - list.clientHeight / 2;
    }
  });
}

function followSimilar(video) {
  const link = document.querySelector("a[data-similar]");
  link?.addEventListener("click", () => {
    const address = new URL(link.href);
    address.searchParams.set("t", video.currentTime.toFixed(1));
    link.href = address.href;
  });
}

function onKey(event, video, framesPerSecond) {
  const target = event.target;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target instanceof HTMLElement && target.closest("input, textarea, select, video, [data-transcript]")) return;
  if (document.querySelector("dialog[open]")) return;
  const actions = {
    k: () => (video.paused ? play(video) : video.pause()),
    ArrowLeft: () => seek(video, video.currentTime - STEP_SECONDS, { playing: false }),
    ArrowRight: () => seek(video, video.currentTime + STEP_SECONDS, { playing: false }),
    n: () => toMoment(video, 1),
    p: () => toMoment(video, -1),
    ",": () => frameStep(video, -1 / framesPerSecond),
    ".": () => frameStep(video, 1 / framesPerSecond),
  };
  if (!Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
}

function frameStep(video, seconds) {
  video.pause();
  video.currentTime = Math.max(0, video.currentTime + seconds);
}

function toMoment(video, direction) {
  const starts = [...document.querySelectorAll("a[data-moment]")].map((link) => Number(link.dataset.seek));
  const now = video.currentTime;
  const next = direction > 0 ? starts.find((start) => start > now + 0.3) : starts.findLast((start) => start < now - 1);
  if (next !== undefined) seek(video, next);
}
