// Storyboards: the cues of storyboard.vtt, and one of their tiles shown inside an element.
const CUE = /([\d:.]+)\s+-->\s+([\d:.]+)[^\n]*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g;
const loading = new Map();

function seconds(clock) {
  return clock.split(":").reduce((total, part) => 60 * total + Number(part), 0);
}

export function parseStoryboard(text, base) {
  return [...text.replaceAll("\r\n", "\n").matchAll(CUE)].map(([, start, end, file, x, y, width, height]) => ({
    start: seconds(start),
    end: seconds(end),
    url: new URL(file, base).href,
    x: Number(x),
    y: Number(y),
    width: Number(width),
    height: Number(height),
  }));
}

// Each storyboard is fetched once a page; a video without one gives no tiles.
export function loadStoryboard(address) {
  if (!loading.has(address)) {
    const base = new URL(address, document.baseURI);
    const tiles = fetch(base)
      .then((response) => (response.ok ? response.text() : ""))
      .then((text) => parseStoryboard(text, base))
      .catch(() => []);
    loading.set(address, tiles);
  }
  return loading.get(address);
}

export function tileAt(tiles, time) {
  let found = tiles[0];
  for (const tile of tiles) {
    if (tile.start > time) break;
    found = tile;
  }
  return found;
}

// Fill `box` (positioned, overflow hidden) with the tile, scaled to cover it, or to lie inside it.
export function showTile(box, tile, { inside = false } = {}) {
  let picture = box.querySelector(":scope > .tile-picture");
  if (!picture) {
    picture = document.createElement("span");
    picture.className = "tile-picture";
    picture.setAttribute("aria-hidden", "true");
    box.prepend(picture);
  }
  const across = box.clientWidth / tile.width;
  const down = box.clientHeight / tile.height;
  const scale = inside ? Math.min(across, down) : Math.max(across, down);
  const style = picture.style;
  style.width = `${tile.width}px`;
  style.height = `${tile.height}px`;
  style.backgroundImage = `url("${tile.url}")`;
  style.backgroundPosition = `-${tile.x}px -${tile.y}px`;
  const left = (box.clientWidth - tile.width * scale) / 2;
  const top = (box.clientHeight - tile.height * scale) / 2;
  style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
  return picture;
}

export function timecode(time) {
  const whole = Math.max(0, Math.floor(time));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
