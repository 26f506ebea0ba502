// The page of a workspace: sorts and filters its table, tells of points, and, when a server sent it, keeps itself fresh.
(() => {
  "use strict";
  const LISTED = 50;
  const chosen = { column: -1, direction: "none", group: "", all: false };
  const $ = (selector) => document.querySelector(selector);

  // Table ------------------------------------------------------------------------------------------------------------
  const body = () => $("#runs-table tbody");
  const valueOf = (row, column, kind) => {
    const text = row.cells[column].dataset.value ?? "";
    if (kind !== "number") return text.toLowerCase();
    return text === "" ? null : Number(text);
  };
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  const arrange = () => {
    if (!body()) return;
    const heads = [...document.querySelectorAll("#runs-table thead th")];
    heads.forEach((head, index) => head.setAttribute("aria-sort", index === chosen.column ? chosen.direction : "none"));
    const rows = [...body().rows];
    const kind = heads[chosen.column]?.dataset.sort;
    const sign = chosen.direction === "descending" ? -1 : 1;
    rows.sort((one, other) => {
      const newest = Number(other.dataset.row) - Number(one.dataset.row);
      if (chosen.direction === "none") return newest;
      const [a, b] = [one, other].map((row) => valueOf(row, chosen.column, kind));
      // What was not measured stands last, whichever way it is sorted.
      if (a === null || b === null) return (a === null) - (b === null) || newest;
      return sign * compare(a, b) || newest;
    });
    body().append(...rows);
    const wanted = rows.filter((row) => !chosen.group || row.dataset.group === chosen.group);
    const shown = new Set(chosen.all ? wanted : wanted.slice(0, LISTED));
    rows.forEach((row) => (row.hidden = !shown.has(row)));
    document
      .querySelectorAll("[data-filter] button")
      .forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.group === chosen.group)));
    const more = $("#more");
    more.hidden = chosen.all || wanted.length <= LISTED;
    more.textContent = `Show all ${wanted.length}`;
  };

  document.addEventListener("click", (event) => {
    const head = event.target.closest("#runs-table th button");
    const filter = event.target.closest("[data-filter] button");
    if (head) {
      const column = head.parentElement.cellIndex;
      const turns = { none: "ascending", ascending: "descending", descending: "none" };
      chosen.direction = chosen.column === column ? turns[chosen.direction] : "ascending";
      chosen.column = column;
      arrange();
    } else if (filter) {
      chosen.group = filter.dataset.group;
      arrange();
    } else if (event.target.closest("#more")) {
      chosen.all = true;
      arrange();
    }
  });

  // Points -----------------------------------------------------------------------------------------------------------
  // Marks of many runs are small and lie close together: the nearest one is meant.
  const REACH = 24;
  let tip = null;
  let told = null;
  const hide = () => {
    tip?.remove();
    told?.classList.remove("told");
    tip = told = null;
  };
  const middle = (mark) => {
    const box = mark.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  };
  const nearest = (event) => {
    const drawing = event.target.closest?.(".drawing");
    let [found, least] = [null, REACH];
    drawing?.querySelectorAll("[data-tip]").forEach((mark) => {
      const [x, y] = middle(mark);
      const distance = Math.hypot(event.clientX - x, event.clientY - y);
      if (distance < least) [found, least] = [mark, distance];
    });
    return found;
  };
  const tell = (mark) => {
    if (mark === told) return;
    hide();
    if (!mark) return;
    const figure = mark.closest("figure");
    told = mark;
    told.classList.add("told");
    tip = document.createElement("div");
    tip.className = "tip";
    tip.textContent = mark.dataset.tip;
    figure.append(tip);
    const frame = figure.getBoundingClientRect();
    const [x, y] = middle(mark);
    const left = x - frame.left - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(0, Math.min(left, frame.width - tip.offsetWidth))}px`;
    tip.style.top = `${y - frame.top - tip.offsetHeight - 12}px`;
  };
  document.addEventListener("pointermove", (event) => tell(nearest(event)));
  document.addEventListener("click", (event) => {
    const row = nearest(event)?.dataset.run;
    const link = row && document.querySelector(`tr[data-row="${row}"] th a`);
    if (link) location.assign(link.href);
  });
  const showNewest = () =>
    document.querySelectorAll(".drawing").forEach((drawing) => {
      drawing.scrollLeft = drawing.scrollWidth;
      // What scrolls must be reached by the keyboard too.
      if (drawing.scrollWidth > drawing.clientWidth) drawing.tabIndex = 0;
    });

  // Fresh ------------------------------------------------------------------------------------------------------------
  const live = () => document.querySelectorAll("[data-static]").forEach((part) => (part.hidden = true));

  // A button or a link of the old page, found again in the new one.
  const name = (element) =>
    [element.tagName, element.id, element.getAttribute("href"), element.dataset.group, element.textContent].join("|");
  const focusAgain = (wanted) => {
    if (!wanted) return;
    const same = [...document.querySelectorAll("main a, main button, .toc a")].find((it) => name(it) === wanted);
    same?.focus({ preventScroll: true });
  };

  const replace = async () => {
    const answer = await fetch("index.html", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [x, y] = [scrollX, scrollY];
    const active = document.activeElement?.matches("main *, .toc *") ? name(document.activeElement) : null;
    hide();
    for (const part of ["main", ".toc", ".crumbs", ".bottom"]) {
      const [here, there] = [$(part), next.querySelector(part)];
      if (here && there && here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
    }
    document.title = next.title;
    live();
    arrange();
    showNewest();
    focusAgain(active);
    scrollTo({ left: x, top: y, behavior: "instant" });
    $("#said").textContent = $("h1").textContent;
  };

  const ask = async () => {
    let pause = 3000;
    try {
      const answer = await fetch("state.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      if (state.key !== $("#state").dataset.key) await replace();
      const running = $("#running");
      if (running.dataset.shown !== state.running) {
        running.innerHTML = state.running;
        running.dataset.shown = state.running;
      }
      $("#lost").hidden = true;
      if (state.active) pause = 1000;
    } catch {
      $("#lost").hidden = false;
      pause = 5000;
    }
    setTimeout(ask, pause);
  };

  arrange();
  showNewest();
  if (location.protocol.startsWith("http")) {
    live();
    ask();
  }
})();
