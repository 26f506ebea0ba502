// Draws every chart of the page from the element #charts when it comes near the screen, or before printing.
(() => {
  "use strict";
  const store = document.getElementById("charts");
  if (!store) return;
  const specs = JSON.parse(store.textContent);

  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);

  // Text nodes alone: what a datum says is never read as markup.
  const tell = (_view, event, _item, value) => {
    const lines = value && typeof value === "object" ? value.tip : null;
    if (!lines) {
      tip.hidden = true;
      return;
    }
    tip.replaceChildren(
      ...lines.map(([label, text]) => {
        const line = document.createElement("div");
        const name = document.createElement("span");
        const said = document.createElement("b");
        name.textContent = label;
        said.textContent = text;
        line.append(name, said);
        return line;
      }),
    );
    tip.hidden = false;
    const { innerWidth: wide, innerHeight: high } = window;
    const x = Math.min(event.clientX + 14, wide - tip.offsetWidth - 8);
    const y = event.clientY + 18 + tip.offsetHeight > high ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18;
    tip.style.left = `${Math.max(8, x)}px`;
    tip.style.top = `${Math.max(8, y)}px`;
  };

  const views = new Map();
  const draw = async (host, choice) => {
    const entry = specs[host.dataset.chart];
    const spec = choice ? entry.choices[choice] : entry.spec || Object.values(entry.choices)[0];
    views.get(host)?.finalize();
    views.set(host, null);
    // `ast`: expressions are interpreted, so that the page's policy need not allow eval.
    const options = { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: tell };
    const result = await window.vegaEmbed(host, spec, options);
    views.set(host, result);
    // The host is an image with a name of its own; what is inside of it would be read out piece by piece.
    host.querySelector("svg")?.setAttribute("aria-hidden", "true");
    host.dataset.drawn = choice || "";
  };

  const hosts = [...document.querySelectorAll("[data-chart]")];
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        if (!views.has(target)) draw(target);
      }
    },
    { rootMargin: "400px" },
  );
  hosts.forEach((host) => seen.observe(host));
  // `width: container` is measured again when a fold opens or the window changes: Vega listens to the latter alone.
  document.addEventListener("toggle", () => window.dispatchEvent(new Event("resize")), true);
  window.addEventListener("beforeprint", () => hosts.filter((h) => !views.has(h) && h.offsetWidth).forEach((h) => draw(h)));

  document.querySelectorAll("[data-draws]").forEach((button) =>
    button.addEventListener("click", () => {
      const { draws, choice } = button.dataset;
      document
        .querySelectorAll(`[data-draws="${draws}"]`)
        .forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      draw(document.querySelector(`[data-chart="${draws}"]`), choice);
    }),
  );
})();
