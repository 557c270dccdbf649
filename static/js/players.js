// Two players locked together by an alignment: when one moves, the other goes to the matching second.
// Markup: [data-players] with data-segments="[[aStart, aEnd, bStart, bEnd, reversed], ...]" around
// video[data-side=a], video[data-side=b], and optional [data-play-both], [data-lock], [data-span=N].
const DRIFT_SECONDS = 0.15;
const FRAME_SECONDS = 1 / 25;
const SLOWEST = 0.1; // browsers take 0.0625 to 16, and are silent or stumble near the ends
const FASTEST = 8;

/** The speed of the follower, and what to tell about it: how it keeps step, or why it does not quite. */
export function pace(there, leaderRate, length) {
  if (there.reversed) return { rate: 1, words: "The other video runs backwards: it is shown picture by picture." };
  const wanted = leaderRate * there.slope;
  const rate = Math.min(Math.max(wanted, SLOWEST), FASTEST);
  if (there.value < 0) return { rate, words: "The other video has not started here." };
  if (there.value >= length) return { rate, words: "The other video has ended here." };
  if (rate !== wanted) return { rate, words: `The other video would have to run at ${wanted.toFixed(2)}x, which browsers cannot do: it is shown picture by picture.` };
  if (Math.abs(rate / leaderRate - 1) > 0.02) return { rate, words: `The other video runs at ${(rate / leaderRate).toFixed(2)}x to stay in sync.` };
  return { rate, words: there.distance > 1 ? "Outside the matching parts." : "" };
}

/** The second of the other video that belongs to ``time``; outside all segments the nearest one carries on. */
export function matching(segments, time, fromA) {
  let best = null;
  for (const [a0, a1, b0, b1, reversed] of segments) {
    const [from, to, other0, other1] = fromA ? [a0, a1, b0, b1] : [b0, b1, a0, a1];
    const distance = time < from ? from - time : time > to ? time - to : 0;
    if (best === null || distance < best.distance) {
      const slope = to > from ? (other1 - other0) / (to - from) : 1;
      const value = reversed ? other1 - (time - from) * slope : other0 + (time - from) * slope;
      best = { distance, value, slope, reversed };
    }
  }
  return best ?? { distance: 0, value: time, slope: 1, reversed: false };
}

export class Players {
  constructor(root) {
    this.root = root;
    this.segments = JSON.parse(root.dataset.segments || "[]");
    this.a = root.querySelector("video[data-side=a]");
    this.b = root.querySelector("video[data-side=b]");
    this.leader = this.a ?? this.b;
    this.words = root.querySelector("[data-lock-words]");
    const lock = root.querySelector("[data-lock]");
    lock?.addEventListener("change", () => this.words?.replaceChildren());
    this.locked = () => Boolean(this.a && this.b) && (lock?.checked ?? true);
    for (const video of [this.a, this.b].filter(Boolean)) this._watch(video);
    const play = root.querySelector("[data-play-both]");
    if (play) {
      play.hidden = false;
      play.addEventListener("click", () => this.toggle());
      for (const name of ["play", "pause", "ended"]) {
        this.leader.addEventListener(name, () => play.querySelector("span").replaceChildren(this.leader.paused ? "Play both" : "Pause"));
      }
    }
    lock?.closest("[hidden]")?.removeAttribute("hidden");
    for (const target of root.querySelectorAll("[data-span]")) {
      target.hidden = false;
      target.addEventListener("click", () => this.span(Number(target.dataset.span), true));
    }
    if (this.segments.length) this.span(0, false);
  }

  _watch(video) {
    const lead = () => {
      this.leader = video;
    };
    video.addEventListener("pointerdown", lead);
    video.addEventListener("keydown", lead);
    video.addEventListener("error", () => this._unplayable(video), true);
    const leads = (act) => () => {
      if (this.leader === video && this.locked()) act(video === this.a ? this.b : this.a);
    };
    video.addEventListener("play", leads((other) => this._follow(other)));
    video.addEventListener("pause", leads((other) => other.pause()));
    video.addEventListener("seeking", leads((other) => this._place(other, 0.02)));
    video.addEventListener("timeupdate", leads((other) => this._place(other, DRIFT_SECONDS)));
    video.addEventListener("ratechange", leads((other) => this._place(other, DRIFT_SECONDS)));
    if (video.error) this._unplayable(video);
  }

  /** Put the follower where the leader is; ``tolerance`` in seconds. */
  _place(other, tolerance) {
    const there = matching(this.segments, this.leader.currentTime, this.leader === this.a);
    const length = Number.isFinite(other.duration) ? other.duration : Infinity;
    const target = Math.min(Math.max(there.value, 0), length);
    const { rate, words } = pace(there, this.leader.playbackRate, length);
    if (this.words && this.words.textContent !== words) this.words.textContent = words;
    if (Math.abs(other.currentTime - target) > tolerance) other.currentTime = target;
    if (there.reversed) {
      other.pause(); // browsers do not play backwards: it is moved along instead
      return;
    }
    other.playbackRate = rate;
    const within = there.value >= 0 && there.value < length;
    if (!this.leader.paused && within && other.paused) other.play().catch(() => {});
    if (!within && !other.paused) other.pause();
  }

  _follow(other) {
    other.muted = true; // one sound at a time
    this._place(other, DRIFT_SECONDS);
  }

  _unplayable(video) {
    const frame = video.closest("[data-player]");
    video.hidden = true;
    frame?.querySelector("[data-unplayable]")?.removeAttribute("hidden");
    if (this.leader === video) this.leader = video === this.a ? this.b : this.a;
  }

  /** Both at the start of a matched span. */
  span(index, play) {
    const segment = this.segments[index];
    if (!segment) return;
    const [a0, , b0, b1, reversed] = segment;
    const place = (video, time) => {
      if (!video) return;
      if (video.readyState > 0) video.currentTime = time;
      else video.addEventListener("loadedmetadata", () => { video.currentTime = time; }, { once: true });
    };
    place(this.a, a0);
    place(this.b, reversed ? b1 : b0);
    for (const target of this.root.querySelectorAll("[data-span]")) target.toggleAttribute("data-on", Number(target.dataset.span) === index);
    if (play) {
      if (this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView({ block: "start" });
      this.leader.play().catch(() => {});
    }
  }

  toggle() {
    if (this.leader.paused) this.leader.play().catch(() => {});
    else this.leader.pause();
  }

  step(direction) {
    this.leader.pause();
    this.leader.currentTime = Math.max(0, this.leader.currentTime + direction * FRAME_SECONDS);
  }
}

/** Wake every [data-players] inside ``where`` once; returns the new ones. */
export function wake(where = document) {
  return [...where.querySelectorAll("[data-players]:not([data-awake])")].map((root) => {
    root.dataset.awake = "";
    return new Players(root);
  });
}
