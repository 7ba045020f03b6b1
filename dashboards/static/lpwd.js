"use strict";

// Theme: as the system says, unless chosen here.
const root = document.documentElement;
try {
  if (localStorage.theme) root.dataset.theme = localStorage.theme;
} catch {
  // A browser that keeps nothing for pages: the choice then lasts as long as this one.
}

function offerTheme() {
  const button = document.querySelector("[data-theme-toggle]");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const shown = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = shown() === "dark" ? "light" : "dark";
    try {
      localStorage.theme = root.dataset.theme;
    } catch {}
  });
}

// Put what the server says now in the place of the parts of that name.
async function replace(address) {
  const answer = await fetch(address);
  if (!answer.ok) return;
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  for (const fresh of holder.content.querySelectorAll("[data-part]")) {
    const old = document.querySelector(`[data-part="${CSS.escape(fresh.dataset.part)}"]`);
    if (!old) continue;
    if (old.querySelector("form :focus")) {
      late.add(fresh.dataset.part);
      continue;
    }
    const [before, after] = [old, fresh].map((part) => [...part.querySelectorAll("details")]);
    const ticked = [...old.querySelectorAll("input:checked")].map((box) => box.value);
    const picked = [...old.querySelectorAll("select")].map((list) => list.value);
    fresh.querySelectorAll("input").forEach((box) => (box.checked = ticked.includes(box.value)));
    fresh.querySelectorAll("select").forEach((list, place) => (list.value = picked[place] ?? list.value));
    const focused = before.findIndex((one) => one.contains(document.activeElement));
    if (before.length === after.length) after.forEach((one, place) => (one.open = before[place].open));
    if (old.dataset.scale !== fresh.dataset.scale) panels().forEach((part) => due.add(part));
    old.replaceWith(fresh);
    if (after[focused]) after[focused].querySelector("summary").focus();
  }
}

// Parts in whose form somebody chooses: they follow once the focus has left it.
const late = new Set();

const parts = () => [...document.querySelectorAll("[data-part]")].map((one) => one.dataset.part);
const panels = () => parts().filter((part) => /^(panel|plane):/.test(part));

// Parts that changed are fetched together, in one request at a time and two a second at most.
// The legend tells whether the colour scale has moved, which all panels share.
const due = new Set();
let fetching = false;
async function refresh(changed, study) {
  changed.forEach((part) => due.add(part));
  if (fetching) return;
  fetching = true;
  while (due.size) {
    const batch = [...due, "legend"].join(",");
    due.clear();
    await replace(`/studies/${encodeURIComponent(study)}/fragments/${batch}${chosen()}`).catch(() => {});
    await new Promise((resume) => setTimeout(resume, 500));
  }
  fetching = false;
}

// What the comparison is with, where somebody chose it.
function chosen() {
  const reference = new URLSearchParams(location.search).get("reference");
  return reference ? `?reference=${encodeURIComponent(reference)}` : "";
}

// It takes the most to work out, so it follows at a distance: once in ten seconds, and at the end.
let compared = -Infinity;
let comparing;
function followed() {
  clearTimeout(comparing);
  comparing = undefined;
  compared = performance.now();
}

function withComparison(changed, study) {
  if (!changed.includes("robustness") || !parts().includes("difference")) return changed;
  const wait = compared + 10000 - performance.now();
  if (wait > 0) {
    comparing ??= setTimeout(() => {
      followed();
      refresh(["difference"], study);
    }, wait);
    return changed;
  }
  followed();
  return [...changed, "difference"];
}

function followStudy(study) {
  const events = new EventSource(`/api/v1/studies/${encodeURIComponent(study)}/events`);
  // Whatever happened between this page and the connection, or while it was lost, is caught up on.
  events.addEventListener("open", () => {
    followed();
    refresh(parts(), study);
  });
  events.addEventListener("changed", (event) => {
    refresh(withComparison(JSON.parse(event.data).parts, study), study);
  });
  events.addEventListener("ended", async () => {
    events.close();
    followed();
    await refresh(parts(), study);
    document.querySelector("[data-announce]").textContent = "The study has ended.";
  });
  document.addEventListener("focusout", (event) => {
    if (!late.size || event.target.form?.contains(event.relatedTarget)) return;
    const missed = [...late];
    late.clear();
    refresh(missed, study);
  });
}

// Lists, while something in them is under way and someone looks.
function followLists() {
  setInterval(() => {
    const list = document.querySelector("[data-part][data-refresh][data-live]");
    if (list && !document.hidden) replace(list.dataset.refresh).catch(() => {});
  }, 4000);
}

// Pointing at a cell marks the same learning rate and weight decay in every panel.
const CELLS = ".cells_marks > [aria-label], .points_marks > [aria-label]";
function pointAtCells() {
  const tip = document.querySelector("[data-tip]");
  const place = (cell) => cell.getAttribute("aria-label").split(":")[0];
  let here = null;
  document.addEventListener("pointerover", (event) => {
    const cell = event.target.closest?.(CELLS);
    if (cell === here) return;
    here = cell;
    document.querySelectorAll(".same").forEach((other) => other.classList.remove("same"));
    tip.hidden = !cell;
    if (!cell) return;
    document.querySelectorAll(CELLS).forEach((other) => {
      other.classList.toggle("same", place(other) === place(cell));
    });
    tip.textContent = cell.getAttribute("aria-label");
    const box = cell.getBoundingClientRect();
    const left = Math.min(Math.max(box.left + box.width / 2 - tip.offsetWidth / 2, 8), innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 8 : box.bottom + 8}px`;
  });
}

document.addEventListener("DOMContentLoaded", () => {
  offerTheme();
  pointAtCells();
  const page = document.querySelector("main");
  if (page.dataset.study && "live" in page.dataset) followStudy(page.dataset.study);
  if (document.querySelector("[data-part][data-refresh]")) followLists();
});
