"use strict";
// One trial is a line, a dot or a row in many places: pointing at one of them marks them all.
(() => {
  const source = document.querySelector("script.trialtexts");
  const texts = source ? JSON.parse(source.textContent) : {};
  const all = new Map();
  document.querySelectorAll("[data-trial]").forEach((element) => {
    const number = element.dataset.trial;
    if (!all.has(number)) all.set(number, []);
    all.get(number).push(element);
  });
  const mark = (number, name, on) => {
    (all.get(number) || []).forEach((element) => element.classList.toggle(name, on));
  };

  let lit = null;
  const light = (number) => {
    if (number === lit) return;
    if (lit !== null) mark(lit, "lit", false);
    lit = number;
    if (lit !== null) mark(lit, "lit", true);
  };
  const trialOf = (event) => event.target.closest("[data-trial]");

  // Before the page's own listener, which shows what stands in data-tip.
  document.addEventListener("pointerover", (event) => {
    const owner = trialOf(event);
    light(owner ? owner.dataset.trial : null);
    if (owner && texts[owner.dataset.trial]) owner.dataset.tip = texts[owner.dataset.trial];
  }, true);
  document.addEventListener("focusin", (event) => {
    const owner = trialOf(event);
    light(owner ? owner.dataset.trial : null);
  });
  document.addEventListener("click", (event) => {
    const owner = trialOf(event);
    if (!owner) return;
    const number = owner.dataset.trial;
    const kept = !owner.classList.contains("kept");
    mark(number, "kept", kept);
    (all.get(number) || []).forEach((element) => {
      if (element.hasAttribute("aria-pressed")) element.setAttribute("aria-pressed", String(kept));
    });
  });
})();
