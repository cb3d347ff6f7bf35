"use strict";

// Everything works without this file: it saves ticking boxes and pressing "Continue".
const chooseAll = document.querySelector("[data-choose-all]");
if (chooseAll) {
  chooseAll.hidden = false;
  chooseAll.addEventListener("click", () => {
    for (const box of chooseAll.form.querySelectorAll("input[name=key]")) {
      box.checked = true;
    }
  });
}

// The next page takes the place of this one's parts: the focus stays where it is, and the status, a live
// region, is read out. Where the answer is another page (somebody was signed out), it is shown as such.
async function goOn() {
  for (let form; (form = document.querySelector("form[data-goes-on]")); ) {
    form.hidden = true;
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const parts = document.querySelectorAll("[data-part]");
    const next = page.querySelectorAll("[data-part]");
    if (next.length !== parts.length) {
      form.submit();
      return;
    }
    document.title = page.title;
    parts.forEach((part, index) => part.replaceChildren(...next[index].childNodes));
  }
}
goOn().catch(() => document.querySelector("form[data-goes-on]").submit());
