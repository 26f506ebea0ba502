// Runs in the head, so that a page never flashes in the other theme.
(() => {
  "use strict";
  const KEY = "tfx-edge-theme";
  const root = document.documentElement;
  const read = () => {
    try {
      return localStorage.getItem(KEY) || "system";
    } catch {
      return "system"; // storage is off: the switch works, and forgets
    }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(read());
  document.addEventListener("DOMContentLoaded", () => {
    const buttons = [...document.querySelectorAll("[data-set-theme]")];
    const mark = (theme) =>
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme)));
    mark(read());
    buttons.forEach((button) =>
      button.addEventListener("click", () => {
        const theme = button.dataset.setTheme;
        apply(theme);
        mark(theme);
        try {
          localStorage.setItem(KEY, theme);
        } catch {
          // see above
        }
      }),
    );
  });
})();
