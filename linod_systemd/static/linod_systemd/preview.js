/* Shows, below the form of a rule, what it says: the sentence and the next times, before it is saved. */
"use strict";
window.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("rule-preview");
  const form = document.getElementById("jobrule_form");
  if (!box || !form) return;
  let asked = 0;
  const show = async () => {
    const turn = ++asked;
    try {
      const answer = await fetch(box.dataset.address, { method: "POST", body: new FormData(form) });
      const text = await answer.text();
      if (turn === asked) box.innerHTML = answer.ok ? text : "";
    } catch {
      if (turn === asked) box.textContent = "The server does not answer.";
    }
  };
  let waiting;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, 300);
  });
  form.addEventListener("click", (event) => {
    // What Django's own date and time pickers fill in sends no event.
    if (event.target.closest(".datetimeshortcuts, .calendarbox, .clockbox")) setTimeout(show, 50);
  });
  show();
});
