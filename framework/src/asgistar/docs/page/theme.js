// The theme, before anything is painted: "light", "dark", or none, which is what the system says.
(() => {
  try {
    const theme = localStorage.getItem("asgistar-docs-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // a browser that keeps nothing
  }
})();
