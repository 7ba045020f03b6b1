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

// Replace one part of the page by what the server says now.
async function replace(part, address) {
  const old = document.querySelector(`[data-part="${CSS.escape(part)}"]`);
  if (!old) return;
  const answer = await fetch(address);
  if (!answer.ok) return;
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  const fresh = holder.content.querySelector("[data-part]");
  if (!fresh) return;
  const details = old.querySelector("details");
  if (details?.open) fresh.querySelector("details").open = true;
  const focused = details?.querySelector("summary") === document.activeElement && details;
  old.replaceWith(fresh);
  if (focused) fresh.querySelector("summary").focus();
}

// Parts that changed are fetched together, twice a second at most, never one part twice at once.
const due = new Set();
let fetching = false;
async function refresh(parts, study) {
  parts.forEach((part) => due.add(part));
  if (fetching) return;
  fetching = true;
  while (due.size) {
    const batch = [...due];
    due.clear();
    const base = `/studies/${encodeURIComponent(study)}/fragments/`;
    await Promise.allSettled(batch.map((part) => replace(part, base + encodeURIComponent(part))));
    await new Promise((resume) => setTimeout(resume, 500));
  }
  fetching = false;
}

function followStudy(study) {
  const all = () => [...document.querySelectorAll("[data-part]")].map((part) => part.dataset.part);
  const events = new EventSource(`/api/v1/studies/${encodeURIComponent(study)}/events`);
  // Whatever happened between this page and the connection, or while it was lost, is caught up on.
  events.addEventListener("open", () => refresh(all(), study));
  events.addEventListener("changed", (event) => refresh(JSON.parse(event.data).parts, study));
  events.addEventListener("ended", async () => {
    events.close();
    await refresh(all(), study);
    document.querySelector("[data-announce]").textContent = "The study has ended.";
  });
}

// The list, while something in it is under way and someone looks.
function followStudies() {
  setInterval(() => {
    const list = document.querySelector('[data-part="studies"][data-live]');
    if (list && !document.hidden) replace("studies", list.dataset.refresh);
  }, 4000);
}

// Pointing at a cell marks the same learning rate and weight decay in every panel.
function pointAtCells() {
  const tip = document.querySelector("[data-tip]");
  const place = (cell) => cell.getAttribute("aria-label").split(":")[0];
  let here = null;
  document.addEventListener("pointerover", (event) => {
    const cell = event.target.closest?.(".cells_marks > [aria-label]");
    if (cell === here) return;
    here = cell;
    document.querySelectorAll(".same").forEach((other) => other.classList.remove("same"));
    tip.hidden = !cell;
    if (!cell) return;
    document.querySelectorAll(".cells_marks > [aria-label]").forEach((other) => {
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
  if (document.querySelector('[data-part="studies"]')) followStudies();
});
