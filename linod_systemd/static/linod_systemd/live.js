/* While a job runs, its log and progress are asked for each second. */
"use strict";
window.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("linod-live");
  const runs = () => box && box.querySelector("[data-running]");
  const look = async () => {
    try {
      const answer = await fetch(box.dataset.address);
      if (answer.ok) box.innerHTML = await answer.text();
    } catch {
      // The server may be about to restart; the next second tells.
    }
    if (runs()) setTimeout(look, 1000);
    else location.reload();
  };
  if (runs()) setTimeout(look, 1000);
});
