"use strict";
// Sorts and filters the tables. Without scripts all rows are there, in the order of the report.
const collator = new Intl.Collator("en", { numeric: true });

const valueOf = (row, column) => {
  const text = row.cells[column].textContent.trim();
  const number = Number(text.replaceAll(",", ""));
  return text !== "" && !Number.isNaN(number) ? number : text;
};

const compare = (one, other) =>
  typeof one === "number" && typeof other === "number"
    ? one - other
    : collator.compare(String(one), String(other));

const sort = (table, header, column) => {
  // Numbers first fall: the largest is what a reader looks for.
  const isNumber = header.classList.contains("count");
  const before = header.getAttribute("aria-sort");
  const falls = before ? before === "ascending" : isNumber;
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", falls ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  rows.sort((one, other) => (falls ? -1 : 1) * compare(one[0], other[0]));
  body.append(...rows.map(([, row]) => row));
};

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (header.classList.contains("share")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(table, header, column));
    header.replaceChildren(button);
  });
}

for (const input of document.querySelectorAll("input[data-table]")) {
  const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
  const shown = input.parentElement.querySelector("output");
  if (rows.length < 2) continue;
  input.parentElement.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.cells[0].textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) count += 1;
    }
    shown.textContent = words.length ? `${count} of ${rows.length}` : "";
  });
}

for (const box of document.querySelectorAll(".command")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  box.append(button);
}

// Paper shows everything: tables that are folded are opened.
addEventListener("beforeprint", () => {
  for (const row of document.querySelectorAll("tbody tr[hidden]")) row.hidden = false;
});
