"use strict";

// Everything works without this file: it saves ticking, and pressing "Go on".
const chooseAll = document.querySelector("[data-choose-all]");
if (chooseAll) {
  chooseAll.hidden = false;
  chooseAll.addEventListener("click", () => {
    for (const box of chooseAll.form.querySelectorAll("input[name=key]")) {
      box.checked = true;
    }
  });
}
const goesOn = document.querySelector("form[data-goes-on]");
if (goesOn) {
  goesOn.submit();
}
