// Names of the picture can be clicked, and keys lead to the forms. Without it, menus do all that.
"use strict";
document.documentElement.classList.add("scripted");
const asks = [...document.querySelectorAll("form.ask")];
let current = asks.find((form) => form.contains(document.activeElement)) ?? asks[0];
for (const form of asks) form.addEventListener("focusin", () => { current = form; });

// A click on a name chooses it in the first empty menu that has it, of the form used last.
const choose = (name) => {
  if (!current) return;
  const menus = [...current.querySelectorAll("select[data-names]")];
  const fits = (menu) => [...menu.options].some((option) => option.text === name);
  const menu = menus.find((each) => !each.value && fits(each)) ?? menus.findLast(fits);
  if (!menu) return;
  menu.value = [...menu.options].find((option) => option.text === name).value;
  ([...current.querySelectorAll("select")].find((each) => !each.value) ?? current.querySelector("button")).focus();
};
const picture = document.querySelector(".context svg");
if (picture && asks.length) {
  picture.classList.add("clickable");
  picture.addEventListener("click", (event) => {
    const vertex = event.target.closest(".vertex");
    if (vertex) choose(vertex.dataset.name);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("select, input")) return;
  const keyed = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (keyed?.matches("form")) keyed.querySelector("select").focus();
  else if (keyed) keyed.click();
  else if (event.key === "a") document.querySelector("#answer-menu")?.focus();
  else if (event.key === "u") document.querySelector("#undo")?.click();
  else return;
  event.preventDefault();
});
